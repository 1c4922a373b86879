"""`rw` under each shell that an agent's image may have."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.reporter.events import check
from tests.cluster.processes import run
from tests.cluster.progress import locked, taking
from tests.cluster.settings import runtime_dir
from tests.skipping import cannot_run

RW = Path(__file__).parents[3] / "controller/reporter/scripts/rw"
SHELLS = {"dash": ["dash"], "ash": ["busybox", "ash"], "bash": ["bash", "--posix"]}
DEBIAN = {"dash": "dash", "busybox": "busybox-static", "bash": "bash"}


def needed(program: str) -> None:
    """Find a shell, or install it where allowed; skip without one, which fails in CI."""
    if shutil.which(program):
        return
    if os.getuid() == 0 and shutil.which("apt-get"):
        with locked(runtime_dir() / ".shells.lock"), taking(f"installing {program}", "5 s"):
            env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            run(["apt-get", "update"], env=env)
            run(["apt-get", "install", "-y", "--no-install-recommends", DEBIAN[program]], env=env)
        return
    cannot_run(f"needs {program}: install it, or run as root on Debian")


class Agent:
    """An agent's folder and shell; the busybox one finds busybox's tools only."""

    def __init__(self, folder: Path, shell: str) -> None:
        self.folder, self._command = folder, [*SHELLS[shell], str(RW)]
        for name in ("out", "answers", "tools"):
            (folder / name).mkdir()
        self.env = {**os.environ, "RUNWATCHMAN_DIR": str(folder)}
        if shell == "ash":
            busybox = str(shutil.which("busybox"))
            for applet in run([busybox, "--list"]).split():
                (folder / "tools" / applet).symlink_to(busybox)
            self._command[0] = busybox
            self.env["PATH"] = str(folder / "tools")

    def rw(self, *arguments: str, code: int = 0) -> str:
        done = subprocess.run([*self._command, *arguments], env=self.env, capture_output=True, check=False)
        assert done.returncode == code, done.stderr.decode()
        assert bool(done.stderr) == (code in (1, 2, 4)), done.stderr.decode()
        return (done.stdout or done.stderr).decode()

    def said(self) -> list[dict[str, Any]]:
        path = self.folder / "out/events.jsonl"
        return [check(json.loads(line)) for line in path.read_bytes().split(b"\n")[:-1]] if path.exists() else []

    def forget(self) -> None:
        (self.folder / "out/events.jsonl").unlink(missing_ok=True)

    def answer(self, question: str, text: str) -> None:
        (self.folder / f"answers/{question}.txt").write_text(text)
        (self.folder / f"answers/{question}.json").write_text("{}")


@pytest.fixture(params=SHELLS)
def agent(request: pytest.FixtureRequest, tmp_path: Path) -> Agent:
    needed(SHELLS[request.param][0])
    return Agent(tmp_path, request.param)


TEXTS = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1).filter(str.strip)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TEXTS, TEXTS)
def test_any_text_arrives_as_it_was_said(agent: Agent, text: str, option: str) -> None:
    """Quotes, newlines, control characters, backslashes and all of Unicode survive the shell and JSON."""
    agent.forget()
    agent.rw("ask", "--wait", "0", "--", text, option, code=3)
    path = agent.folder / "out/events.jsonl"
    said = json.loads(path.read_bytes())
    assert (said["text"], said["options"]) == (text, [option])


def test_every_control_character_is_escaped(agent: Agent) -> None:
    """All control characters at once, the worst case of quoting, and a text that ends with newlines."""
    text = "".join(map(chr, range(1, 128))) + "\\n\\\"'$(exit)`%s%%\n\n"
    agent.rw("progress", text)
    assert json.loads((agent.folder / "out/events.jsonl").read_bytes())["message"] == text


def test_results_and_usage(agent: Agent) -> None:
    """Texts and outputs in any order, values that contain an equals sign, and numbers with leading zeros."""
    agent.rw("done", "all good", "--output", "pr=https://x/?a=b", "--output=empty=")
    agent.rw("fail", "--", "-x")
    agent.rw("done")
    agent.rw("usage", "007", "0")
    assert agent.said() == [
        {"type": "result", "outcome": "Completed", "summary": "all good", "outputs": {"pr": "https://x/?a=b", "empty": ""}},
        {"type": "result", "outcome": "Failed", "summary": "-x", "outputs": {}},
        {"type": "result", "outcome": "Completed", "summary": "", "outputs": {}},
        {"type": "usage", "inputTokens": 7, "outputTokens": 0, "costMicroUSD": 0},
    ]


def test_limits(agent: Agent) -> None:
    """A kind, the seconds until it ends, and the provider's words."""
    agent.rw("limit", "quota", "--reset", "090", 'You have "hit" your limit')
    agent.rw("limit", "rateLimit", "--", "--reset")
    agent.rw("limit", "outage", "--reset=0")
    assert agent.said() == [
        {"type": "limit", "limit": {"kind": "Quota", "resetSeconds": 90, "message": 'You have "hit" your limit'}},
        {"type": "limit", "limit": {"kind": "RateLimit", "message": "--reset"}},
        {"type": "limit", "limit": {"kind": "Outage", "resetSeconds": 0, "message": ""}},
    ]


def test_the_same_question_until_its_answer_was_read(agent: Agent) -> None:
    """The ID stays while the question is open or its answer is unread; then the same text is a new question."""
    first = agent.rw("ask", "--wait", "0", "Ship it?", "yes", "no", code=3).strip()
    assert re.fullmatch(r"q[0-9a-f]+-0", first)
    assert agent.rw("ask", "--wait=0", "Ship it?", "yes", "no", code=3).strip() == first
    other = agent.rw("ask", "--wait", "0", "Ship it?", "yes", code=3).strip()
    assert other != first
    agent.answer(first, "yes\nplease")
    assert agent.rw("ask", "Ship it?", "yes", "no") == "yes\nplease\n"
    assert agent.said()[-1] == {"type": "read", "id": first}
    assert agent.rw("ask", "--wait", "0", "Ship it?", "yes", "no", code=3).strip() == first[:-1] + "1"
    (agent.folder / "answers/.read").write_text(f"{other}\n")
    assert agent.rw("ask", "--wait", "0", "Ship it?", "yes", code=3).strip() == other[:-1] + "1"


def test_a_question_waits_for_its_answer(agent: Agent) -> None:
    """`rw ask` prints the answer that comes while it waits."""
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(agent.rw, "ask", "--wait", "60", "--id", "mine", "Ship it?")
        agent.answer("mine", "yes")
        assert asked.result() == "yes\n"


def test_an_earlier_answer_is_there_later(agent: Agent) -> None:
    """`rw answer` exits 3 until there is an answer, prints it on each call, and reports once that it was read."""
    assert agent.rw("answer", "mine", code=3) == ""
    agent.answer("mine", "yes")
    assert [agent.rw("answer", "mine"), agent.rw("answer", "mine")] == ["yes\n", "yes\n"]
    assert agent.said() == [{"type": "read", "id": "mine"}]


def test_a_dismissed_question_is_not_asked_again(agent: Agent) -> None:
    """`rw ask` and `rw answer` exit 4 with the reason, and no question is sent. A later answer is printed."""
    (agent.folder / "answers/mine.dismissed").touch()
    assert "question mine was dismissed" in agent.rw("ask", "--wait", "60", "--id", "mine", "Ship it?", code=4)
    assert "question mine was dismissed" in agent.rw("answer", "mine", code=4)
    assert agent.said() == []
    agent.answer("mine", "yes")
    assert agent.rw("answer", "mine") == "yes\n"


def test_dismissal_reaches_the_waiting_agent(agent: Agent) -> None:
    """A dismissal that comes while `rw ask` waits ends the wait."""
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(agent.rw, "ask", "--wait", "60", "--id", "mine", "Ship it?", code=4)
        (agent.folder / "answers/mine.dismissed").touch()
        assert "was dismissed" in asked.result()


def test_parking_ends_with_76(agent: Agent) -> None:
    """Parking uses the exit code that the operator knows, and the event that the reporter knows."""
    assert agent.rw("park", code=76) == ""
    assert agent.said() == [{"type": "park"}]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "a command is missing"),
        (("nonsense",), "unknown command nonsense"),
        (("progress",), "progress takes one text"),
        (("progress", "two", "words"), "quote it"),
        (("ask",), "a question is missing"),
        (("ask", ""), "a question is missing"),
        (("ask", "--wait", "soon", "x"), "not 'soon'"),
        (("ask", "--wait"), "needs a number"),
        (("ask", "--what", "x"), "unknown option --what"),
        (("ask", "--id", "../x", "x"), "not '../x'"),
        (("ask", "x", *"abcdefghijklmnopq"), "at most 16"),
        (("answer", "../x"), "the id that"),
        (("done", "--output", "novalue"), "not 'novalue'"),
        (("done", "--output"), "NAME=VALUE"),
        (("fail", "one", "two"), "second"),
        (("usage", "1"), "INPUT OUTPUT"),
        (("usage", "1", "-2"), "whole numbers"),
        (("park", "now"), "takes no arguments"),
        (("limit",), "not ''"),
        (("limit", "Quota"), "not 'Quota'"),
        (("limit", "quota", "--reset"), "needs a number"),
        (("limit", "quota", "--reset", "1h"), "not '1h'"),
        (("limit", "quota", "two", "words"), "second"),
    ],
)
def test_mistakes_are_told(agent: Agent, arguments: tuple[str, ...], said: str) -> None:
    """A usage error exits 2, names the mistake, prints the usage, and reports no event."""
    words = agent.rw(*arguments, code=2)
    assert said in words
    assert "usage: rw COMMAND" in words
    assert agent.said() == []


def test_help(agent: Agent) -> None:
    """On request, the usage exits with success."""
    assert "rw ask" in agent.rw("--help")


def test_a_full_disk_is_told(agent: Agent) -> None:
    """An event that cannot be written is not a success."""
    (agent.folder / "out/events.jsonl").symlink_to("/dev/full")
    assert "cannot be written" in agent.rw("progress", "x", code=1)


def test_writers_side_by_side_do_not_mix(agent: Agent) -> None:
    """Short lines and lines far beyond a shell's buffer, written by many processes at once, each arrive whole."""
    texts = [str(number) + "x" * size for number, size in enumerate([10, 3000, 30_000] * 8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda text: agent.rw("progress", text), texts))
    lines = (agent.folder / "out/events.jsonl").read_bytes().splitlines()
    assert sorted(json.loads(line)["message"] for line in lines) == sorted(texts)
