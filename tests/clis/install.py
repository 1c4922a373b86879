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
"""Puts the platform's program in its place; npm runs no script of a package here, and may not do so by default for long."""


def install() -> Path:
    """Return the folder that holds `codex` and `claude`; skip where they cannot be had, which CI may not."""
    if not shutil.which("npm"):
        cannot_run("needs node and npm")
    digest = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:12]
    folder = cache_dir() / f"clis-{digest}"
    with locked(cache_dir() / "clis.lock"):
        if not (folder / ".complete").exists():
            with taking("installing codex and claude", "20 s"):
                _install(folder)
    return folder / "node_modules/.bin"


def _install(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, folder)
    for command in (NPM_CI, ("node", CLAUDE_INSTALLER)):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=INSTALL_SECONDS)
        if done.returncode != 0:
            cannot_run(f"`{' '.join(command)}` failed: {done.stderr[-500:]}")
    (folder / ".complete").touch()
