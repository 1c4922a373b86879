"""Activity without the agent's cooperation: CPU time and changed files, and the times of its reports."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.reporter import file_activity
from controller.reporter.cpu_activity import WINDOW_SECONDS, Processes
from controller.reporter.file_activity import PASS_SECONDS, Workspace
from controller.reporter.report_schedule import BURST, Pace

SAMPLE = 2.0
TICKS = os.sysconf("SC_CLK_TCK")


class Proc:
    """A fake /proc; its processes belong to another user."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.meter = Processes(folder, own_uid=os.getuid() + 1)
        self.now = 0.0

    def put(self, pid: int, own: int, waited: int = 0, name: str = "sh") -> None:
        (self.folder / str(pid)).mkdir(exist_ok=True)
        fields = ["S", *"0000000000", str(own), "0", str(waited), "0", "20"]
        (self.folder / str(pid) / "stat").write_text(f"{pid} ({name}) {' '.join(fields)}")

    def queue(self, pid: int, *seconds: float) -> None:
        """Set how long each of a process's threads has waited for a core so far."""
        for number, waited in enumerate(seconds):
            (task := self.folder / str(pid) / "task" / str(number)).mkdir(parents=True, exist_ok=True)
            (task / "schedstat").write_text(f"123 {int(waited * 1e9)} 45\n")

    def end(self, pid: int) -> None:
        (self.folder / str(pid) / "stat").unlink()
        (self.folder / str(pid)).rmdir()

    def active(self) -> bool:
        self.now += SAMPLE
        return self.meter.active(self.now)


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


def test_a_busy_process_is_activity_and_a_sleeping_loop_is_none(proc: Proc) -> None:
    """A tenth of a core is activity, even in hidden processes; a hundredth, the cost of a loop of sleeps, is not."""
    for share, active in ((0.01, False), (0.1, True)):
        for step in range(20):
            proc.put(7, int(step * SAMPLE * TICKS * share) + int(10_000 * share), name=") S 1 (")
            seen = proc.active()
        assert seen is active


@pytest.mark.parametrize(
    ("used", "queued", "active"),
    [(0.005, 0.99, True), (0.0, 1.0, True), (0.01, 0.5, False), (0.02, 0.5, True), (0.005, 0.0002, False), (0.0, 0.9, False)],
    ids=["starved", "starved altogether", "sleeper on a full node", "half starved", "sleeper on an idle node", "got nothing"],
)
def test_agent_that_waits_for_a_core_is_judged_by_the_rest_of_the_time(
    proc: Proc, used: float, queued: float, active: bool
) -> None:
    """A compiler that gets half a percent because others have the cores is active; a loop of sleeps never is."""
    for step in range(200):
        proc.put(7, int(step * SAMPLE * TICKS * used))
        proc.queue(7, step * SAMPLE * queued)
        seen = proc.active()
    assert seen is active


def test_every_threads_waiting_counts(proc: Proc) -> None:
    """A process whose first thread sleeps while another waits for a core is active."""
    for step in range(20):
        proc.put(7, step)
        proc.queue(7, 0, step * SAMPLE * 0.95)
        seen = proc.active()
    assert seen


def test_waiting_before_the_first_sample_is_none_of_now(proc: Proc) -> None:
    """Time that a process waited earlier does not make it active."""
    proc.put(7, 0)
    proc.queue(7, 1000)
    assert not any(proc.active() for _ in range(8))


def test_children_that_come_and_go_between_samples_are_activity(proc: Proc) -> None:
    """The short-lived compilers of a build appear only in the CPU time of children that their parent has waited for."""
    for step in range(10):
        proc.put(7, 0, waited=step * TICKS)
        seen = proc.active()
    assert seen


def test_the_end_of_a_child_is_no_activity(proc: Proc) -> None:
    """The CPU time of a child moves to its parent when the parent waits for it; no work happened at that moment."""
    proc.put(7, 0)
    proc.put(8, 100_000)
    seen = [proc.active() for _ in range(8)]
    proc.end(8)
    proc.put(7, 0, waited=100_000)
    seen += [proc.active() for _ in range(8)]
    assert not any(seen)


def test_activity_is_over_when_the_window_is(proc: Proc) -> None:
    """One burst counts as activity for the window only."""
    proc.put(7, 0)
    proc.active()
    proc.put(7, TICKS)
    seen = [proc.active() for _ in range(int(WINDOW_SECONDS / SAMPLE) + 3)]
    assert seen[0]
    assert not seen[-1]


def test_our_own_processes_are_not_the_agents(proc: Proc) -> None:
    """The work of the reporter and of its probes does not count."""
    proc.meter = Processes(proc.folder, own_uid=os.getuid())
    for step in range(5):
        proc.put(7, step * 10 * TICKS)
        assert not proc.active()


def test_a_real_proc_can_be_read() -> None:
    """The reader understands every process of this machine, in any state."""
    assert Processes(own_uid=-1)._sample()


def create(folder: Path) -> None:
    (folder / "new").touch()


def write(folder: Path) -> None:
    (folder / "a/deep/file").write_text("more than before")


def overwrite(folder: Path) -> None:
    (folder / "a/deep/file").write_text("FILE")


def delete(folder: Path) -> None:
    (folder / "a/deep/file").unlink()


def rename(folder: Path) -> None:
    (folder / "a/deep/file").rename(folder / "a/deep/other")


class Looked:
    """A workspace with repeated scans."""

    def __init__(self, folder: Path) -> None:
        (folder / "a/deep").mkdir(parents=True)
        (folder / "a/deep/file").write_text("file")
        self.folder, self.scan, self.now = folder, Workspace(folder), 0.0

    def changed(self, samples: int = 1) -> bool:
        found = False
        for _ in range(samples):
            self.now += PASS_SECONDS
            found = self.scan.changed(self.now) or found
        return found


@pytest.fixture
def looked(tmp_path: Path) -> Looked:
    return Looked(tmp_path / "w")


@pytest.mark.parametrize("act", [create, write, overwrite, delete, rename])
def test_a_change_anywhere_is_activity_once(looked: Looked, act: Callable[[Path], None]) -> None:
    """Any change in any folder is seen by the next scan, and only by that one."""
    assert not looked.changed(samples=3)
    act(looked.folder)
    assert looked.changed()
    assert not looked.changed(samples=3)


def test_a_link_leads_nowhere(looked: Looked, tmp_path: Path) -> None:
    """A symlink is seen itself, and its target is not followed."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (looked.folder / "link").symlink_to(outside)
    looked.changed(samples=2)
    (outside / "file").touch()
    assert not looked.changed(samples=2)


def test_a_large_tree_costs_a_bounded_number_of_entries_a_sample(looked: Looked, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scan of more entries than one sample allows continues in the next, keeps no list of them, and sees the change at its
    end.
    """
    monkeypatch.setattr(file_activity, "ENTRIES_PER_SAMPLE", 10)
    for number in range(100):
        (looked.folder / f"{number}").touch()
    steps = 1
    while looked.scan._former is None:
        looked.changed()
        steps += 1
    assert steps > 10
    (looked.folder / "50").write_text("x")
    assert looked.changed(samples=2 * steps)


def test_a_nest_without_end_is_left_at_some_depth(looked: Looked) -> None:
    """Each nested folder takes a file descriptor: the depth is bounded, and so is their number."""
    nest = os.open(looked.folder, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("d", dir_fd=nest)
        inner = os.open("d", os.O_RDONLY, dir_fd=nest)
        os.close(nest)
        nest = inner
    os.close(nest)
    before = len(os.listdir("/proc/self/fd"))
    assert not looked.changed(samples=3)
    assert len(os.listdir("/proc/self/fd")) == before


def test_no_workspace_is_no_activity(tmp_path: Path) -> None:
    """A folder that is missing or unreadable shows no activity."""
    looked = Workspace(tmp_path / "none")
    assert not any(looked.changed(PASS_SECONDS * step) for step in range(1, 4))


CHANCES = st.floats(0, 1)


def written(pace: Pace, now: float) -> bool:
    """Write a report if one is due, and have it arrive; return whether it was due."""
    if not pace.due(now):
        return False
    pace.sent(now)
    pace.arrived(now)
    return True


@given(CHANCES)
def test_an_idle_agent_beats_once_an_interval(chance: float) -> None:
    """The first beat comes within the first interval, the others at most a tenth early: an hour has 60 to 67."""
    pace = Pace(60, 0.0, lambda: chance)
    beats = [now for now in range(3600) if written(pace, now)]
    assert 59 <= len(beats) <= 67


@given(CHANCES)
def test_a_flooding_agent_does_not_flood_the_api(chance: float) -> None:
    """With constant changes there is a burst, then one write every six seconds, and the beats."""
    pace, writes = Pace(60, 0.0, lambda: chance), 0
    for tick in range(6000):
        pace.urgent = True
        writes += written(pace, tick / 10)
    assert writes <= BURST + 100 + 11


@given(CHANCES)
def test_an_outage_is_tried_ever_less_often_and_ends_in_one_write(chance: float) -> None:
    """Ten minutes without the API server cost about two dozen tries; when it is back, one write follows, and then an interval
    without any.
    """
    pace, tries = Pace(60, 0.0, lambda: chance), 0
    pace.urgent = True
    for now in range(600):
        if pace.due(now):
            pace.sent(now)
            pace.failed(now)
            tries += 1
    assert 10 <= tries <= 28
    writes = [now for now in range(600, 700) if written(pace, now)]
    assert writes[0] <= 660
    assert len([now for now in writes if now < writes[0] + 54]) == 1


def test_news_do_not_wait_but_for_a_second() -> None:
    """An urgent change is written at once; changes right after it wait a second for more."""
    pace = Pace(60, 0.0, lambda: 1.0)
    pace.urgent = True
    assert written(pace, 0.1)
    pace.urgent = True
    assert not pace.due(1.0)
    assert pace.due(1.1)
