"""`rw-exec` knows the CLIs' options as in their own help texts."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.clis.pod import SCRIPT

HELP = {"codex": ("codex", "exec", "--help"), "claude": ("claude", "--help")}
OPTION = re.compile(r"^ {2,6}(-[^ ].*)$", re.MULTILINE)
NAMES = re.compile(r"(?<!\S)--?[A-Za-z][A-Za-z-]*")
TAKES = {
    "maybe": re.compile(r"\[[^]]+\]"),
    "many": re.compile(r"<[^>]+>?\.\.\.|<[^>]+\.\.\.>"),
    "one": re.compile(r"<[^>.]+>(?!\.)"),
}


def options_of(text: str) -> dict[str, str]:
    """Return each option of a help text with its kind of value."""
    found = {}
    for line in OPTION.findall(text):
        spelled = re.split(r" {2,}", line)[0]
        takes = next((name for name, pattern in TAKES.items() if pattern.search(spelled)), "none")
        found.update(dict.fromkeys(NAMES.findall(spelled), takes))
    return found


@pytest.mark.parametrize("cli", HELP)
def test_options_that_take_values_are_known(clis: Path, place: Path, cli: str) -> None:
    """A value is never taken for the prompt: we know for every option of the pinned CLI whether it takes a value, as its help
    says.
    """
    environment = {"PATH": f"{clis}:{os.environ['PATH']}", "HOME": str(place), "CODEX_HOME": str(place)}
    text = subprocess.run(HELP[cli], env=environment, capture_output=True, text=True, check=True, timeout=60).stdout
    options = options_of(text)
    assert len(options) > 20
    script = f'. "{SCRIPT}-clis"; for option in "$@"; do values_of_{cli} "$option"; echo "$option $takes"; done'
    told = subprocess.run(["sh", "-c", script, "sh", *options], capture_output=True, text=True, check=True, timeout=60).stdout
    assert dict(line.split() for line in told.splitlines()) == options
