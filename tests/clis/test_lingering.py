"""A CLI that does not exit after its result, and a process that holds the CLI's output open, do not keep `rw exec`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clis.pod import finish, terminate
from tests.clis.stub import DONE, FAILED, STARTED, Stubbed
from tests.support import await_that

SHORT = "1"
INIT = '{"type":"system","subtype":"init","session_id":"c-1"}\n'
RESULT = '{"type":"result","subtype":"success","is_error":false,"result":"done"}\n'
ERROR = '{"type":"result","subtype":"success","is_error":true,"api_error_status":529,"result":"API Error: 529"}\n'
TASKS = '{"type":"system","subtype":"background_tasks_changed","tasks":[%s]}\n'
HEAD = '#!/bin/sh\ncat >/dev/null\ncat "$STUB/stream"\n'
STAYS = HEAD + "exec sleep 1000\n"
IGNORES_TERM = HEAD + "trap '' TERM\nsleep 1000 &\necho $! >\"$STUB/child\"\nwhile :; do wait; sleep 1; done\n"
LEAVES_A_CHILD = HEAD + 'sleep 1000 &\necho $! >"$STUB/child"\nexit 0\n'
WORKS_ON = HEAD + 'sleep 3\ncat "$STUB/more"\n'


def stays(stubbed: Stubbed, script: str, stream: str) -> None:
    """Replace the CLIs by a script that reports a stream."""
    stubbed.pod.environment["RW_EXEC_EXIT_GRACE_SECONDS"] = SHORT
    stubbed.says(stream)
    stubbed.becomes(script)


def child_runs(stubbed: Stubbed) -> bool:
    """Whether the child that a stub has left behind is alive, in a process namespace that we can see."""
    try:
        stat = Path(f"/proc/{(stubbed.folder / 'child').read_text().strip()}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


ENDS = [("codex", STARTED + DONE, 0), ("codex", STARTED + FAILED, 77), ("claude", INIT + ERROR, 75)]


@pytest.mark.parametrize(("cli", "stream", "code"), ENDS, ids=lambda value: str(value)[:6])
async def test_a_cli_that_stays_after_its_result_is_ended(stubbed: Stubbed, cli: str, stream: str, code: int) -> None:
    """It gets its grace, then TERM; the code is that of the result, not that of the signal."""
    stays(stubbed, STAYS, stream)
    assert (await stubbed.pod.run(cli)).code == code


async def test_a_cli_that_ignores_term_is_killed_with_its_children(stubbed: Stubbed, monkeypatch: pytest.MonkeyPatch) -> None:
    """The CLIs' packages are wrappers: what they have started must not work on in the workspace."""
    stays(stubbed, IGNORES_TERM, STARTED + DONE)
    monkeypatch.setattr("tests.clis.pod.container", tuple)
    assert (await stubbed.pod.run("codex")).code == 0
    assert (stubbed.folder / "child").exists()
    assert not child_runs(stubbed)


async def test_a_child_that_holds_the_output_is_not_waited_for(stubbed: Stubbed) -> None:
    """A server that the agent has started keeps the CLI's output open for ever; the CLI itself has exited."""
    stays(stubbed, LEAVES_A_CHILD, STARTED + DONE)
    ended = await stubbed.pod.run("codex")
    assert (ended.code, ended.logs) == (0, STARTED + DONE)


async def test_a_crash_with_a_child_that_holds_the_output_ends_too(stubbed: Stubbed) -> None:
    """Without any result the grace begins with the CLI's exit."""
    stays(stubbed, LEAVES_A_CHILD.replace("exit 0", "exit 3"), STARTED)
    assert (await stubbed.pod.run("codex")).code == 3


async def test_term_while_a_child_holds_the_output_ends_at_once(stubbed: Stubbed) -> None:
    """The kubelet's grace period is not spent on an output that nobody writes."""
    stays(stubbed, LEAVES_A_CHILD, STARTED + DONE)
    stubbed.pod.environment["RW_EXEC_EXIT_GRACE_SECONDS"] = "1000"
    process = await stubbed.pod.start("codex")
    await_that((stubbed.folder / "child").exists, "the CLI did not start")
    terminate(process)
    await finish(process)


async def test_a_background_task_is_waited_for(stubbed: Stubbed) -> None:
    """Claude reports a result, waits for its background tasks, and has another turn: that is no lingering."""
    stays(stubbed, WORKS_ON, INIT + TASKS % '{"task_id":"b"}' + RESULT)
    (stubbed.folder / "more").write_text(TASKS % "" + INIT + RESULT.replace("done", "really done"))
    ended = await stubbed.pod.run("claude")
    assert (ended.code, "really done" in ended.logs) == (0, True)


async def test_another_turn_after_a_result_is_waited_for(stubbed: Stubbed) -> None:
    """A turn that begins within the grace stops the timer."""
    stays(stubbed, WORKS_ON, INIT + RESULT + INIT)
    (stubbed.folder / "more").write_text(RESULT.replace("done", "really done"))
    ended = await stubbed.pod.run("claude")
    assert (ended.code, "really done" in ended.logs) == (0, True)


async def test_chatter_after_a_result_does_not_count_as_work(stubbed: Stubbed) -> None:
    """Lines that begin no turn, as of a hook, give no more time."""
    chatter = 'while :; do echo \'{"type":"system","subtype":"hook_progress"}\'; sleep 1; done\n'
    stays(stubbed, HEAD + chatter, INIT + RESULT)
    assert (await stubbed.pod.run("claude")).code == 0


async def test_a_retry_message_is_no_result(stubbed: Stubbed) -> None:
    """Codex reports each retry as an error and goes on: the grace begins with the end of the turn."""
    stays(stubbed, WORKS_ON, STARTED + '{"type":"error","message":"Reconnecting... 1/5"}\n')
    (stubbed.folder / "more").write_text(DONE)
    assert (await stubbed.pod.run("codex")).code == 0


@pytest.mark.parametrize("seconds", ["soon", "-1", "1.5"])
async def test_a_wrong_grace_is_named(stubbed: Stubbed, seconds: str) -> None:
    """The variable is the user's, so a wrong value needs a human."""
    stubbed.pod.environment["RW_EXEC_EXIT_GRACE_SECONDS"] = seconds
    ended = await stubbed.pod.run("codex")
    assert (ended.code, f"whole number of seconds, not '{seconds}'" in ended.errors) == (78, True)
