"""A pod for each test, with the real CLIs on its PATH, on a disk of its own: codex wants no home under /tmp."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.clis.install import install
from tests.clis.pod import Pod
from tests.clis.stub import SHELLS, Stubbed, with_stubs
from tests.cluster.settings import cache_dir
from tests.skipping import cannot_run

APPLETS = ("cat", "grep", "head", "mkdir", "mkfifo", "rm", "sed", "sleep", "tail", "tee", "wc")
"""All programs that the script needs in addition to the shell."""


@pytest.fixture(scope="session")
def clis() -> Path:
    """The folder of the real CLIs."""
    return install()


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that is not under /tmp."""
    with tempfile.TemporaryDirectory(prefix="pod-", dir=cache_dir(), ignore_cleanup_errors=True) as path:
        (Path(path) / "workspace").mkdir()
        yield Path(path)


@pytest.fixture
async def pod(place: Path, clis: Path) -> AsyncIterator[Pod]:
    """A pod whose image has the real CLIs."""
    made = Pod(place / "workspace", place / "runwatchman", f"{clis}:{os.environ['PATH']}")
    yield made
    await made.end()


@pytest.fixture(params=SHELLS)
async def stubbed(request: pytest.FixtureRequest, place: Path) -> AsyncIterator[Stubbed]:
    """A pod with stubs in place of the CLIs, for each shell; with busybox, the other programs are its own too."""
    shell = SHELLS[request.param]
    if not shutil.which(shell[0]):
        cannot_run(f"needs {shell[0]}")
    stub = with_stubs(place, shell)
    for name in APPLETS if shell[0] == "busybox" else ():
        (stub.folder / name).symlink_to(str(shutil.which("busybox")))
    yield stub
    await stub.pod.end()
