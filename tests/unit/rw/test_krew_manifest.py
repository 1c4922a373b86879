"""The manifest for krew has an entry for each platform, with the archive's sum, name and program."""

from __future__ import annotations

import hashlib
import runpy
import tarfile
import zipfile
from pathlib import Path

import yaml

from tests.release.project import SOURCE, semver, version
from tests.single_file import ROOT

LONGEST_SHORT_DESCRIPTION = 50
"""Characters that krew's index allows."""


def test_manifest_and_archives(tmp_path: Path) -> None:
    """Each entry leads to an archive of the release with these bytes, and to the program in it."""
    write = runpy.run_path(str(ROOT / "scripts/cli/krew.py"))["write"]
    programs = {name: tmp_path / f"kubectl-rw-{name}" for name in ("linux-amd64", "darwin-arm64")}
    programs["windows-amd64"] = tmp_path / "kubectl-rw-windows-amd64.exe"
    for name, path in programs.items():
        path.write_text(name)
    (to := tmp_path / "dist").mkdir()
    manifest = yaml.safe_load(write(programs, to).read_text())
    spec = manifest["spec"]
    assert (manifest["metadata"]["name"], spec["version"]) == ("runwatchman", f"v{semver(version())}")
    assert len(spec["shortDescription"]) <= LONGEST_SHORT_DESCRIPTION
    assert [entry["selector"]["matchLabels"] for entry in spec["platforms"]] == [
        {"os": "linux", "arch": "amd64"},
        {"os": "darwin", "arch": "arm64"},
        {"os": "windows", "arch": "amd64"},
    ]
    for entry, platform in zip(spec["platforms"], programs, strict=True):
        folder, _, name = entry["uri"].rpartition("/")
        assert folder == f"{SOURCE}/releases/download/v{version()}"
        assert hashlib.sha256((to / name).read_bytes()).hexdigest() == entry["sha256"]
        assert unpacked(to / name)[entry["bin"]] == platform.encode()


def unpacked(path: Path) -> dict[str, bytes]:
    """Return the members of an archive; in a tar each can be executed."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    with tarfile.open(path) as tar:
        entries = {entry.name: (entry, tar.extractfile(entry)) for entry in tar}
        assert all(entry.mode & 0o111 for entry, _ in entries.values())
        return {name: file.read() for name, (_, file) in entries.items() if file}


def test_the_same_programs_give_the_same_bytes(tmp_path: Path) -> None:
    """The sums can be computed again from a checkout."""
    write = runpy.run_path(str(ROOT / "scripts/cli/krew.py"))["write"]
    (program := tmp_path / "kubectl-rw-linux-amd64").write_text("x")
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write({"linux-amd64": program}, tmp_path / folder)
    assert [path.read_bytes() for path in sorted((tmp_path / "a").iterdir())] == [
        path.read_bytes() for path in sorted((tmp_path / "b").iterdir())
    ]
