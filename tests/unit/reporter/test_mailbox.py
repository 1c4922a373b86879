"""The files that the reporter writes for the agent."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from controller.reporter.agent_record import MAX_PROBLEMS, Memory
from controller.reporter.shared_files import Mailbox


class Desk:
    """A pod's folders, their mailbox, and the record of problems."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.memory = folder, Memory(0.0)
        for name in ("bin", "answers", "out"):
            (folder / name).mkdir()
        self.mailbox = Mailbox(folder, self.memory.add_problem)

    def bring(self, *deliveries: dict[str, Any]) -> list[str]:
        return self.mailbox.write_answers(deliveries)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_an_answer_is_brought_once_whole(desk: Desk) -> None:
    """Text and JSON are written once, readable for the agent; they are not written a second time."""
    delivery = {"questionID": "q1", "answer": "yes\nplease", "by": "alice"}
    assert desk.bring(delivery) == ["q1"]
    assert desk.bring(delivery) == []
    assert json.loads((desk.folder / "answers/q1.json").read_text()) == {"id": "q1", "answer": "yes\nplease", "by": "alice"}
    assert (desk.folder / "answers/q1.txt").read_text() == "yes\nplease"
    assert (desk.folder / "answers/q1.txt").stat().st_mode & 0o777 == 0o644
    assert Mailbox(desk.folder, desk.memory.add_problem).delivered() == []


def test_a_dismissal_is_brought_once_and_an_answer_overtakes_it(desk: Desk) -> None:
    """The notice that no answer will come is written once and survives a restart; a later answer replaces it."""
    dismissal = {"questionID": "q1", "answer": "(dismissed)", "dismissed": True}
    assert [desk.bring(dismissal), desk.bring(dismissal)] == [["q1"], []]
    assert (desk.folder / "answers/q1.dismissed").read_text() == ""
    assert not (desk.folder / "answers/q1.json").exists()
    again = Mailbox(desk.folder, desk.memory.add_problem)
    again.prepare()
    assert (again.delivered(), again.dismissed()) == (["q1"], ["q1"])
    assert desk.bring({"questionID": "q1", "answer": "yes"}) == ["q1"]
    assert (desk.mailbox.delivered(), desk.mailbox.dismissed(), desk.bring(dismissal)) == (["q1"], [], [])


def test_what_lies_there_is_known_after_a_restart(desk: Desk) -> None:
    """A restarted reporter knows from the files which answers it has delivered."""
    desk.bring({"questionID": "q1", "answer": "yes"})
    again = Mailbox(desk.folder, desk.memory.add_problem)
    again.prepare()
    assert again.delivered() == ["q1"]


@pytest.mark.parametrize(
    "delivery", [{}, {"questionID": "../x", "answer": "a"}, {"questionID": "q"}, {"questionID": 1, "answer": "a"}]
)
def test_what_is_no_answer_is_not_brought(desk: Desk, delivery: dict[str, Any]) -> None:
    """An invalid answer writes no file outside the folder and no partial file."""
    assert desk.bring(delivery) == []
    assert list((desk.folder / "answers").iterdir()) == []


def test_a_full_disk_is_told_and_tried_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without space the answer is not acknowledged and the report has the reason; with space it is delivered."""

    def full(*_: object) -> int:
        raise OSError(28, os.strerror(28))

    delivery = {"questionID": "q1", "answer": "yes"}
    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        assert desk.bring(delivery) == []
    assert "No space left" in desk.memory.problems["write answers"]
    assert desk.bring(delivery) == ["q1"]


def test_the_tools_are_there_and_the_outbox_is_open_to_all(desk: Desk) -> None:
    """`rw` is executable, and the agent may append to the events although another user created the file."""
    desk.mailbox.prepare()
    assert os.access(desk.folder / "bin/rw", os.X_OK)
    assert (desk.folder / "out/events.jsonl").stat().st_mode & 0o777 == 0o666


def test_an_agents_file_is_left_as_it_is(desk: Desk) -> None:
    """A file from an earlier reporter of this pod, or one that the agent has replaced, is not touched."""
    (desk.folder / "out/events.jsonl").mkdir()
    desk.mailbox.prepare()
    assert (desk.folder / "out/events.jsonl").is_dir()


def test_problems_are_told_once_a_kind_and_are_few() -> None:
    """The report stays small, however often a problem occurs."""
    memory = Memory(0.0)
    for number in range(100):
        memory.add_problem("same", f"number {number}")
        memory.add_problem(f"kind {number}", "x" * 5000)
    assert len(memory.problems) == MAX_PROBLEMS
    assert memory.problems["same"] == "number 0"
    assert all(len(problem) <= 1024 for problem in memory.problems.values())
