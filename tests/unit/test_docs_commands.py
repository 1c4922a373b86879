"""Every command on a page is run by a test or has a reason why not: a new one fails here until it has either."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
BLOCK = re.compile(r"^ *```(?:sh|console|bash|shell)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
INSTALLED = "tests/kind/test_install_docs.py"
RELEASED = "tests/kind/test_release.py"
TYPED = "tests/api/test_docs_commands.py"
PLAYED = "tests/api/test_docs_scenes.py"
SIMULATED = "tests/unit/simulation/test_simulate_docs.py"


class Shown(NamedTuple):
    """A block of commands, identified by its page and its beginning."""

    page: str
    begins: str


RUN_BY = {
    Shown("README.md", "helm upgrade"): INSTALLED,
    Shown("README.md", "$ kubectl rw run fix"): TYPED,
    Shown("README.md", "$ kubectl apply"): "tests/kind/test_readme.py",
    Shown("docs/install.md", "export CHART="): INSTALLED,
    Shown("docs/install.md", "kubectl create namespace"): INSTALLED,
    Shown("docs/install.md", "helm upgrade"): INSTALLED,
    Shown("docs/install.md", "helm rollback"): INSTALLED,
    Shown("docs/install.md", "helm uninstall"): INSTALLED,
    Shown("docs/install.md", "kubectl kustomize"): INSTALLED,
    Shown("docs/verify.md", "export VERSION="): RELEASED,
    Shown("docs/verify.md", "cosign verify $SIGNER"): RELEASED,
    Shown("docs/verify.md", "cosign verify-attestation"): RELEASED,
    Shown("docs/verify.md", "cosign verify-blob"): RELEASED,
    Shown("docs/verify.md", "IMAGE="): RELEASED,
    Shown("docs/halt.md", "$ kubectl rw halt"): "tests/api/test_halts.py",
    Shown("docs/cli.md", "$ kubectl rw run hi"): TYPED,
    Shown("docs/cli.md", "$ kubectl rw run fix"): TYPED,
    Shown("docs/cli.md", "$ kubectl rw logs"): TYPED,
    Shown("docs/cli.md", "$ kubectl rw rerun"): PLAYED,
    Shown("docs/cli.md", "$ kubectl rw get"): PLAYED,
    Shown("docs/cli.md", "$ kubectl rw describe"): PLAYED,
    Shown("docs/cli.md", "$ kubectl rw explain"): PLAYED,
    Shown("docs/cli.md", "$ kubectl rw pause"): PLAYED,
    Shown("docs/cli.md", "$ kubectl rw inbox"): "tests/api/test_rw_inbox.py",
    Shown("docs/cli.md", "$ kubectl rw approve"): "tests/api/test_rw_inbox.py",
    Shown("docs/operations.md", "kubectl -n default create serviceaccount"): "tests/kind/test_installed.py",
    Shown("docs/notifications.md", "kubectl -n team create secret"): TYPED,
    Shown("docs/repositories.md", "kubectl -n team create secret"): TYPED,
    Shown("docs/security.md", "kubectl create role run-authors"): TYPED,
    Shown("docs/troubleshooting.md", "kubectl rw explain"): TYPED,
    Shown("docs/security.md", "kubectl get validatingadmissionpolicies"): "tests/api/test_rights.py",
    Shown("docs/simulate.md", "$ runwatchman simulate --scenario long-builds --policy eager.yaml --runs"): SIMULATED,
    Shown("docs/simulate.md", "$ runwatchman simulate --scenario long-builds --policy patient.yaml --runs"): SIMULATED,
    Shown("docs/simulate.md", "$ runwatchman simulate --scenario long-builds --policy eager.yaml --policy"): SIMULATED,
    Shown("docs/plan.md", "$ runwatchman plan"): "tests/unit/test_docs.py",
    Shown("docs/replay.md", "$ runwatchman replay"): "tests/unit/stores/test_replay_command.py",
    Shown("docs/policies.md", "$ runwatchman policy check"): "tests/unit/test_docs.py",
    Shown("docs/policies.md", "$ echo"): "tests/unit/test_docs.py",
}
"""A block -> the test file that reads it from its page and runs it."""

CI_ITSELF = "CI is these commands: .ci/run and .github/workflows/ci.yaml"
NOT_RUN = {
    Shown("README.md", "make demo"): CI_ITSELF,
    Shown("CONTRIBUTING.md", "make setup"): CI_ITSELF,
    Shown("CONTRIBUTING.md", "helm upgrade"): "needs a registry of yours: tests/chart/helm.py installs so, with the tests' image",
    Shown("docs/releasing.md", "scripts/run python -m tests.release"): "publishes: tests/kind/released.py calls the same functions",
    Shown("docs/clis.md", "npm ci"): "needs docker and npm: tests/recipe_image.py builds from those files, by npm ci and buildah",
    Shown(
        "docs/advisor.md", "npm ci"
    ): "needs docker and a registry: tests/recipe_image.py builds from that file, by npm ci and buildah",
    Shown(
        "docs/agents.md", "answer=$(rw ask"
    ): "runs in an agent's pod: the stories parked and heeds of tests/kind/test_agents.py are it",
    Shown(
        "docs/repositories.md", "ssh-keyscan"
    ): "asks a server of yours: tests/git_servers.py makes the same Secret's keys for tests/unit/source",
    Shown("docs/performance.md", "make bench"): "takes half an hour: tests/api/test_bench.py runs the same with a few objects",
    Shown("docs/performance.md", "make latency"): "takes as long: tests/api/test_bench_openloop.py runs a few objects",
    Shown(
        "docs/stores.md", "kubectl -n runwatchman scale"
    ): "needs a database called db: tests/api/test_store_migrate.py moves Runs",
    Shown(
        "docs/sharding.md", "helm upgrade"
    ): "the values are tests/chart/values/shards.yaml; what they do is tests/api/test_shards.py's",
    Shown(
        "docs/sharding.md", "$ kubectl -n runwatchman get lease"
    ): "a moment of one release; its annotations are test_lookout.py's",
    Shown(
        "docs/testing.md", "scripts/run runwatchman replay"
    ): "renews a kept file: tests/unit/stores/test_kept_ledger.py replays it, test_replay_command.py runs the command",
    Shown(
        "docs/security.md", "kubectl create clusterrole run-spokesman"
    ): "prints a role for your cluster: tests/api/test_admission.py grants the same verb",
    Shown(
        "docs/testing.md", "scripts/run python"
    ): "each brings up a cluster of its own, as the tests' fixtures do by the same functions",
}
"""A block -> the reason why no test runs it."""


def _shown() -> list[tuple[str, str]]:
    return [(str(page.relative_to(ROOT)), block.strip()) for page in PAGES for block in BLOCK.findall(page.read_text())]


@pytest.mark.parametrize(("page", "block"), _shown(), ids=lambda value: value.partition("\n")[0][:40])
def test_every_block_is_run_or_has_its_reason(page: str, block: str) -> None:
    """A block of commands has exactly one line in the two tables above."""
    lines = [shown for shown in [*RUN_BY, *NOT_RUN] if shown.page == page and block.startswith(shown.begins)]
    assert len(lines) == 1, f"{page}: say in {Path(__file__).name} which test runs this, or why none does:\n{block}"


@pytest.mark.parametrize("shown", [*RUN_BY, *NOT_RUN], ids=" ".join)
def test_no_line_outlives_its_block(shown: Shown) -> None:
    """Each line of the tables is about an existing block, and a test that runs one names its page."""
    assert [block for page, block in _shown() if page == shown.page and block.startswith(shown.begins)] != []
    if shown in RUN_BY:
        assert shown.page.removeprefix("docs/") in (ROOT / RUN_BY[shown]).read_text()
