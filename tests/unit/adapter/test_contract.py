"""The contract of every advisor, for the adapter in this process and for the same adapter over its socket."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from controller.adapter.adapter import Limits, LocalAdapter
from controller.adapter.breaker import BreakerConfig
from controller.adapter.client import SocketAdvisor
from controller.adapter.command import Command, CommandResult
from controller.adapter.contract import MAX_OUTPUT_BYTES, Advisor, Consumption, Ended
from controller.adapter.metrics import AdapterMetrics
from controller.adapter.server import adapter_app, serve_socket
from tests.support import eventually
from tests.unit.adapter.scripts import Script, marked, request, shell

Make = Callable[..., AbstractAsyncContextManager[Advisor]]


@pytest.fixture(params=["local", "socket"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Return a function that makes an advisor from commands."""

    @asynccontextmanager
    async def made(*commands: Command, registry: CollectorRegistry | None = None, **limits: object) -> AsyncIterator[Advisor]:
        metrics = AdapterMetrics(registry or CollectorRegistry())
        local = LocalAdapter({one.name: one for one in commands}, Limits(**limits), metrics)  # type: ignore[arg-type]  # a test's
        async with local:
            if request.param == "local":
                yield local
                return
            path = tmp_path / "adapter.sock"
            async with serve_socket(adapter_app(local, {}), path):
                yield SocketAdvisor(path)

    return made


async def test_answer_is_handed_on_as_it_was_said(make: Make) -> None:
    """The command reads the prompt, and every byte of its answer, its model and its cost arrive unchanged."""
    used = Consumption(3, 4, 500)
    async with make(shell("echo", "cat; printf '\\377\\000'", consumption=used)) as advisor:
        reply = await advisor.consult(request("echo", prompt="därum"))
    assert (reply.ended, reply.output, reply.model) == (Ended.ANSWERED, "därum".encode() + b"\xff\x00", "stub-1")
    assert reply.consumption == used
    assert reply.latency_seconds > 0


def tmp_folders() -> list[Path]:
    """Return the content of the directory in which commands get their folders."""
    return list(Path(tempfile.gettempdir()).iterdir())


async def test_command_sees_only_its_own_environment(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command sees its own credential and no other, and its working folder is deleted afterwards."""
    monkeypatch.setenv("KEY_OF_THIS", "credential-1")
    monkeypatch.setenv("KEY_OF_ANOTHER", "credential-2")
    monkeypatch.setenv("LANG", "C.UTF-8")
    async with make(shell("env", "env; pwd", kept_environment=frozenset({"KEY_OF_THIS"}))) as advisor:
        reply = await advisor.consult(request("env"))
    *lines, folder = reply.output.decode().splitlines()
    seen = dict(line.split("=", 1) for line in lines)
    assert seen["KEY_OF_THIS"] == "credential-1"
    assert seen["ADDED"] == "added"
    assert {"PATH", "LANG"} <= seen.keys()
    assert not {name for name in seen if name.startswith(("KEY_OF_ANOTHER", "PYTEST", "VIRTUAL"))}
    assert seen["TMPDIR"] == folder
    assert folder not in map(str, tmp_folders())


async def test_unknown_command_is_answered_with_the_known_ones(make: Make) -> None:
    """A policy with an unknown command gets a reply that lists the registered ones."""
    async with make(shell("alpha", ":"), shell("beta", ":")) as advisor:
        reply = await advisor.consult(request("gamma"))
    assert reply.ended is Ended.UNKNOWN_COMMAND
    assert "alpha, beta" in reply.detail
    assert "gamma" in reply.detail


async def test_deadline_holds(make: Make) -> None:
    """A command that hangs is ended, and the reply reports the timeout."""
    async with make(shell("hang", "trap '' TERM; sleep 1000")) as advisor, asyncio.timeout(1 + 2):
        assert (await advisor.consult(request("hang", timeout_seconds=1))).ended is Ended.TIMED_OUT


async def test_waiting_counts_against_the_timeout(make: Make, tmp_path: Path) -> None:
    """While the only place is taken, a question whose time runs out ends as busy; with no room in the queue it does so at once."""
    started = tmp_path / "started"
    registry = CollectorRegistry()
    async with make(shell("hang", f"touch {started}; sleep 1000"), registry=registry, concurrency=1, waiting=1) as advisor:
        first = asyncio.create_task(advisor.consult(request("hang", timeout_seconds=3)))
        await eventually(started.exists, "the first question was asked")
        waits = asyncio.create_task(advisor.consult(request("hang", tenant="b", timeout_seconds=1)))
        await eventually(lambda: registry.get_sample_value("runwatchman_advisor_waiting") == 1, "another waits")
        refused = await advisor.consult(request("hang", tenant="c"))
        assert (refused.ended, refused.detail) == (Ended.BUSY, "0 consultations of this tenant are waiting already")
        assert (await waits).ended is Ended.BUSY
        assert (await first).ended is Ended.TIMED_OUT


async def test_abandoned_question_ends_its_command(make: Make, tmp_path: Path) -> None:
    """A client that disconnects ends the process of its command, and the place is free again."""
    told = tmp_path / "pid"
    hang = shell("hang", f"echo $$ > {told}.new; mv {told}.new {told}; sleep 1000")
    async with make(hang, shell("say", "echo"), concurrency=1) as advisor:
        asked = asyncio.create_task(advisor.consult(request("hang")))
        await eventually(told.exists, "the command runs")
        pid = int(told.read_text())
        asked.cancel()
        await eventually(lambda: not os.path.exists(f"/proc/{pid}"), "the command has ended")
        assert (await advisor.consult(request("say"))).ended is Ended.ANSWERED


async def test_refused_login_is_not_repeated(make: Make, tmp_path: Path) -> None:
    """After one AuthFailed the command is suspended, and every reply stays AuthFailed."""
    asked = tmp_path / "asked"
    async with make(shell("auth", f"echo >> {asked}; echo no login >&2; exit 3")) as advisor:
        replies = [await advisor.consult(request("auth")) for _ in range(3)]
    assert [one.ended for one in replies] == [Ended.AUTH_FAILED] * 3
    assert replies[0].detail == "no login"
    assert asked.read_text() == "\n"


async def test_failing_command_is_suspended_then_probed(make: Make, tmp_path: Path) -> None:
    """Two failures suspend the command; after the pause a probe succeeds, and it is used as before."""
    well = tmp_path / "well"
    patience = BreakerConfig(failures=2, first_pause=0.5)
    async with make(shell("ill", f"test -e {well}"), patience=patience) as advisor:
        ends = [(await advisor.consult(request("ill"))).ended for _ in range(3)]
        assert ends == [Ended.FAILED, Ended.FAILED, Ended.SUSPENDED]
        well.touch()
        while (reply := await advisor.consult(request("ill"))).ended is Ended.SUSPENDED:
            pass
        assert reply.ended is Ended.ANSWERED


HOSTILE = 'grep -q sabotage && { echo "401 unauthorized" >&2; exit 3; }; exit 0'
"""A command that a hostile text makes fail as if its login were refused."""


async def test_a_tenant_takes_the_command_from_nobody(make: Make) -> None:
    """One tenant's repeated failures suspend the command for that tenant only; another's questions are sent."""
    async with make(shell("fragile", HOSTILE), patience=BreakerConfig(failures=2)) as advisor:
        hostile = [await advisor.consult(request("fragile", tenant="noisy", prompt="sabotage")) for _ in range(3)]
        quiet = await advisor.consult(request("fragile", tenant="quiet"))
        again = await advisor.consult(request("fragile", tenant="noisy"))
    assert [one.ended for one in (*hostile, again)] == [Ended.AUTH_FAILED] * 4
    assert again.detail.startswith("command fragile is suspended")
    assert quiet.ended is Ended.ANSWERED


async def test_hanging_questions_leave_a_place(make: Make, tmp_path: Path) -> None:
    """While one tenant's hanging questions fill every place it may have, another tenant's question is answered."""
    stuck = tmp_path / "stuck"
    stuck.mkdir()
    hangs = shell("hangs", f"touch {stuck}/$$; exec sleep 1000")
    async with make(hangs, shell("say", "echo"), concurrency=3) as advisor:
        noisy = [asyncio.create_task(advisor.consult(request("hangs", tenant="noisy", timeout_seconds=600))) for _ in range(9)]
        await eventually(lambda: len(list(stuck.iterdir())) == 2, "all places but one are taken")
        assert (await advisor.consult(request("say", tenant="quiet"))).ended is Ended.ANSWERED
        for task in noisy:
            task.cancel()
        await asyncio.gather(*noisy, return_exceptions=True)


async def test_no_policy_holds_a_place_for_ever(make: Make) -> None:
    """A command runs no longer than the adapter's own limit, however long its policy would wait."""
    async with make(shell("hang", "exec sleep 1000"), seconds=0.5) as advisor:
        assert (await advisor.consult(request("hang", timeout_seconds=31_536_000))).ended is Ended.TIMED_OUT


async def test_answer_is_capped(make: Make) -> None:
    """An answer of the maximum size is passed on; with one more byte it is rejected as a whole."""
    scripts = (shell("most", f"head -c {MAX_OUTPUT_BYTES} /dev/zero"), shell("more", f"head -c {MAX_OUTPUT_BYTES + 1} /dev/zero"))
    async with make(*scripts) as advisor:
        most, more = await advisor.consult(request("most")), await advisor.consult(request("more"))
    assert (most.ended, len(most.output)) == (Ended.ANSWERED, MAX_OUTPUT_BYTES)
    assert (more.ended, more.output) == (Ended.TOO_LONG, b"")


async def test_daemon_does_not_outlive_the_answer(make: Make) -> None:
    """A daemon that left its group, session and parent is found by its mark and killed, although this process adopts no orphans."""
    async with make(shell("leave", "(setsid sleep 1000 &); sleep 0.2; echo")) as advisor:
        assert (await advisor.consult(request("leave"))).ended is Ended.ANSWERED
    await eventually(lambda: not marked(), "no process of a command runs")


class Broken(Script):
    """A command whose envelope cannot be read."""

    def read(self, code: int, stdout: bytes, stderr: bytes, folder: Path) -> CommandResult:
        """Fail as for an envelope of another format."""
        raise KeyError("usage")


async def test_unreadable_envelope_is_a_failure(make: Make) -> None:
    """An envelope that a preset cannot parse gives a reply, not an exception."""
    async with make(Broken("odd", ("true",))) as advisor:
        reply = await advisor.consult(request("odd"))
    assert reply.ended is Ended.FAILED
    assert "usage" in reply.detail


async def test_detail_holds_no_credential_and_no_control_character(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that prints its credential on stderr does not get it into a status."""
    monkeypatch.setenv("KEY_OF_THIS", "credential-1")
    script = "printf 'login %s\\n\\033[31mrefused' \"$KEY_OF_THIS\" >&2; exit 1"
    async with make(shell("tell", script, kept_environment=frozenset({"KEY_OF_THIS"}))) as advisor:
        reply = await advisor.consult(request("tell"))
    assert reply.detail == "login *** [31mrefused"


async def test_implausible_cost_is_not_told(make: Make) -> None:
    """Implausible token and cost numbers are dropped; the answer is kept."""
    async with make(shell("say", "echo x", consumption=Consumption(-1, 10**400, 7))) as advisor:
        reply = await advisor.consult(request("say"))
    assert (reply.ended, reply.consumption) == (Ended.ANSWERED, Consumption(None, None, 7))


async def test_consultations_are_counted(make: Make) -> None:
    """Outcome, tokens and cost are counted by command; unregistered names share one series."""
    registry = CollectorRegistry()
    say = shell("say", "echo x", consumption=Consumption(3, 4, 500_000))
    async with make(say, shell("auth", "exit 3"), registry=registry) as advisor:
        for name in ("say", "auth", "nobody", "nowhere"):
            await advisor.consult(request(name))

    def value(metric: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"runwatchman_advisor_{metric}", labels)

    assert value("consultations_total", command="say", ended="Answered") == 1
    assert value("consultations_total", command="(unknown)", ended="UnknownCommand") == 2
    assert value("tokens_total", command="say", direction="output") == 4
    assert value("cost_usd_total", command="say") == 0.5
    assert value("duration_seconds_count", command="say") == 1
    assert (value("breaker_open", command="auth"), value("breaker_open", command="say")) == (1, 0)
    assert value("waiting") == 0
