"""A pod for each test, with the real CLIs on its PATH, on a disk of its own: codex wants no home under /tmp."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clis.install import install
from tests.clis.pod import Pod
from tests.cluster.settings import cache_dir


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
def pod(place: Path, clis: Path) -> Pod:
    """A pod whose image has the real CLIs."""
    return Pod(place / "workspace", place / "runwarden", f"{clis}:{os.environ['PATH']}")
