"""The stories of the kept ledger: Runs that complete, crash, hang, ask, are drained, paused, stopped, verified and refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from controller.api.base import JsonObject
from tests.kept_ledger.actor import Actor
from tests.support import policy_of, run_of

QUICK: JsonObject = {
    "restartCooldownSeconds": 1,
    "confirmationIntervalSeconds": 1,
    "unhealthyConfirmations": 2,
    "llm": {"mode": "Off"},
}
BY_HAND: JsonObject = {"podMetadata": {"annotations": {"test.runwatchman.dev/outcome": "run-forever"}}}
"""The simulated nodes leave the end of a pod to the story."""
STALLED_SECONDS = 2
PAST = "2026-01-01T00:00:00Z"
QUESTION = {"id": "q1", "text": "Which branch is the base?", "options": ["main", "next"]}
OUTPUT = "E   assert total([1, 2]) == 4\n"


@dataclass(frozen=True, slots=True)
class Story:
    """A Run under a policy of its own, and what happens to it."""

    name: str
    play: Callable[[Actor], None]
    policy: JsonObject = field(default_factory=dict)
    agents: tuple[JsonObject, ...] = ({},)
    spec: JsonObject = field(default_factory=dict)

    def objects(self) -> list[JsonObject]:
        """Return the objects to apply."""
        policy = policy_of(QUICK | BY_HAND | self.policy, self.name)
        return [policy, run_of(self.name, *self.agents, policyRef={"name": self.name}, **self.spec)]


def healthy(at: Actor) -> None:
    """It reports progress and a result, and completes."""
    at.reports(0, progressAgeSeconds=0, progressEvents=1, turns=1, usage={"inputTokens": 1000, "outputTokens": 50})
    at.reports(0, result={"outcome": "Completed", "summary": "all tests pass"}, progressAgeSeconds=1, progressEvents=2)
    at.ends(0, 0)
    at.in_phase("Completed")


def crashing(at: Actor) -> None:
    """It crashes twice."""
    at.ends(0, 1, message="Traceback: ConnectionResetError")
    at.ends(1, 137, reason="OOMKilled")
    at.ends(2, 0)
    at.in_phase("Completed")


def spent(at: Actor) -> None:
    """Its budget is spent; a human allows one more try, then stops it."""
    at.ends(0, 3, message="no compiler")
    at.answers("Retry")
    at.ends(1, 3, message="no compiler")
    at.answers("Stop", 2)
    at.in_phase("Failed", "Stopped")


def failing(at: Actor) -> None:
    """Its budget is spent, and the policy fails it."""
    at.ends(0, 3)
    at.ends(1, 4)
    at.in_phase("Failed")


def fatal(at: Actor) -> None:
    """It ends with an exit code that the policy calls fatal, beside another agent."""
    at.works(0, "other")
    at.ends(0, 3)
    at.in_phase("Failed")


def free(at: Actor) -> None:
    """Its provider's limit ends it twice, without a charge."""
    at.ends(0, 75)
    at.ends(1, 75)
    at.ends(2, 0)
    at.in_phase("Completed")


def unready(at: Actor) -> None:
    """Its readiness probe fails, for a moment and then for good."""
    at.is_ready(0, ready=False)
    at.is_ready(0, ready=True)
    at.is_ready(0, ready=False)
    at.works(1)
    at.ends(1, 0)
    at.in_phase("Completed")


def hanging(at: Actor) -> None:
    """It is silent longer than the policy allows."""
    at.reports(0, progressAgeSeconds=0, progressEvents=1)
    at.reports_until("Pending", lambda age: {"activityAgeSeconds": age, "progressAgeSeconds": age, "progressEvents": 1})
    at.reports(1, progressAgeSeconds=0, progressEvents=1)
    at.ends(1, 0)
    at.in_phase("Completed")


def looping(at: Actor) -> None:
    """It is active without progress; a human has it restarted."""
    at.reports(0, progressAgeSeconds=0, progressEvents=1)
    at.reports_until("Blocked", lambda age: {"activityAgeSeconds": 0, "progressAgeSeconds": age, "progressEvents": 1})
    at.answers("Retry")
    at.reports(1, progressAgeSeconds=0, progressEvents=1)
    at.ends(1, 0)
    at.in_phase("Completed")


def mute(at: Actor) -> None:
    """Its reporter stops to report; a human has it restarted."""
    at.reports(0, intervalSeconds=1)
    at.answers("Retry")
    at.ends(1, 0)
    at.in_phase("Completed")


def asking(at: Actor) -> None:
    """It asks, is answered, reads the answer and completes."""
    at.reports(0, questions=[QUESTION])
    at.answers("Answer", answer="main")
    at.reports(0, questions=[QUESTION], delivered=["q1"])
    at.reports(0, read=["q1"])
    at.ends(0, 0)
    at.in_phase("Completed")


def parking(at: Actor) -> None:
    """It parks with a question and goes on with the answer."""
    at.reports(0, questions=[QUESTION], parked=True)
    at.ends(0, 0)
    at.answers("Answer", answer="next")
    at.reports(1, read=["q1"])
    at.ends(1, 0)
    at.in_phase("Completed")


def unanswered(at: Actor) -> None:
    """Nobody answers its question in time."""
    at.reports(0, questions=[QUESTION])
    at.in_phase("Failed", "Stopped")


def drained(at: Actor) -> None:
    """Its node is drained."""
    at.works(0)
    at.evict(0)
    at.works(1)
    at.delete(1, "--force", "--grace-period=0")
    at.ends(2, 0)
    at.in_phase("Completed")


def paused(at: Actor) -> None:
    """A human pauses it and resumes it."""
    at.works(0)
    at.change(desiredState="Paused")
    at.in_phase("Paused")
    at.change(desiredState="Running")
    at.ends(1, 0)
    at.in_phase("Completed")


def stopped(at: Actor) -> None:
    """A human stops it."""
    at.works(0)
    at.change(desiredState="Stopped")
    at.in_phase("Stopped")


def renewed(at: Actor) -> None:
    """A human asks for a restart."""
    at.works(0)
    at.change(restartedAt={"coder": PAST})
    at.ends(1, 0)
    at.in_phase("Completed")


def late(at: Actor) -> None:
    """Its deadline passes."""
    at.in_phase("Failed")


def stale(at: Actor) -> None:
    """It shows no progress for so long that it is stopped."""
    at.reports_until("Failed", lambda age: {"activityAgeSeconds": 0, "progressAgeSeconds": age, "progressEvents": 1})
    at.in_phase("Failed")


def costly(at: Actor) -> None:
    """It uses more tokens than it may."""
    at.reports(0, usage={"inputTokens": 900, "outputTokens": 200})
    at.in_phase("Failed", "Blocked")


def verified(at: Actor) -> None:
    """Its first work fails the verification, the second passes."""
    at.ends(0, 0)
    at.task_ends(0, 3, message=OUTPUT)
    at.ends(1, 0)
    at.task_ends(1, 0)
    at.in_phase("Completed")


def repeated(at: Actor) -> None:
    """It fails its verification twice in the same way; a human stops it."""
    at.ends(0, 0)
    at.task_ends(0, 3, message=OUTPUT)
    at.ends(1, 0)
    at.task_ends(1, 3, message=OUTPUT)
    at.answers("Stop")
    at.in_phase("Failed", "Stopped")


def refused(at: Actor) -> None:
    """Its template is refused."""
    at.in_phase("Blocked")


def shown(at: Actor) -> None:
    """Its policy only shows what would be done."""
    at.in_phase("Pending")


def team(at: Actor) -> None:
    """One of its agents crashes and is not required, the other completes."""
    at.ends(0, 1, "helper")
    at.ends(0, 0)
    at.works(1, "helper")
    at.in_phase("Completed")


def working(at: Actor) -> None:
    """It runs while another Run waits for it."""
    at.works(0)


def queueing(at: Actor) -> None:
    """It waits for another Run of its policy."""
    at.in_phase("Queued")
    Actor(at.cluster, at.namespace, "first").ends(0, 0)
    at.ends(0, 0)
    at.in_phase("Completed")


def expired(at: Actor) -> None:
    """Nobody answers when its budget is spent."""
    at.ends(0, 3)
    at.in_phase("Failed")


def vanishing(at: Actor) -> None:
    """A human deletes it while it runs."""
    at.works(0)
    at.leave()


def approved(at: Actor) -> None:
    """The advisor's restart needs an approval, which a human gives."""
    at.ends(0, 1, message="connection reset")
    at.answers("Approve")
    at.ends(1, 0)
    at.in_phase("Completed")


def denied(at: Actor) -> None:
    """The advisor's restart is denied, and a human stops the Run."""
    at.ends(0, 1, message="connection reset")
    at.answers("Deny")
    at.in_phase("Running")
    at.change(desiredState="Stopped")
    at.in_phase("Stopped")


def advised(at: Actor) -> None:
    """The advisor agrees by itself."""
    at.ends(0, 1, message="connection reset")
    at.ends(1, 0)
    at.in_phase("Completed")


ADVISED: JsonObject = {"llm": {"mode": "Auto"}}
ASSISTED: JsonObject = {"llm": {"mode": "Assist"}}
CHECKED = ({"workspace": {}, "verify": {"image": "busybox:1.37", "command": ["pytest"]}},)
STALLS: JsonObject = {"health": {"activityStalledSeconds": STALLED_SECONDS, "progressStalledSeconds": STALLED_SECONDS}}
NO_STALLS: JsonObject = {"health": {"progressStalledSeconds": 0}}
ONE_AT_A_TIME: JsonObject = {"maxActiveRuns": 1}
PROBE = {"exec": {"command": ["true"]}}
PROBED = {"template": {"spec": {"containers": [{"name": "agent", "image": "busybox:1.37", "readinessProbe": PROBE}]}}}
BAD_TEMPLATE = {"template": {"spec": {"hostNetwork": True, "containers": [{"name": "a", "image": "x"}]}}}

STORIES = (
    Story("healthy", healthy),
    Story("crashing", crashing),
    Story("spent", spent, {"restartBudget": 0}),
    Story("failing", failing, {"restartBudget": 1, "onBudgetSpent": "Fail"}),
    Story("fatal", fatal, {"outcomes": [{"exitCodes": [3], "action": "Fail"}]}, ({}, {"name": "other"})),
    Story("free", free, {"restartBudget": 0}),
    Story("unready", unready, agents=(PROBED,)),
    Story("hanging", hanging, STALLS),
    Story("looping", looping, STALLS),
    Story("mute", mute, STALLS),
    Story("asking", asking),
    Story("parking", parking),
    Story("unanswered", unanswered, {"questionTimeoutSeconds": 2}),
    Story("drained", drained, {"restartBudget": 0}),
    Story("paused", paused),
    Story("stopped", stopped),
    Story("renewed", renewed, {"restartBudget": 0}),
    Story("late", late, spec={"activeDeadlineSeconds": 3}),
    Story("stale", stale, {"staleRunAgeSeconds": 2 * STALLED_SECONDS, **NO_STALLS}),
    Story("costly", costly, spec={"tokenBudget": 1000}),
    Story("verified", verified, agents=CHECKED),
    Story("repeated", repeated, agents=CHECKED),
    Story("refused", refused, agents=(BAD_TEMPLATE,)),
    Story("shown", shown, {"dryRun": True}),
    Story("team", team, agents=({}, {"name": "helper", "required": False})),
    Story("expired", expired, {"restartBudget": 0, "blockedTimeoutSeconds": 2}),
    Story("vanishing", vanishing),
    Story("approved", approved, ASSISTED),
    Story("denied", denied, ASSISTED),
    Story("advised", advised, ADVISED),
)
QUEUE = (Story("first", working), Story("second", queueing))
"""Two Runs of one policy, of which one may be active."""
