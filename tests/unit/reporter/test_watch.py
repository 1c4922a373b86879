"""An agent's own events combined with those of its CLI."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.reporter.activity_monitor import Watch
from controller.reporter.agent_record import Memory
from controller.reporter.file_activity import Workspace
from controller.reporter.shared_files import Mailbox

OWN = '{"type":"result","outcome":"%s","summary":"mine","outputs":{"pr":"https://example.com/1"}}\n'
CLIS = '{"type":"turn.completed","usage":{"input_tokens":5,"output_tokens":1}}\n'


@pytest.mark.parametrize("outcome", ["Completed", "Failed"])
@pytest.mark.parametrize("at_the_end", [False, True])
def test_an_agents_own_result_counts_more_than_its_clis(tmp_path: Path, outcome: str, at_the_end: bool) -> None:
    """`rw done` or `rw fail` in a tool decides the result, even if the CLI reports later; its turn and usage still count."""
    out = tmp_path / "out"
    out.mkdir()
    memory = Memory(0.0)
    watch = Watch(Mailbox(tmp_path, memory.add_problem), memory, None, Workspace(tmp_path))
    (out / "events.jsonl").write_text(OWN % outcome)
    if not at_the_end:
        watch.look(1.0)
    (out / "stream.jsonl").write_text(CLIS)
    watch.drain(2.0)
    assert memory.result == {"outcome": outcome, "summary": "mine", "outputs": {"pr": "https://example.com/1"}}
    assert (memory.turns, (memory.usage or {})["inputTokens"]) == (1, 5)


def test_a_clis_result_stands_where_the_agent_tells_none(tmp_path: Path) -> None:
    """An agent that does not use `rw` has a result too."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out/stream.jsonl").write_text(CLIS)
    memory = Memory(0.0)
    Watch(Mailbox(tmp_path, memory.add_problem), memory, None, Workspace(tmp_path)).drain(1.0)
    assert (memory.result or {})["outcome"] == "Completed"


def test_a_clis_turn_that_ends_with_a_question_open_is_no_result(tmp_path: Path) -> None:
    """A model that asked, got no answer in time and ended its turn is waiting: its agent is parked, not complete."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out/events.jsonl").write_text('{"type":"question","id":"q1","text":"Ship it?"}\n')
    (tmp_path / "out/stream.jsonl").write_text(CLIS)
    memory = Memory(0.0)
    Watch(Mailbox(tmp_path, memory.add_problem), memory, None, Workspace(tmp_path)).drain(1.0)
    assert (memory.result, memory.parked, list(memory.questions)) == (None, True, ["q1"])


def watched(folder: Path, name: str, content: bytes) -> Memory:
    """Return the record of an agent that has written one file."""
    (folder / "out").mkdir()
    (folder / "out" / name).write_bytes(content)
    memory = Memory(0.0)
    Watch(Mailbox(folder, memory.add_problem), memory, None, Workspace(folder)).drain(1.0)
    return memory


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(("name", "line"), [("events.jsonl", OWN.strip() % "Completed"), ("stream.jsonl", CLIS.strip())])
def test_a_byte_order_mark_costs_no_event(tmp_path: Path, name: str, line: str, newline: str) -> None:
    """Some editors and PowerShell begin a file with a mark: the first event counts."""
    memory = watched(tmp_path, name, (line + newline).encode("utf-8-sig"))
    assert (memory.result or {})["outcome"] == "Completed"
    assert memory.problems == {}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize(("name", "line"), [("events.jsonl", OWN % "Completed"), ("stream.jsonl", CLIS)])
def test_another_encoding_is_named(tmp_path: Path, name: str, line: str, encoding: str) -> None:
    """The events are lost, and one problem says why."""
    memory = watched(tmp_path, name, (line * 3).encode(encoding))
    assert memory.result is None
    assert memory.problems == {"encoding": f"a line is encoded in {encoding[:6].upper()} and was skipped: write UTF-8"}


def test_events_after_lines_of_another_encoding_count(tmp_path: Path) -> None:
    """`rw` appends UTF-8 to a file that something else has begun."""
    memory = watched(tmp_path, "events.jsonl", (OWN % "Failed").encode("utf-16-le") + b"\n" + (OWN % "Completed").encode())
    assert (memory.result or {})["outcome"] == "Completed"
