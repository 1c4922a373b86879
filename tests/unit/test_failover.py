"""The failover campaign detects every fault at the end of a leader, reports it, and exits with an error."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count

import pytest

from tests.chaos.evidence import INCOMPLETE
from tests.chaos.wave import Result
from tests.failover import faults
from tests.failover.faults import BLOWS, Striker, Toll
from tests.failover.outcome import Outcome, Report, table
from tests.failover.release import Leader


class Stage:
    """A release of two operators, `a` and `b`, in memory."""

    def __init__(self, *, takes_over: bool = True, ends: bool = True) -> None:
        self._takes_over, self._ends = takes_over, ends
        self.did: list[str] = []
        self._holder, self._struck = "a", False

    def holder(self) -> str:
        return self._holder

    def leader(self) -> Leader:
        return Leader(self._holder, f"pod-{self._holder}", "uid", "node", "1")

    def lives(self, leader: Leader) -> bool:
        return not self._ends

    def signal(self, leader: Leader, name: str) -> None:
        self._note(f"{name} {leader.identity}", struck=name != "CONT")

    def cut(self, leader: Leader) -> None:
        self._note(f"cut {leader.identity}", struck=True)

    def mend(self, leader: Leader) -> None:
        self._note(f"mend {leader.identity}", struck=False)

    def replace(self, leader: Leader) -> None:
        self._note(f"replace {leader.identity}", struck=False)

    def _note(self, what: str, *, struck: bool) -> None:
        self.did.append(what)
        if struck and self._takes_over:
            self._holder = "b" if self._holder == "a" else "a"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No wait in these tests takes time."""
    monkeypatch.setattr(faults, "DELAYS", (0.0, 0.0))
    monkeypatch.setattr(faults, "TAKEOVER_SECONDS", 0.0)
    monkeypatch.setattr(faults, "FAREWELL_SECONDS", 0.0)


def struck(stage: Stage, number: int, times: int = 1) -> Toll:
    """Strike a number of times with one kind of blow."""
    writes: Callable[[], int] = count(step=100).__next__
    striker = Striker(stage, BLOWS[number], "seed", writes, lambda _: None)
    striker.work(times, threading.Event())
    return striker.toll


@pytest.mark.parametrize(
    ("number", "did"),
    [(0, ["KILL a", "replace a"]), (1, ["STOP a", "CONT a", "replace a"]), (2, ["cut a", "mend a", "replace a"])],
    ids=[blow.name for blow in BLOWS],
)
def test_leader_is_struck_and_released(number: int, did: list[str]) -> None:
    """Each blow strikes the leader and is undone once another leads; the next blow strikes that one."""
    stage = Stage()
    toll = struck(stage, number, times=2)
    assert stage.did == did + [line.replace(" a", " b") for line in did]
    assert (len(toll.takeovers), toll.faults) == (2, [])


@pytest.mark.parametrize("number", range(len(BLOWS)))
def test_a_former_leader_that_goes_on_is_told(number: int) -> None:
    """A former leader that wakes up or is healed and continues to lead is a fault, and ends the campaign."""
    toll = struck(Stage(ends=False), number, times=5)
    assert toll.faults == [f"{BLOWS[number].name}: the former leader a has not ended"]
    assert len(toll.takeovers) == 1


@pytest.mark.parametrize("number", range(len(BLOWS)))
def test_a_lease_that_nobody_takes_is_told(number: int) -> None:
    """Without a takeover the blow is undone all the same, and does not count."""
    stage = Stage(takes_over=False)
    toll = struck(stage, number)
    assert toll.faults == [f"{BLOWS[number].name}: nobody took over from a"]
    assert toll.takeovers == []
    assert len(stage.did) == (1 if number == 0 else 2)


def campaign() -> Outcome:
    """A good outcome: one wave and two takeovers for each kind of blow."""
    end = {"work": {"restarts": 1}}
    reports = [Report(blow, 2, Toll([1.5, 2.5]), waves=[Result("n", end, [], 3)]) for blow in BLOWS]
    return Outcome(Result("calm", end), reports)


def test_all_is_well() -> None:
    """The table has a row for each kind and one for all, and no other line follows."""
    told = table(campaign(), complete=True)
    assert campaign().good
    assert told[1:] == [
        *(f"| {blow.name} | 2 | 1 | 1 | 3 | 1 | 2.0 | 2.5 | none |" for blow in BLOWS),
        "| all | 6 | 3 | 3 | 9 | 3 | 2.0 | 2.5 | none |",
    ]


def a_violation(found: Outcome) -> None:
    found.reports[1].faults.append("P2: started twice")


def too_few(found: Outcome) -> None:
    found.reports[2].toll.takeovers.pop()


def never_calm(found: Outcome) -> None:
    found.calm.violations.append("P4: live at once")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (a_violation, "P2: started twice"),
        (too_few, "partition, later healed: only 1 of 2 blows were survived"),
        (never_calm, "undisturbed: P4: live at once"),
    ],
)
def test_what_is_wrong_costs_the_verdict(spoil: Callable[[Outcome], None], words: str) -> None:
    """A violation, a missing blow and a violation without a blow are each reported below the table."""
    found = campaign()
    spoil(found)
    assert not found.good
    assert words in table(found, complete=True)


def test_evidence_that_ends_too_soon_is_told() -> None:
    """A watch that ended early could have missed any event."""
    assert table(campaign(), complete=False)[-1] == INCOMPLETE
