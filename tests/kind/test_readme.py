"""README.md's first ten minutes, typed as shown, with runwatchman installed as its next command installs it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.api.test_docs_commands import block
from tests.cluster import Cluster
from tests.kind.installed import Installed
from tests.scenes import Line, is_as_shown, whole
from tests.support import await_that

PROMPT = re.compile(r"^\$ ", re.MULTILINE)
HEREDOC = re.compile(r"(.*<<'(\w+)'\n.*?^\2\n)(.*)", re.DOTALL | re.MULTILINE)
REMARK = re.compile(r" +# .*")
NAME = re.compile(r"hello-coder-[0-9a-f]{8}")
WATCHES = " -w"


class Terminal:
    """A user's shell in a namespace, with the names that its commands have printed."""

    def __init__(self, cluster: Cluster, namespace: str, folder: Path) -> None:
        (config := folder / "kubeconfig").write_bytes(cluster.kubeconfig.read_bytes())
        path = f"{cluster.kubectl_path.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        self._env = os.environ | {"KUBECONFIG": str(config), "PATH": path}
        self._output, self._name = folder / "watched", ""
        self.run(f"kubectl config set-context --current --namespace={namespace}")

    def run(self, command: str) -> str:
        """Return the output of a command, which has to succeed."""
        done = subprocess.run(["bash", "-euc", command], env=self._env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    @contextmanager
    def beside(self, command: str) -> Iterator[Path]:
        """Run a command in another terminal; return the file of its output."""
        with self._output.open("w") as output, subprocess.Popen(shlex.split(command), env=self._env, stdout=output) as process:
            try:
                yield self._output
            finally:
                process.terminate()

    def type(self, command: str, shown: str) -> None:
        """Run a command, which prints the expected output, if there is some; the page's escalation is the existing one."""
        printed = self.run(NAME.sub(self._name, command))
        self._name = found[0] if (found := NAME.search(printed)) else self._name
        if shown:
            is_as_shown(Line(shlex.split(command, comments=True), shown), printed)


def typed(part: str) -> tuple[str, str]:
    """Return the text after a prompt as the command, and the output below it."""
    found = HEREDOC.fullmatch(part)
    command, shown = (found[1], found[3]) if found else part.partition("\n")[::2]
    return command.rstrip(), REMARK.sub("", shown)


@pytest.fixture
def terminal(kind_cluster: Cluster, reporting: Installed, namespace: str, tmp_path: Path) -> Terminal:
    """A user's terminal, with an operator that has reporters, as an installation has."""
    return Terminal(kind_cluster, namespace, tmp_path)


def test_the_first_ten_minutes(terminal: Terminal) -> None:
    """Every command works, the watch shows the page's rows in their order, and the others print the page's output."""
    parts = [typed(part) for part in PROMPT.split(block("../README.md", "$ kubectl apply"))[1:]]
    (apply, created), (watch, rows), *others = parts
    assert watch.endswith(WATCHES)
    terminal.type(apply, created)
    with terminal.beside(watch) as output:
        wanted = _rows(rows)
        await_that(lambda: wanted[-1] in _rows(output.read_text()), wanted[-1])
        assert _in_order(wanted, _rows(output.read_text())), output.read_text()
    for command, shown in others:
        terminal.type(command, shown)


def _rows(text: str) -> list[str]:
    return [whole(row) for row in text.splitlines()]


def _in_order(wanted: list[str], seen: list[str]) -> bool:
    rest = iter(seen)
    return all(row in rest for row in wanted)
