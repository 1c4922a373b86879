"""The real CLIs, as package-lock.json pins them, installed once into the cache."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from tests.cluster.progress import locked, taking
from tests.cluster.settings import cache_dir
from tests.skipping import cannot_run

HERE = Path(__file__).parent
INSTALL_SECONDS = 300
NPM_CI = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
CLAUDE_INSTALLER = "node_modules/@anthropic-ai/claude-code/install.cjs"
"""Installs the platform's program; npm runs no script of a package here, and soon may not do so by default."""


def install() -> Path:
    """Return the folder with `codex` and `claude`; skip if they cannot be installed, which is a failure in CI."""
    return install_locked(HERE, "clis", ("node", CLAUDE_INSTALLER)) / "node_modules/.bin"


def install_oldest() -> Path:
    """Return the folder with the oldest supported `codex` and `claude`; docs/clis.md names their versions."""
    return install_locked(HERE / "oldest", "clis-oldest", ("node", CLAUDE_INSTALLER)) / "node_modules/.bin"


def install_locked(source: Path, name: str, *more: tuple[str, ...]) -> Path:
    """Return a folder of the cache with the packages that a package-lock.json pins, after further commands; skip as `install`
    does.
    """
    if not shutil.which("npm"):
        cannot_run("needs node and npm")
    digest = hashlib.sha256((source / "package-lock.json").read_bytes()).hexdigest()[:12]
    folder = cache_dir() / f"{name}-{digest}"
    with locked(cache_dir() / f"{name}.lock"):
        if not (folder / ".complete").exists():
            with taking(f"installing what {source.name}/package-lock.json pins", "20 s"):
                _install(source, folder, NPM_CI, *more)
    return folder


def _install(source: Path, folder: Path, *commands: tuple[str, ...]) -> None:
    folder.mkdir(exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(source / name, folder)
    for command in commands:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS)
        if done.returncode != 0:
            cannot_run(f"`{' '.join(command)}` failed: {done.stderr[-500:]}")
    (folder / ".complete").touch()
