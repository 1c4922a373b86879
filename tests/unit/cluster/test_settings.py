"""Where binaries and images are kept, by the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.settings import cache_dir

FOLDERS = {
    "of its own": ({"RUNWATCHMAN_CACHE": "{home}/mine", "XDG_CACHE_HOME": "{home}/xdg"}, "mine"),
    "relative": ({"RUNWATCHMAN_CACHE": "mine"}, "mine"),
    "of all programs": ({"XDG_CACHE_HOME": "{home}/xdg"}, "xdg/runwatchman"),
    "empty, so not set": ({"RUNWATCHMAN_CACHE": "", "XDG_CACHE_HOME": ""}, ".cache/runwatchman"),
    "not set": ({}, ".cache/runwatchman"),
}


@pytest.mark.parametrize(("variables", "folder"), FOLDERS.values(), ids=FOLDERS)
def test_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], folder: str) -> None:
    """The path is absolute, and the folder exists. The XDG Base Directory Specification takes an empty variable for none."""
    monkeypatch.chdir(tmp_path)
    for name in ("RUNWATCHMAN_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "{home}", **variables}.items():
        monkeypatch.setenv(name, value.format(home=tmp_path))
    assert cache_dir() == tmp_path / folder
    assert (tmp_path / folder).is_dir()
