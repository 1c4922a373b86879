"""Each way in which a command can fail, as a small real script, and the expected end of its consultation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from controller.adapter.command import Command
from controller.adapter.contract import Ended
from tests.unit.adapter.scripts import Script, shell

SHORT, LONG = 1, 30
"""Seconds: for a script that uses up its time, and for one that ends by itself on a busy machine."""
MIB = 2**20


@dataclass(frozen=True, slots=True)
class Failure:
    """A script, its input, and the expected result."""

    command: Script
    ended: Ended
    timeout: int = SHORT
    output: bytes = b""
    prompt_bytes: int = 4


def _hangs(name: str, script: str, prompt_bytes: int = 4) -> Failure:
    return Failure(shell(name, script), Ended.TIMED_OUT, prompt_bytes=prompt_bytes)


def _ends(name: str, script: str, ended: Ended = Ended.ANSWERED, output: bytes = b"", prompt_bytes: int = 4) -> Failure:
    return Failure(shell(name, script), ended, LONG, output, prompt_bytes)


FAILURES = (
    _hangs("hangs", "exec sleep 1000"),
    _hangs("ignores-term", "trap '' TERM INT HUP; while :; do sleep 1000; done"),
    _hangs("stops-itself", "kill -STOP $$; sleep 1000"),
    _hangs("waits-for-children", "sleep 1000 & sleep 1000 & wait"),
    _hangs("forks-on-and-on", "trap '' TERM; while :; do sleep 1000 & setsid sleep 1000 & sleep 0.05; done"),
    _hangs("closes-stdout-and-lives-on", "exec >&-; exec sleep 1000"),
    _hangs("closes-everything-and-lives-on", "exec <&- >&- 2>&-; exec sleep 1000"),
    _hangs("drips", "while :; do printf x; sleep 0.1; done"),
    _hangs("drips-errors", "while :; do echo x >&2; sleep 0.1; done"),
    _hangs("never-reads", "exec sleep 1000", MIB),
    _hangs("answers-and-lives-on", "printf '{}'; exec sleep 1000"),
    _hangs("stopped-daemon-and-hang", "setsid sh -c 'kill -STOP $$' & exec sleep 1000"),
    _ends("leaves-a-child", "sleep 1000 & printf '{}'", output=b"{}"),
    _ends("leaves-a-child-that-ignores-term", "(trap '' TERM; sleep 1000) & printf '{}'", output=b"{}"),
    _ends("leaves-a-session", "setsid sleep 1000 & printf '{}'", output=b"{}"),
    _ends("leaves-a-daemon", "(setsid sh -c 'sleep 1000 & exit 0' &); printf '{}'", output=b"{}"),
    _ends("leaves-a-nameless-daemon", "(setsid env -i sleep 1000 &); sleep 0.2; printf '{}'", output=b"{}"),
    _ends("leaves-zombies", "for i in 1 2 3; do (setsid true &); done; sleep 0.2; printf '{}'", output=b"{}"),
    _ends("floods-stdout", "exec yes", Ended.TOO_LONG),
    _ends("floods-stderr", "exec yes >&2", Ended.TOO_LONG),
    _ends("10-mb", "head -c 10000000 /dev/zero", Ended.TOO_LONG),
    _ends("segfaults", "kill -SEGV $$", Ended.FAILED),
    _ends("kills-its-group", "kill -KILL 0", Ended.FAILED),
    _ends("no-newline", "printf '{\"a\": 1}'", output=b'{"a": 1}'),
    _ends("partial-json", "printf '{\"intent\": '", output=b'{"intent": '),
    _ends("says-nothing", ":"),
    _ends("invalid-utf-8", "printf '\\377\\376'", output=b"\xff\xfe"),
    _ends("answers-without-reading", "printf '{}'", output=b"{}", prompt_bytes=MIB),
    _ends("closes-stdin-then-answers", "exec <&-; sleep 0.2; printf '{}'", output=b"{}", prompt_bytes=MIB),
    Failure(Script("missing", ("/nowhere/advisor",)), Ended.UNKNOWN_COMMAND, LONG),
    Failure(Script("missing-on-path", ("no-such-advisor",)), Ended.UNKNOWN_COMMAND, LONG),
    Failure(Script("not-executable", ("/etc/passwd",)), Ended.FAILED, LONG),
    Failure(Script("a-folder", ("/etc",)), Ended.FAILED, LONG),
    Failure(Script("nul-in-argv", ("sh", "a\0b")), Ended.FAILED, LONG),
)
EXITS = {code: shell(f"exit-{code}", f"exit {code}") for code in range(256)}
FAST = Script("fast", ("true",))
COMMANDS: Mapping[str, Command] = {one.name: one for one in (FAST, *EXITS.values(), *(failure.command for failure in FAILURES))}
