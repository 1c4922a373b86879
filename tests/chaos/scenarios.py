"""The stories of a wave: Runs that crash, hang, are drained, paused and asked about, with the actions of a human."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from controller.api.base import JsonObject
from tests.chaos.case import Scene
from tests.support import policy_of, run_of, shell

COOLDOWN = 2
POLICY: JsonObject = {"restartCooldownSeconds": COOLDOWN, "confirmationIntervalSeconds": 1}
FOREVER = "trap 'exit 143' TERM; while :; do sleep 0.2; done"
DEAF = "trap '' TERM; while :; do sleep 0.2; done"
TOLD = "while [ ! -e /workspace/go ]; do sleep 0.2; done"
GO = ("touch", "/workspace/go")
"""The file that an agent waits for, created by a command, so that no story depends on which of two pods is started sooner."""
A_LONG_TIME_AGO = "2026-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class Step:
    """An action of a human, and its time."""

    when: Callable[[Scene], object]
    do: Callable[[Scene], None]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A Run under a policy of its own, and the human's steps.

    `by_hand` are attempts that a human asked for: they are not charged and no cooldown delays them. `taken` are attempts whose pods
    a human deletes.
    """

    name: str
    agents: tuple[JsonObject, ...]
    steps: tuple[Step, ...] = ()
    policy: JsonObject = field(default_factory=dict)
    by_hand: frozenset[int] = frozenset()
    taken: frozenset[int] = frozenset()

    @property
    def budget(self) -> int:
        """The Run's maximum of charged restarts."""
        return int(self.policy.get("restartBudget", DEFAULT_BUDGET))

    def objects(self) -> list[JsonObject]:
        """Return the objects to apply."""
        return [policy_of(POLICY | self.policy, self.name), run_of(self.name, *self.agents, policyRef={"name": self.name})]


DEFAULT_BUDGET = 3


def _crashing(code: int, *, until: int) -> str:
    return f'sleep 0.5; [ "$RUNWATCHMAN_ATTEMPT" -ge {until} ] || exit {code}'


def _working(*, until: int) -> str:
    """Return a script that works for ever, and completes at a given attempt."""
    return f'[ "$RUNWATCHMAN_ATTEMPT" -lt {until} ] || exit 0; {FOREVER}'


def _hung() -> JsonObject:
    script = f'[ "$RUNWATCHMAN_ATTEMPT" = 0 ] || exit 0; touch /workspace/ok; {DEAF}'
    probe = {"exec": {"command": ["test", "-e", "/workspace/ok"]}, "periodSeconds": 1, "failureThreshold": 1, "timeoutSeconds": 10}
    container = {"name": "agent", "image": "busybox:1.37", "command": ["sh", "-c", script], "readinessProbe": probe}
    return {"template": {"spec": {"terminationGracePeriodSeconds": 2, "containers": [container]}}}


SCENARIOS = (
    Scenario(
        "twice",
        (
            shell(f'[ "$RUNWATCHMAN_ATTEMPT" -ge 2 ] || {{ sleep 0.5; exit 1; }}; {TOLD}'),
            shell(FOREVER, name="steady", required=False),
        ),
        (Step(lambda at: at.works(2) and at.works(0, "steady"), lambda at: at.within(2, *GO)),),
    ),
    Scenario("shared", (shell(_crashing(1, until=1)), shell(_crashing(2, until=1), name="other")), policy={"restartBudget": 2}),
    Scenario(
        "spent",
        (shell("echo no compiler; exit 3"),),
        (
            Step(lambda at: at.asked(1), lambda at: at.answer(1, "Retry")),
            Step(lambda at: at.asked(2), lambda at: at.answer(2, "Stop")),
        ),
        {"restartBudget": 1},
        by_hand=frozenset({2}),
    ),
    Scenario(
        "fatal",
        (shell(f"{TOLD}; exit 3"), shell(FOREVER, name="other")),
        (Step(lambda at: at.works(0) and at.works(0, "other"), lambda at: at.within(0, *GO)),),
        {"outcomes": [{"exitCodes": [3], "action": "Fail"}]},
    ),
    Scenario("free", (shell(_crashing(75, until=2)),), policy={"restartBudget": 0}),
    Scenario("hung", (_hung(),), (Step(lambda at: at.ready(0), lambda at: at.within(0, "rm", "/workspace/ok")),)),
    Scenario("kept", (shell("[ -e /workspace/seen ] && exit 0; touch /workspace/seen; exit 1", workspace={"size": "1Gi"}),)),
    Scenario(
        "drained",
        (shell(_working(until=1)),),
        (Step(lambda at: at.works(0), lambda at: at.drain(0)),),
        {"restartBudget": 0},
        taken=frozenset({0}),
    ),
    Scenario(
        "manual",
        (shell(_working(until=1)),),
        (Step(lambda at: at.works(0), lambda at: at.change(restartedAt={"coder": A_LONG_TIME_AGO})),),
        {"restartBudget": 0},
        by_hand=frozenset({1}),
    ),
    Scenario(
        "gone",
        (shell(_working(until=2)),),
        (
            Step(lambda at: at.works(0), lambda at: at.delete(0, "--grace-period=1")),
            Step(lambda at: at.works(1), lambda at: at.delete(1, "--force")),
        ),
        {"restartBudget": 0},
        taken=frozenset({0, 1}),
    ),
    Scenario(
        "paused",
        (shell(_working(until=1)),),
        (
            Step(lambda at: at.works(0), lambda at: at.change(desiredState="Paused")),
            Step(lambda at: at.phase == "Paused", lambda at: at.change(desiredState="Running")),
        ),
        by_hand=frozenset({1}),
    ),
    Scenario("stopped", (shell(FOREVER),), (Step(lambda at: at.works(0), lambda at: at.change(desiredState="Stopped")),)),
)
