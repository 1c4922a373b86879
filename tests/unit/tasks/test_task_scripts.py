"""The scripts around the commands of tasks, run by every shell of this machine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from controller.resources.task_scripts import FLUSH_SECONDS, KILL_SECONDS, OUTPUT_BYTES, WITH_OUTPUT, WITH_SUMMARY

SHELLS = [shell for shell in (("/bin/sh",), ("dash",), ("bash",), ("busybox", "sh")) if shutil.which(shell[0])]
QUICK = WITH_OUTPUT.replace(f"sleep {KILL_SECONDS}", "sleep 1").replace(f"sleep {FLUSH_SECONDS}", "sleep 1")
"""The script with shorter waits."""


@pytest.fixture(params=SHELLS, ids=" ".join)
def shell(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """A shell as an image may have it."""
    return tuple(request.param)


class Wrapped:
    """A command in the script, with its folder and the file of its last words."""

    def __init__(self, shell: tuple[str, ...], folder: Path, *command: str, **environment: str) -> None:
        self.message = folder / "message"
        env = {**os.environ, "RUNWATCHMAN_MESSAGE": str(self.message), **environment}
        self.process = subprocess.Popen(
            [*shell, "-c", QUICK, "verify", str(folder), *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=env,
        )

    def line(self) -> str:
        """Return the next line of the log."""
        assert self.process.stdout
        return self.process.stdout.readline().decode()

    def end(self) -> tuple[int, str, str]:
        """Return the exit code, the rest of the log and the last words."""
        log, _ = self.process.communicate()
        return self.process.returncode, log.decode(), self.message.read_text()


@pytest.mark.parametrize(
    ("line", "code", "output"),
    [
        ("echo out; echo err >&2; exit 3", 3, "out\nerr\n"),
        ("true", 0, ""),
        ("printf 'no line end'", 0, "no line end"),
        ("printf 'a\\0b\\n'; exit 255", 255, "a\0b\n"),
    ],
)
def test_output_and_exit_code(shell: tuple[str, ...], tmp_path: Path, line: str, code: int, output: str) -> None:
    """Both streams are in the log and in the last words, and the exit code is the command's."""
    assert Wrapped(shell, tmp_path, "sh", "-c", line).end() == (code, output, output)


def test_a_killed_command(shell: tuple[str, ...], tmp_path: Path) -> None:
    """The code is 128 and the signal, as a kubelet reports it. The shell's own word about it is in the log only."""
    code, _, message = Wrapped(shell, tmp_path, "sh", "-c", "echo before; kill -KILL $$").end()
    assert (code, message) == (137, "before\n")


def test_words_are_passed_as_they_are(shell: tuple[str, ...], tmp_path: Path) -> None:
    """No shell reads the words of a command, and nothing is expanded."""
    words = ("a b", "$HOME", "*", "'", "", "-n")
    assert Wrapped(shell, tmp_path, "printf", "%s|", *words).end()[1] == "".join(f"{word}|" for word in words)


def test_a_huge_output(shell: tuple[str, ...], tmp_path: Path) -> None:
    """The log has all of it, the last words its end; no file has more."""
    code, log, message = Wrapped(shell, tmp_path, "sh", "-c", "yes 0123456789 | head -n 500000; echo the end; exit 1").end()
    assert (code, len(log)) == (1, 500_000 * 11 + 8)
    assert message == log[-OUTPUT_BYTES:]
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) == OUTPUT_BYTES


def test_a_command_that_is_not_there(shell: tuple[str, ...], tmp_path: Path) -> None:
    """The shell's own code and words."""
    code, _, message = Wrapped(shell, tmp_path, "no-such-command").end()
    assert (code, "no-such-command" in message, "not found" in message) == (127, True, True)


def test_a_term_reaches_the_command(shell: tuple[str, ...], tmp_path: Path) -> None:
    """It may end in its own way, with its own code, and what it writes then is in the last words."""
    line = "trap 'echo stopping; exit 9' TERM; echo ready; while :; do sleep 0.1; done"
    running = Wrapped(shell, tmp_path, "sh", "-c", line)
    assert running.line() == "ready\n"
    running.process.send_signal(signal.SIGTERM)
    assert running.end() == (9, "stopping\n", "ready\nstopping\n")


@pytest.mark.parametrize(("line", "code"), [("echo ready; exec sleep 60", 143), ("trap '' TERM; echo ready; exec sleep 60", 137)])
def test_a_command_that_does_not_end(shell: tuple[str, ...], tmp_path: Path, line: str, code: int) -> None:
    """It is ended by TERM, or by KILL if it ignores TERM; what it has written before is known."""
    running = Wrapped(shell, tmp_path, "sh", "-c", line)
    assert running.line() == "ready\n"
    running.process.send_signal(signal.SIGTERM)
    running.process.send_signal(signal.SIGTERM)
    found, _, message = running.end()
    assert (found, message) == (code, "ready\n")


def test_a_process_that_is_left_behind(shell: tuple[str, ...], tmp_path: Path) -> None:
    """It holds the output open for a short time only."""
    code, log, message = Wrapped(shell, tmp_path, "sh", "-c", "sleep 60 & echo $!; exit 4").end()
    os.kill(int(log), signal.SIGKILL)
    assert (code, message) == (4, log)


def test_an_image_without_the_tools(shell: tuple[str, ...], tmp_path: Path) -> None:
    """The command runs all the same, and the kubelet takes the end of the log."""
    program = [shutil.which(shell[0]) or "", *shell[1:]]
    words = [*program, "-c", WITH_OUTPUT, "verify", str(tmp_path), "/bin/sh", "-c", "echo works; exit 5"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={"PATH": str(tmp_path)})
    assert (done.returncode, done.stdout) == (5, "works\n")


def test_the_summary_of_a_push(shell: tuple[str, ...], tmp_path: Path) -> None:
    """Its variables reach the command as they are; nothing else in it does, and nothing in it is run."""
    lines = ["RUNWATCHMAN_COMMIT=abc", "RUNWATCHMAN_BRANCH=a b $(touch x) `id` 'q'", "PATH=/nowhere", "RUNWATCHMAN_X;id=1", "#"]
    (summary := tmp_path / "summary").write_text("\n".join(lines) + "\n")
    command = ["sh", "-c", 'echo "$RUNWATCHMAN_COMMIT|$RUNWATCHMAN_BRANCH|$1"; exit 6', "sh", "an argument"]
    env = {**os.environ, "RUNWATCHMAN_PUBLISH_SUMMARY": str(summary)}
    words = [*shell, "-c", WITH_SUMMARY, "publish", *command]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=env, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (6, "abc|a b $(touch x) `id` 'q'|an argument\n")
    assert [file.name for file in tmp_path.iterdir()] == ["summary"]
