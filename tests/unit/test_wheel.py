"""The wheel that users install: its package has a name of ours, and works without the sources."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from controller.cli.rw import LAZY

ROOT = Path(__file__).parents[2]
BUILDS = pytest.mark.timeout(300)
IMPORT_ALL = """
import importlib, pkgutil, sys
import runwatchman
for module in pkgutil.walk_packages(runwatchman.__path__, "runwatchman."):
    if "migrations" not in module.name and not module.name.endswith("__main__"):
        importlib.import_module(module.name)
print(len([name for name in sys.modules if name.startswith("runwatchman.")]), "controller" in sys.modules)
"""

MIGRATE = """
import sqlalchemy
from runwatchman.store.sql.schema import revision, upgrade
with sqlalchemy.create_engine("sqlite://").begin() as connection:
    upgrade(connection, "memory")
    print(revision(connection) is not None)
"""


def build(folder: Path) -> Path:
    """Build the wheel as the image's build does."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    return build(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def bin_folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment in which the wheel is installed, beside the dependencies of this one."""
    home = tmp_path_factory.mktemp("env")
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    (packages,) = home.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [str(home / "bin/python"), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(pip, check=True)
    return home / "bin"


def output(*command: str | Path, cwd: Path) -> str:
    """Run a command, which has to succeed, outside of the checkout and return its output."""
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=cwd).stdout


@BUILDS
def test_every_name_at_the_top_is_ours(wheel: Path) -> None:
    """Nothing of another project can have the same place in site-packages; type checkers read our annotations."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"runwatchman"}
    assert "runwatchman/py.typed" in names


@BUILDS
def test_the_same_sources_give_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    """The wheel depends on nothing but the sources, as the image's digest does."""
    assert build(tmp_path).read_bytes() == wheel.read_bytes()


@BUILDS
def test_every_module_imports_without_the_sources(bin_folder: Path, tmp_path: Path) -> None:
    """No import names the sources' package."""
    modules, sources = output(bin_folder / "python", "-c", IMPORT_ALL, cwd=tmp_path).split()
    assert (int(modules) > 200, sources) == (True, "False")


@BUILDS
def test_programs_run(bin_folder: Path, tmp_path: Path) -> None:
    """Each command is found; a module that runs as a process of its own, and the database's migrations, are found too."""
    assert "Supervise runs" in output(bin_folder / "runwatchman", "--help", cwd=tmp_path)
    for command in ("operator", "adapter", "plan", "policy", "store", "crds"):
        assert "Usage: runwatchman" in output(bin_folder / "runwatchman", command, "--help", cwd=tmp_path)
    for command in LAZY:
        assert "Usage: kubectl rw" in output(bin_folder / "kubectl-rw", command, "--help", cwd=tmp_path)
    assert "describe\t" in output(bin_folder / "kubectl_complete-rw", "", cwd=tmp_path)
    python = (bin_folder / "python", "-P", "-m")
    assert "BEGIN CERTIFICATE" in output(*python, "runwatchman.observability.self_signed", "1", "localhost", cwd=tmp_path)
    assert output(bin_folder / "python", "-c", MIGRATE, cwd=tmp_path).strip() == "True"
