"""Consultations run next to the passes: started once, kept until recorded, and never waited for without end."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from controller.adapter.contract import Ended, Reply, Request
from controller.advisor.agent_log import LogTail
from controller.advisor.consultations import Consultations
from controller.advisor.prompt import target_of
from controller.api.advice import AdviceVerdict, AdvisedIntent
from controller.api.names import RunKey
from controller.api.operator_state import AgentState, OperatorState
from controller.api.policy import RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.run import Agent, RunSpec
from controller.kube.errors import NotFound
from controller.plan.actions import Consult
from controller.plan.inquiries import Consultation
from controller.plan.intents import Intent
from controller.plan.reasons import Reason
from controller.plan.snapshot import RunFacts, Snapshot

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = RunKey("ns", "demo", "run-1")
SNAPSHOT = Snapshot(
    run=RunFacts("ns", "demo", "run-1", 1, RunSpec(agents=(Agent(name="coder", image="x"),))),
    policy=ResolvedPolicy.of("default", RunPolicySpec()),
)


def about(situation: str = "demo-coder-0") -> Consult:
    """Return the action that consults about a situation."""
    matter = Consultation(situation, Intent.AUTO_RESTART, Reason.EXITED_NONZERO, "exit code 1", (AdvisedIntent.AUTO_RESTART,))
    return Consult(reason=Reason.EXITED_NONZERO, agent="coder", attempt=0, consultation=matter)


def saying(**fields: object) -> bytes:
    """Return an answer that the gate accepts, or nearly."""
    answer = {"intent": "auto_restart", "target_run": target_of(SNAPSHOT.run), "reason": "flaky", "confidence": 0.9}
    return json.dumps({**answer, "needs_human": False, **fields}).encode()


@dataclass
class Scripted:
    """An advisor that gives a scripted answer, once it is released."""

    reply: Reply | Exception = field(default_factory=lambda: Reply(Ended.ANSWERED, saying()))
    let: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[Request] = field(default_factory=list)

    async def consult(self, request: Request) -> Reply:
        """Wait, then answer."""
        self.asked.append(request)
        await self.let.wait()
        if isinstance(self.reply, Exception):
            raise self.reply
        return self.reply


async def no_log(*_: object) -> str:
    """An agent without a log."""
    return ""


@dataclass
class Scene:
    """Consultations with a scripted advisor, and the keys that they have woken."""

    advisor: Scripted
    log_tail: LogTail = no_log
    woken: asyncio.Queue[RunKey] = field(default_factory=asyncio.Queue)

    def __post_init__(self) -> None:
        self.consultations = Consultations(self.advisor, self.log_tail, lambda: NOW, self.woken.put_nowait)


async def test_it_is_begun_once_and_wakes_its_run() -> None:
    """Any number of passes cause one request, and the Run is queued again when the answer arrives."""
    scene = Scene(Scripted())
    for _ in range(3):
        assert scene.consultations.begin(SNAPSHOT, about()).advice is None
    assert [facts.advice for facts in scene.consultations.of(KEY, None)] == [None]
    scene.advisor.let.set()
    assert await scene.woken.get() == KEY
    (facts,) = scene.consultations.of(KEY, None)
    assert facts.advice is not None
    assert (facts.agent, facts.advice.verdict, facts.advice.intent) == ("coder", "Accepted", "auto_restart")
    assert facts.advice.confidence_percent == 90
    assert len(scene.advisor.asked) == 1


async def test_what_is_on_record_is_not_kept() -> None:
    """Advice that the state has is dropped from memory; that of other situations stays."""
    scene = Scene(Scripted())
    scene.advisor.let.set()
    for situation in ("demo-coder-0", "demo-coder-1"):
        scene.consultations.begin(SNAPSHOT, about(situation))
        await scene.woken.get()
    first, second = scene.consultations.of(KEY, None)
    assert first.advice is not None
    state = OperatorState(run_uid="run-1", agents={"coder": AgentState(advice=(first.advice,))})
    assert scene.consultations.of(KEY, state) == (second,)
    assert scene.consultations.of(KEY, None) == (second,)


@pytest.mark.parametrize(
    ("reply", "verdict", "reason"),
    [
        (Reply(Ended.ANSWERED, saying(target_run="ns/other")), "Refused", "OtherTarget"),
        (Reply(Ended.ANSWERED, b"I think so"), "Refused", "NotJSON"),
        (Reply(Ended.AUTH_FAILED, detail="log in"), "Unavailable", "AuthFailed"),
        (Reply(Ended.ABSTAINED), "Abstained", "Abstained"),
        (ZeroDivisionError("a bug"), "Unavailable", "InternalError"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_whatever_becomes_of_it_is_known(reply: Reply | Exception, verdict: AdviceVerdict, reason: str) -> None:
    """A refusal, a failure and even a bug of ours each end the wait with a reason."""
    scene = Scene(Scripted(reply))
    scene.advisor.let.set()
    scene.consultations.begin(SNAPSHOT, about())
    await scene.woken.get()
    (facts,) = scene.consultations.of(KEY, None)
    assert facts.advice is not None
    assert (facts.advice.verdict, facts.advice.reason) == (verdict, reason)


async def test_a_log_that_cannot_be_read_keeps_nobody_from_asking() -> None:
    """If the pod is deleted or the kubelet unreachable, the advisor is consulted without the log."""

    async def gone(*_: object) -> str:
        raise NotFound("GET log", 404, "NotFound", "pod is gone")

    scene = Scene(Scripted(), gone)
    scene.advisor.let.set()
    scene.consultations.begin(SNAPSHOT, about())
    await scene.woken.get()
    assert len(scene.advisor.asked) == 1


async def test_the_log_is_shown_redacted() -> None:
    """An agent's log reaches the prompt without its secrets."""

    async def tail(*_: object) -> str:
        return "cannot reach the registry\npassword: hunter2-hunter2"

    scene = Scene(Scripted(), tail)
    scene.advisor.let.set()
    scene.consultations.begin(SNAPSHOT, about())
    await scene.woken.get()
    (request,) = scene.advisor.asked
    assert "cannot reach the registry" in request.prompt
    assert "hunter2" not in request.prompt + json.dumps(request.document)


async def test_a_run_that_is_gone_is_let_go_of() -> None:
    """The consultation of a deleted Run is ended without waking it, and a Run of the same name starts a new one."""
    scene = Scene(Scripted())
    scene.consultations.begin(SNAPSHOT, about())
    await asyncio.sleep(0)
    scene.consultations.forget(KEY)
    assert scene.consultations.of(KEY, None) == ()
    scene.advisor.let.set()
    other = replace(SNAPSHOT, run=replace(SNAPSHOT.run, uid="run-2"))
    scene.consultations.begin(other, about())
    assert (await scene.woken.get()).uid == "run-2"


async def test_the_end_of_the_operator_ends_them() -> None:
    """No consultation is left after the operator's end."""
    scene = Scene(Scripted())
    scene.consultations.begin(SNAPSHOT, about())
    await scene.consultations.close()
    assert scene.consultations.of(KEY, None) == ()
    assert scene.woken.empty()
