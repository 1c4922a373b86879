"""From a repository and a prompt to a verified branch, on real kubelets, with the real CLIs and a git server of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clis.cli import CLAUDE, CODEX, Cli
from tests.cluster.kind import KindCluster
from tests.kind.installed import Installed
from tests.plugin import Plugin
from tests.recipe_image import CLAUDE_AGENT, CODEX_AGENT, Recipe, load_image
from tests.verified_branch.forge import READS, WRITES, Forge, serve
from tests.verified_branch.model_thread import serving
from tests.verified_branch.project import PYTHON, SHELL, Project, publish
from tests.verified_branch.story import CLAIM, Story


@pytest.fixture
def repository(project: Project, tmp_path: Path) -> Path:
    """A project's bare repository."""
    for name in ("repositories", "work"):
        (tmp_path / name).mkdir()
    return publish(project, tmp_path / "repositories", tmp_path / "work")


@pytest.fixture
def forge(kind_cluster: KindCluster, cloning: Installed, repository: Path, tmp_path: Path) -> Iterator[Forge]:
    """The repository on servers that pods reach."""
    (tmp_path / "tls").mkdir()
    with serve(repository, tmp_path / "tls", kind_cluster.gateway()[0]) as made:
        yield made


@pytest.mark.parametrize(
    ("project", "cli", "recipe"), [(PYTHON, CODEX, CODEX_AGENT), (SHELL, CLAUDE, CLAUDE_AGENT)], ids=["codex", "claude"]
)
def test_a_verified_branch(
    kind_cluster: KindCluster,
    cloning: Installed,
    namespace: str,
    project: Project,
    cli: Cli,
    recipe: Recipe,
    forge: Forge,
) -> None:
    """The agent is killed with an uncommitted edit, resumes with it, claims success, is told what the tests printed, and its second
    claim is true: the branch has exactly the tree that was verified.
    """
    model = cli.model()
    story = Story(kind_cluster, namespace, project, forge, cli, load_image(kind_cluster, recipe), model)
    with serving(model, kind_cluster.gateway()[0]):
        model.answer(*story.script())
        story.begin()
        story.kill_the_agent()
        found = story.end()
    story.check(found)
    story.check_tree()
    assert project.complaint in model.said(), "what the tests printed has reached the agent"
    assert found["agents"][0]["result"]["summary"] == CLAIM
    rw = Plugin(kind_cluster, namespace)
    for words in (rw.ok("describe", story.name), rw.ok("explain", story.name)):
        assert story.branch in words
        assert found["agents"][0]["published"]["commit"][:7] in words
        assert not {READS, WRITES} & set(words.split())
    code, changes, told = rw.process("diff", story.name)
    assert (code, f"\n+{project.right}\n" in changes) == (0, True), f"{changes}{told}"
