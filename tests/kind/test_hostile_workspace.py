"""Thirty tricks in one workspace, on a real kubelet: nothing of it runs beside a credential, and its Run gets the verified branch.

`tests/unit/publish/test_hostile_tree.py` plays each trick alone, with what is published and what is left out because of it.
"""

from __future__ import annotations

import base64
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.kind import KindCluster
from tests.kind.installed import Installed
from tests.kind.stage import Stage
from tests.support import apply, get, items, policy_of, run_of, shell, status
from tests.unit.publish import tricks
from tests.verified_branch.forge import READS, WRITES, Forge, serve
from tests.verified_branch.project import BARE, SHELL, Project, git, publish

TRICKS = (
    *(tricks.branch_name, tricks.flags, tricks.linked_worktree, tricks.replaced, tricks.tracked_nested, tricks.bare),
    *(tricks.nested, tricks.keywords, tricks.ignored, tricks.hooks, tricks.monitor, tricks.programs, tricks.filters),
    *(tricks.long_filter, tricks.included, tricks.rewritten_urls, tricks.gitmodules, tricks.excludes, tricks.links),
    *(tricks.almost_git, tricks.control_characters, tricks.odd_names, tricks.collisions, tricks.hard_links, tricks.special_files),
    *(tricks.executables, tricks.our_own, tricks.indexes, tricks.broken_index, tricks.elsewhere),
)
"""The tricks that one tree can have together, those last after which git works no more."""

PROJECT = Project(
    language="shell",
    files={
        **SHELL.files,
        "file": "one\n",
        "src/program": "print(1)\n",
        ".gitattributes": "windows.txt text eol=crlf\n",
        ".gitignore": "*.log\nbuild/\n",
    },
    edited=SHELL.edited,
    wrong=SHELL.wrong,
    right=SHELL.right,
    verify=SHELL.verify,
    complaint=SHELL.complaint,
)
HARMLESS = "#!/bin/sh\nexit 0\n"
TRACE = "the canary was run"
CANARY = f"#!/bin/sh\n{{ echo '{TRACE}'; env; cat /source/secret/*; }} 2>&1 | tee /proc/1/fd/1\nexit 0\n"
"""It leaves its trace in the log of its container, with what it has seen there, even if git reads its output.

In an agent's pod, which shares its processes with the reporter, only the output itself gets there.
"""

HOSTILE = f"until [ -e /tmp/go ]; do sleep 0.2; done; cd /workspace && ./tools/canary && echo '{SHELL.right}' >{SHELL.edited}"
EMPTY = "find . -mindepth 1 -maxdepth 1 ! -name lost+found -exec rm -rf {} +"
UNPACK = f"cd /workspace && {EMPTY} && base64 -d | tar -x && touch /tmp/go"
POD = "hostile-coder-r0"
VERIFY = {"command": ["sh", "-c", "./tools/canary; sh ./test"]}
MANY = 15
"""Paths that are left out, at least: repositories, names that git refuses, control characters."""


@pytest.fixture
def forge(kind_cluster: KindCluster, cloning: Installed, tmp_path: Path) -> Iterator[Forge]:
    """The repository on servers that pods reach."""
    for name in ("repositories", "work", "tls"):
        (tmp_path / name).mkdir()
    publish(PROJECT, tmp_path / "repositories", tmp_path / "work")
    with serve(tmp_path / "repositories" / BARE, tmp_path / "tls", kind_cluster.gateway()[0]) as made:
        yield made


@pytest.fixture
def hostile(forge: Forge, tmp_path: Path) -> Path:
    """A clone with every trick, as it would be in an agent's workspace."""
    git(tmp_path, "clone", "--quiet", str(forge.bare), "hostile")
    place = tricks.Place(tmp_path / "hostile", tmp_path / "hostile/tools/canary")
    place.write("tools/canary", HARMLESS).chmod(0o755)
    for trick in TRICKS:
        trick(place)
    (place.root / "stolen").symlink_to("/source/secret/password")
    arm(place.root)
    return place.root


def arm(root: Path) -> None:
    """Let every copy of the canary leave a trace, and name it by its path in a container."""
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            armed = CANARY.encode() if content == HARMLESS.encode() else content.replace(str(root).encode(), b"/workspace")
            if armed != content:
                path.write_bytes(armed)


def packed(root: Path) -> str:
    """Return a folder's content as an archive in base64; it has no sockets."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.GNU_FORMAT) as writing:
        for path in sorted(root.iterdir()):
            writing.add(path, arcname=path.name)
    return base64.b64encode(archive.getvalue()).decode()


def test_a_hostile_workspace(kind_cluster: KindCluster, forge: Forge, namespace: str, hostile: Path) -> None:
    """The canary sings only where the agent's own code runs: in its container and in that of its tests.

    The branch has the verified tree, and what was left out is reported.
    """
    work = {**shell(HOSTILE, workspace=forge.workspace()), "verify": VERIFY, "publish": forge.publish("agents/hostile")}
    apply(kind_cluster, namespace, policy_of({}), *forge.objects(), run_of("hostile", work))
    stage = Stage(kind_cluster, namespace)
    stage.phase("hostile", "Running")  # its agent waits for the file
    kind_cluster.kubectl("-n", namespace, "exec", "-i", POD, "-c", "agent", "--", "sh", "-c", UNPACK, stdin=packed(hostile))
    found = stage.phase("hostile", "Completed", "Blocked")
    assert found["phase"] == "Completed", found
    published = found["agents"][0]["published"]
    assert int(published["leftOut"].partition(":")[0]) > MANY, published
    assert published["commit"] == forge.head("agents/hostile")
    assert git(forge.bare, "show", f"agents/hostile:{SHELL.edited}") == SHELL.right
    copied = get(kind_cluster, namespace, "pod", f"{POD}-verify0")["status"]["initContainerStatuses"][0]
    assert copied["state"]["terminated"]["message"].split()[-1] == git(forge.bare, "rev-parse", "agents/hostile^{tree}")
    logs = logs_of(stage)
    assert [place for place, log in logs.items() if TRACE in log] == [(POD, "agent"), (f"{POD}-verify0", "verify")]
    told = [*logs.values(), json.dumps(status(kind_cluster, namespace, "hostile"))]
    for password in (READS, WRITES):
        assert not [text for text in told if password in text]
        assert not git(forge.bare, "log", "--text", "-S", password, "agents/hostile"), "no file of the branch has it"


def logs_of(stage: Stage) -> dict[tuple[str, str], str]:
    """Return the log of each container by its pod and name."""
    found = {}
    for pod in items(stage.cluster, stage.namespace, "pods"):
        name, spec = pod["metadata"]["name"], pod["spec"]
        for container in (each["name"] for each in [*spec.get("initContainers", ()), *spec["containers"]]):
            found[name, container] = stage.cluster.kubectl("-n", stage.namespace, "logs", name, "-c", container)
    return dict(sorted(found.items()))
