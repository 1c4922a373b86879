"""Small repositories with a failing test, and what an agent does to them."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from controller.api.base import JsonObject
from tests.image import IMAGE

MAIN = "main"
BARE = "project.git"


@dataclass(frozen=True)
class Project:
    """A repository, the line that an agent writes first, the one that is right, and the command that tells them apart."""

    language: str
    files: dict[str, str]
    edited: str
    wrong: str
    right: str
    verify: JsonObject
    complaint: str
    """What the command prints about the wrong line."""


PYTHON = Project(
    language="python",
    files={
        "add.py": "def add(a, b):\n    return a - b\n",
        "test_add.py": "import unittest\n\nfrom add import add\n\n\nclass TestAdd(unittest.TestCase):\n"
        "    def test_add(self):\n        self.assertEqual(add(2, 3), 5)\n",
    },
    edited="add.py",
    wrong="def add(a, b): return a * b",
    right="def add(a, b): return a + b",
    verify={"image": IMAGE, "command": ["python3", "-m", "unittest"]},
    complaint="AssertionError: 6 != 5",
)
"""The tests run in an image with Python, which the agent's does not have."""

SHELL = Project(
    language="shell",
    files={"add": "echo $(($1 - $2))\n", "test": 'sum=$(sh ./add 2 3)\n[ "$sum" = 5 ] || { echo "2 + 3 is not $sum"; exit 1; }\n'},
    edited="add",
    wrong="echo $(($1 * $2))",
    right="echo $(($1 + $2))",
    verify={"command": ["sh", "./test"]},
    complaint="2 + 3 is not 6",
)
"""The tests run in the agent's own image."""


def publish(project: Project, folder: Path, scratch: Path) -> Path:
    """Make the project's bare repository, which records every update of its branches, and return its folder."""
    bare = folder / BARE
    git(folder, "init", "--quiet", "--bare", f"--initial-branch={MAIN}", BARE)
    for name, value in {"http.receivepack": "true", "core.logAllRefUpdates": "always"}.items():
        git(bare, "config", name, value)
    git(scratch, "init", "--quiet", f"--initial-branch={MAIN}")
    for name, text in project.files.items():
        (scratch / name).parent.mkdir(parents=True, exist_ok=True)
        (scratch / name).write_text(text)
    git(scratch, "add", "--all")
    git(scratch, "commit", "--quiet", "--message", "Add numbers")
    git(scratch, "push", "--quiet", str(bare), MAIN)
    return bare


def git(folder: Path, *arguments: str) -> str:
    """Run git without this account's configuration and return its output."""
    author = {f"GIT_{role}_{part}": "t@t" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", **author}
    return subprocess.run(["git", *arguments], cwd=folder, env=env, capture_output=True, text=True, check=True).stdout.strip()
