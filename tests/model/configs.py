"""The configurations of the model. Each is small enough for a complete search, or states where it was cut."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from controller.api.llm_policy import LLM, LLMMode, OnLLMFailure
from controller.api.policy import HealthThresholds, OnRepeatedFailures, RepeatedFailures
from tests.model.advisor_answers import ANSWERS, NO_ANSWER
from tests.model.bridge import TICK
from tests.model.invariants_agents import STALLED_TICKS
from tests.model.world import Config, Exit, Facts, Left

NO_BUDGET = {"restart_budget": 0}
NO_COOLDOWN = {"restart_cooldown_seconds": 0}
START = Config("start", "two operators start one agent that crashes; a user deletes its pod", Left(crash=1, delete=1))
START_CACHED = Config(
    "start-cached",
    "two operators start one agent that crashes or completes; a user deletes its pod, which caches have as it was before",
    Left(crash=1, done=1, delete=1),
    policy=NO_COOLDOWN,
    outdated=True,
    stale=False,
)
START_STOPPED = Config(
    "start-stopped", "a Run is paused or stopped while its agent starts, and caches may lack the pod", Left(done=1, desire=1)
)
DONE = Config("done", "an agent completes while its pod is deleted", Left(done=1, delete=1))
DONE_CACHED = Config(
    "done-cached",
    "an agent crashes, then completes; a user deletes its pods, which caches have as they were before",
    Left(crash=1, done=1, delete=2),
    policy=NO_COOLDOWN,
    operators=1,
    outdated=True,
)
DRAIN = Config("drain", "an agent completes while its node is drained", Left(done=1, drain=1))
BUDGET = Config(
    "budget", "an agent crashes more often than its budget allows", Left(crash=2), policy={"restart_cooldown_seconds": 0}
)
COOLDOWN = Config(
    "cooldown",
    "restarts wait for their cooldown; one clock is behind",
    Left(crash=2, tick=2),
    policy={"restart_budget": 2, "restart_cooldown_seconds": 100},
    slow=(0, 1),
    stale=False,
)
UNREADY = Config(
    "unready", "a live agent is restarted, ends late, and may complete meanwhile", Left(unready=1, done=1, tick=1), stale=False
)
UNREADY_CACHED = Config("unready-cached", "the same with incomplete caches, while no time passes", Left(unready=1, done=1))
ASK = Config("ask", "a user asks for a restart; the agent may complete first", Left(ask=1, done=1), stale=False)
ASK_CRASH = Config("ask-crash", "a user asks for a restart of an agent that crashes", Left(ask=1, crash=1), stale=False)
ASK_DELETED = Config(
    "ask-deleted",
    "a user asks for a restart and deletes a pod",
    Left(ask=1, delete=1),
    policy=NO_COOLDOWN,
    stale=False,
)
ANSWER = Config(
    "answer",
    "with the budget spent a human answers, and the agent crashes again",
    Left(crash=2, answer=1),
    policy=NO_BUDGET,
    stale=False,
)
DISMISS = Config(
    "dismiss",
    "with the budget spent a human answers or dismisses",
    Left(crash=1, answer=1, dismiss=1),
    policy=NO_BUDGET,
    stale=False,
)
PAUSE = Config("pause", "an agent is paused and resumed", Left(desire=2), stale=False)
HALT = Config("halt", "a halt begins and is lifted; the agent crashes", Left(crash=1, halt=1), stale=False)
HALT_TWICE = Config(
    "halt-twice", "a halt begins and is lifted, twice; the agent crashes", Left(crash=1, halt=2), operators=1, stale=False
)
HALT_START = Config(
    "halt-start", "a halt begins and is lifted while an agent starts or completes; caches may lack its pod", Left(done=1, halt=1)
)
HALT_PAUSED = Config(
    "halt-paused", "a Run is paused, resumed or stopped around a halt", Left(desire=2, halt=1), operators=1, stale=False
)
OPEN_OR_CLOSED = (Facts.ADMITS, Facts.HOLDS)
PROVIDER = Config(
    "provider",
    "two operators, each with its own facts about a provider, which opens and closes; an agent ends at its limit",
    Left(limited=1),
    facts=OPEN_OR_CLOSED,
)
PROVIDER_STRAY = Config(
    "provider-stray",
    "the same, and a user deletes the pod",
    Left(delete=1),
    facts=OPEN_OR_CLOSED,
    policy=NO_COOLDOWN,
    stale=False,
)
PROVIDER_DELETED = Config(
    "provider-deleted",
    "the pod of an agent is deleted or ends at a limit, and its provider opens, closes, or is deleted at any time",
    Left(limited=2, delete=1),
    facts=(*OPEN_OR_CLOSED, Facts.ABSENT),
    policy=NO_COOLDOWN,
    operators=1,
    stale=False,
    free_limit=1,
)
PROVIDER_CRASH = Config(
    "provider-crash",
    "an agent ends at a limit more often than it may crash, and crashes; a user asks for a restart",
    Left(limited=2, crash=2, ask=1),
    facts=OPEN_OR_CLOSED,
    policy=NO_COOLDOWN,
    operators=1,
    stale=False,
)
PROVIDER_PAUSED = Config(
    "provider-paused",
    "a Run is paused, resumed or stopped while its provider opens and closes, and its agent ends at a limit, perhaps late",
    Left(limited=1, desire=2),
    facts=OPEN_OR_CLOSED,
    kill=(Exit.CRASHED, Exit.LIMITED),
    operators=1,
    stale=False,
)
PROVIDER_HELPER = Config(
    "provider-helper",
    "an agent beside a helper ends at a limit or completes; its report may come with the pod's end only",
    Left(limited=1, done=1, tick=1),
    facts=OPEN_OR_CLOSED,
    reports=True,
    helpers=True,
    operators=1,
    stale=False,
)
PROVIDER_LIMITS = Config(
    "provider-limits",
    "an agent ends at a limit more often than costs nothing, and than free restarts allow; a human answers",
    Left(limited=4, answer=1),
    facts=OPEN_OR_CLOSED,
    policy=NO_COOLDOWN,
    operators=1,
    stale=False,
    free_limit=1,
    limited_limit=1,
)
PROVIDER_DEADLINE = Config(
    "provider-deadline",
    "an agent ends at a limit, and the Run's deadline would pass while it waits for its provider",
    Left(limited=1, tick=3),
    facts=OPEN_OR_CLOSED,
    policy=NO_COOLDOWN,
    operators=1,
    stale=False,
    timeless=False,
    deadline=2,
)
PROVIDER_DEADLINE_TWO = replace(
    PROVIDER_DEADLINE,
    name="provider-deadline-two",
    about="of two agents one may work while the other waits for its provider, and the Run's deadline passes",
    left=Left(limited=1, tick=2),
    agents=("a", "b"),
    deadline=1,
)
PROVIDER_DEADLINE_PAUSED = replace(
    PROVIDER_DEADLINE,
    name="provider-deadline-paused",
    about="a Run with a deadline is paused, resumed or stopped while it waits for its provider",
    left=Left(limited=1, tick=2, desire=1),
)
PROVIDERS = (
    *(PROVIDER, PROVIDER_STRAY, PROVIDER_DELETED, PROVIDER_CRASH, PROVIDER_PAUSED, PROVIDER_HELPER),
    *(PROVIDER_LIMITS, PROVIDER_DEADLINE, PROVIDER_DEADLINE_TWO, PROVIDER_DEADLINE_PAUSED),
)
PAUSE_DONE = Config(
    "pause-done",
    "an agent completes while it is paused or stopped",
    Left(done=1, desire=1),
    kill=(Exit.CRASHED, Exit.LATE),
    stale=False,
)
PROLONGED = Config(
    "prolonged",
    "a pod is deleted with an absurd grace period; its Run is paused or stopped",
    Left(prolong=1, desire=1),
    stale=False,
)
PROLONGED_ASK = Config(
    "prolonged-ask",
    "a pod is deleted with an absurd grace period; a user asks for its restart, pauses or stops",
    Left(prolong=1, desire=1, ask=1, done=1),
    operators=1,
)
LOST = Config("lost", "a node is lost, comes back or is given up", Left(lost=1, collect=1))
FORCE = Config("force", "a pod of a lost node is deleted by force", Left(lost=1, force=1), stale=False)
LOST_ENDING = Config(
    "lost-ending",
    "a node is lost for good while its Run is paused, resumed or stopped; a human answers",
    Left(lost=1, desire=2, answer=1),
    operators=1,
    stale=False,
    unreliable=True,
)
LOST_PAUSED = Config(
    "lost-paused",
    "a node is lost for good while its Run is paused or stopped",
    Left(lost=1, desire=1),
    operators=1,
    stale=False,
    unreliable=True,
)
LOST_RESTARTED = Config(
    "lost-restarted",
    "a user asks for a restart, pauses or stops while the node is lost for good; the pod is deleted by force",
    Left(lost=1, ask=1, desire=1, force=1),
    operators=1,
    stale=False,
    unreliable=True,
)
LOST_TWO = Config(
    "lost-two",
    "two operators pause or stop a Run whose node is lost for good",
    Left(lost=1, desire=1),
    stale=False,
    unreliable=True,
)
UNRUN = Config("unrun", "the Run is deleted in every way, at any time", Left(done=1, unrun=1))
UNSPACE = Config("unspace", "the namespace is deleted", Left(done=1, unspace=1))
AGAIN = Config("again", "a Run is deleted and applied again under its name", Left(unrun=1, apply=1), stale=False)
REPEATED = {"restart_cooldown_seconds": 0, "restart_budget": 3, "repeated_failures": RepeatedFailures(count=2)}
REPEATED_FAILURES = Config(
    "repeated-failures",
    "an agent crashes in the same way; a drain may lie between; a human answers, and it crashes again",
    Left(crash=3, drain=1, answer=1),
    policy=REPEATED,
    operators=1,
    stale=False,
)
REPEATED_FAILURES_TWO = Config(
    "repeated-failures-two", "two operators, and an agent that crashes twice in the same way", Left(crash=2), policy=REPEATED
)
REPEATED_FAILURES_FATAL = Config(
    "repeated-failures-fatal",
    "the same failure three times fails the Run; a drain may lie between",
    Left(crash=3, drain=1),
    policy=REPEATED | {"repeated_failures": RepeatedFailures(count=3, action=OnRepeatedFailures.FAIL)},
    operators=1,
    stale=False,
)
REPEATED_FAILURES_LIVE = Config(
    "repeated-failures-live",
    "a live agent is unready again and again, and may crash in between; a human answers",
    Left(unready=3, crash=1, answer=1),
    policy=REPEATED,
    operators=1,
    stale=False,
)
REPEATED_FAILURES_NOT = Config(
    "repeated-failures-not",
    "an agent crashes differently each time, until its budget is spent",
    Left(crash=4),
    policy=REPEATED,
    operators=1,
    stale=False,
    differing=True,
)
TWO = Config("two", "two agents crash and share one charge", Left(crash=2), agents=("a", "b"), operators=1, stale=False)
RESET = Config(
    "reset",
    "sustained health resets charges",
    Left(crash=2, tick=2),
    policy={"restart_budget_reset_seconds": 100, "restart_cooldown_seconds": 0},
    reset=True,
    stale=False,
    operators=1,
)

HELPER = Config("helper", "an agent crashes beside a helper that runs on", Left(crash=1, tick=1), helpers=True, stale=False)
HELPER_DONE = Config(
    "helper-done",
    "an agent completes beside a helper; a user deletes its pod, and caches may lack it",
    Left(done=1, delete=1, tick=1),
    operators=1,
    helpers=True,
)
HELPER_CACHED = Config(
    "helper-cached",
    "an agent ends beside a helper; a user deletes pods, which caches have as they were before",
    Left(crash=1, done=1, delete=2, tick=1),
    operators=1,
    helpers=True,
    outdated=True,
)
HELPER_LOST = Config(
    "helper-lost",
    "an agent ends beside a helper, on a node that is lost and given up",
    Left(crash=1, done=1, lost=1, collect=1, tick=1),
    operators=1,
    helpers=True,
    stale=False,
)
HELPER_PAUSED = Config(
    "helper-paused",
    "an agent ends beside a helper around a pause, a stop or a human's restart",
    Left(crash=1, done=1, desire=1, ask=1, tick=1),
    operators=1,
    helpers=True,
    stale=False,
)
HELPER_TWO = Config(
    "helper-two",
    "of two agents beside helpers one completes and one crashes",
    Left(crash=1, done=1, tick=1),
    agents=("a", "b"),
    operators=1,
    helpers=True,
    stale=False,
)
INIT_FAILS = Config(
    "init", "init containers fail, or the agent crashes after them", Left(init=2, crash=1), policy=NO_COOLDOWN, stale=False
)
REJECTS = Config(
    "rejected",
    "a kubelet rejects pods, more often than free restarts allow",
    Left(reject=3, crash=1),
    policy=NO_COOLDOWN,
    operators=1,
    free_limit=1,
)
SOURCE = Config(
    "source",
    "the repository of a workspace is away more often than free restarts allow, or denied; the agent crashes after a clone",
    Left(away=2, denied=1, crash=1, answer=1),
    policy=NO_COOLDOWN,
    operators=1,
    free_limit=1,
)
REFUSED = Config(
    "refused",
    "an admission policy refuses creations, starts, ends or releases for a time; the agent crashes, a user pauses or stops",
    Left(refuse=1, crash=1, desire=1),
    refusable=("create-pod", "ungate", "end", "delete-pod", "release"),
    operators=1,
    stale=False,
)
REFUSED_TWO = Config(
    "refused-two",
    "two operators, and a policy that refuses releases; a user deletes the pod",
    Left(refuse=1, delete=1),
    refusable=("release",),
    stale=False,
)
REFUSED_TWICE = Config(
    "refused-twice",
    "two kinds of writes are refused at once; a user asks for a restart or deletes the pod",
    Left(refuse=2, ask=1, delete=1),
    refusable=("end", "release", "create-escalation", "mark"),
    operators=1,
    stale=False,
)
REFUSED_UNRUN = Config(
    "refused-unrun",
    "a finished or deleted Run cannot release its pods for a time",
    Left(refuse=1, done=1, unrun=1, delete=1),
    refusable=("delete-pod", "release"),
    operators=1,
    stale=False,
)

# --- work that is verified and published ---

VERIFIED, PUBLISHED = ("verify",), ("verify", "publish")


def _checked(name: str, about: str, left: Left, tasks: tuple[str, ...] = VERIFIED, operators: int = 1, **more: Any) -> Config:
    return Config(
        name, about, left, **{"policy": NO_COOLDOWN, "stale": False, "free_limit": 2, **more}, operators=operators, tasks=tasks
    )


VERIFY = _checked("verify", "two operators verify an agent's work, which passes", Left(done=1, passes=1), operators=2)
VERIFY_FAILED = _checked(
    "verify-failed",
    "the verification fails, differently each time, and the agent is restarted within its budget",
    Left(done=3, fails=3, passes=1),
    policy=NO_COOLDOWN | {"restart_budget": 1},
    differing=True,
)
VERIFY_FAILED_TWO = _checked(
    "verify-failed-two", "two operators, and a verification that fails once", Left(done=1, fails=1), operators=2
)
VERIFY_REPEATED = _checked(
    "verify-repeated",
    "the verification fails in the same way twice, and a human answers",
    Left(done=3, fails=2, passes=1, answer=1),
    policy=NO_COOLDOWN | {"restart_budget": 3},
)
VERIFY_CACHED = _checked(
    "verify-cached",
    "a user deletes the agent's or the task's pod, which caches may lack",
    Left(done=1, passes=1, delete=1),
    stale=True,
)
VERIFY_DELETED = _checked(
    "verify-deleted", "two operators, and a user who deletes a pod", Left(done=1, passes=1, delete=1), operators=2
)
VERIFY_STRIPPED = _checked(
    "verify-stripped",
    "two operators, and the pod of a task that is stripped of its finalizer and deleted by force",
    Left(done=1, passes=1, strip=1),
    operators=2,
)
VERIFY_DRAINED = _checked(
    "verify-drained",
    "the node of the agent's or of the task's pod is drained more often than a task may fail",
    Left(done=1, passes=1, fails=1, drain=2, answer=1),
    free_limit=1,
)
VERIFY_REJECTED = _checked(
    "verify-rejected",
    "kubelets reject the pods of a task more often than it may fail, and its init containers fail",
    Left(done=1, passes=1, reject=2, init=1, answer=1),
    free_limit=1,
)
VERIFY_DELAYED = _checked(
    "verify-delayed",
    "two operators; a kubelet rejects a pod, the next try waits for its delay, and a user deletes the pod of a task",
    Left(done=1, reject=1, delete=1, tick=1),
    operators=2,
    delayed=True,
)
VERIFY_OVERTAKEN = _checked(
    "verify-overtaken",
    "two operators; a user deletes the agent's pod or the task's, and a kubelet rejects one",
    Left(done=1, reject=1, delete=1),
    operators=2,
)
VERIFY_PAUSED = _checked(
    "verify-paused", "a Run is paused, resumed or stopped around a verification", Left(done=1, passes=1, fails=1, desire=2)
)
VERIFY_HALTED = _checked("verify-halted", "a halt around a verification", Left(done=1, passes=1, fails=1, halt=1))
VERIFY_LOST = _checked(
    "verify-lost", "the node of a pod is lost, comes back or is given up", Left(done=1, passes=1, lost=1, collect=1, answer=1)
)
VERIFY_HELPER = _checked(
    "verify-helper", "the agent completes beside a helper that runs on", Left(done=1, passes=1, tick=1), helpers=True
)
VERIFY_UNREADY = _checked(
    "verify-unready", "an agent completes after its restart was reserved", Left(unready=1, done=1, passes=1, fails=1)
)
VERIFY_UNRUN = _checked("verify-unrun", "the Run is deleted in every way during a verification", Left(done=1, passes=1, unrun=1))
VERIFY_UNSPACE = _checked("verify-unspace", "the namespace is deleted during a verification", Left(done=1, passes=1, unspace=1))
VERIFY_REFUSED = _checked(
    "verify-refused",
    "an admission policy refuses the creation, the start, the end or the release of a task's pod for a time",
    Left(done=1, passes=1, refuse=1, delete=1),
    refusable=("create-task", "ungate", "delete-pod", "release"),
)
VERIFY_TWO = _checked(
    "verify-two", "of two agents one is verified while the other works", Left(done=2, passes=2, fails=1), agents=("a", "b")
)
PUBLISH = _checked("publish", "two operators verify and publish an agent's work", Left(done=1, passes=2), PUBLISHED, operators=2)
PUBLISH_REFUSED = _checked(
    "publish-refused",
    "a verification fails, or a push is refused; a human answers",
    Left(done=2, passes=3, fails=2, answer=1),
    PUBLISHED,
)
PUBLISH_ASKED = _checked(
    "publish-asked",
    "a push is refused, and a user asks for another attempt of the agent",
    Left(done=2, passes=2, fails=2, ask=1),
    PUBLISHED,
)
PUBLISH_DELETED = _checked(
    "publish-deleted",
    "a user deletes pods, and the Run is paused, resumed or stopped around its publication",
    Left(done=1, passes=2, delete=1, desire=2),
    PUBLISHED,
)
PUBLISH_ALONE = _checked(
    "publish-alone",
    "work is published that nobody has to verify; its node is drained",
    Left(done=1, passes=1, fails=1, drain=1, answer=1),
    ("publish",),
)
CHECKED = (
    VERIFY,
    VERIFY_FAILED,
    VERIFY_FAILED_TWO,
    VERIFY_REPEATED,
    VERIFY_CACHED,
    VERIFY_DELETED,
    VERIFY_STRIPPED,
    VERIFY_DRAINED,
    VERIFY_REJECTED,
    VERIFY_DELAYED,
    VERIFY_OVERTAKEN,
    VERIFY_PAUSED,
    VERIFY_HALTED,
    VERIFY_LOST,
    VERIFY_HELPER,
    VERIFY_UNREADY,
    VERIFY_UNRUN,
    VERIFY_UNSPACE,
    VERIFY_REFUSED,
    VERIFY_TWO,
    PUBLISH,
    PUBLISH_REFUSED,
    PUBLISH_ASKED,
    PUBLISH_DELETED,
    PUBLISH_ALONE,
)

# --- agents that speak, humans that answer ---

NO_THRESHOLDS = HealthThresholds(activity_stalled_seconds=0, progress_stalled_seconds=0, pending_stalled_seconds=0)
TALK: dict[str, Any] = {"health": NO_THRESHOLDS, "restart_cooldown_seconds": 0}
STALLS = {**TALK, "health": NO_THRESHOLDS.model_copy(update={"activity_stalled_seconds": TICK * STALLED_TICKS})}


def _speaking(name: str, about: str, left: Left, policy: dict[str, Any] = TALK, operators: int = 1, **more: Any) -> Config:
    return Config(name, about, left, policy=policy, reports=True, operators=operators, **more)


ASK_QUESTION = _speaking("ask-question", "an agent asks and is answered", Left(question=1, answer=1), operators=2, stale=False)
QUESTION_CRASH = _speaking("question-crash", "an agent asks, crashes and asks again", Left(question=2, answer=1, crash=1))
DISMISSED = _speaking("dismissed", "an agent asks again what a human has dismissed", Left(question=2, dismiss=1, crash=1))
HOSTILE = _speaking(
    "hostile",
    "a tenant who knows every UID makes pods, reports and escalations of the Run in her own namespace",
    Left(crash=1, done=1, answer=1, forge=1),
    TALK | NO_BUDGET,
    stale=False,
)
HOSTILE_QUESTION = _speaking(
    "hostile-question",
    "the same tenant, and an agent that asks and parks",
    Left(question=1, park=1, forge=1),
    TALK | NO_BUDGET,
    stale=False,
)
TWO_QUESTIONS = _speaking("two-questions", "two questions at once", Left(question=2, answer=2), questions=("p", "q"))
PARKED = _speaking("parked", "an agent parks until it is answered", Left(question=1, park=1, answer=1, crash=1))
PARKED_TWO = _speaking(
    "parked-two", "two operators and an agent that parks and is not answered", Left(question=1, park=1), operators=2, stale=False
)
PARKED_DISMISSED = _speaking(
    "parked-dismissed",
    "a parked agent's question is dismissed; a user deletes its pod",
    Left(question=1, park=1, dismiss=1, delete=1),
)
PARKED_LATE = _speaking(
    "parked-late",
    "an agent parks; reports of attempts that are over arrive",
    Left(question=1, park=1, answer=1, crash=1, late=1),
    admission=False,
    stale=False,
)
PARKED_AGAIN = _speaking(
    "parked-again",
    "an agent parks repeatedly, with its question or without one; a human has dismissed it once",
    Left(question=3, park=3, dismiss=1),
    rash=True,
    free_limit=1,
    counted=True,
    stale=False,
)
PARKED_ANSWERED = _speaking(
    "parked-answered",
    "an agent parks repeatedly for a question that a human has answered once",
    Left(question=3, park=3, answer=1),
    free_limit=1,
    counted=True,
    stale=False,
)
PARKED_COOLDOWN = _speaking(
    "parked-cooldown",
    "an agent that parks for nothing new waits for its cooldown",
    Left(park=2, tick=2),
    {**TALK, "restart_budget": 2, "restart_cooldown_seconds": 100},
    rash=True,
    counted=True,
    stale=False,
)
PARKED_LIES = _speaking(
    "parked-lies",
    "an agent parks repeatedly, and its reporter claims that it was answered",
    Left(question=2, park=2, lie=2),
    {**TALK, "restart_budget": 0},
    rash=True,
    free_limit=1,
    counted=True,
    stale=False,
)
STALLED = _speaking(
    "stalled",
    "an agent does nothing, or completes after all; one clock is behind",
    Left(idle=1, tick=3, done=1),
    STALLS,
    slow=(0, 1),
)
STALLED_AGAIN = _speaking(
    "stalled-again",
    "an idle agent is restarted; the report of its former attempt arrives late",
    Left(idle=1, tick=3, late=1),
    STALLS | {"restart_budget": 2},
    admission=False,
)
STALLED_TWO = _speaking("stalled-two", "two operators and an idle agent", Left(idle=1, tick=2), STALLS, operators=2, stale=False)
WAITING = _speaking(
    "waiting",
    "an agent waits for an answer for longer than it may be idle",
    Left(question=1, answer=1, dismiss=1, tick=2),
    STALLS,
    stale=False,
)
RESULT = _speaking("result", "an agent says that it is done, then crashes or is deleted", Left(result=1, crash=1, delete=1))
RESULT_TWO = _speaking(
    "result-two", "two operators and an agent that says that it is done", Left(result=1, crash=1), operators=2, stale=False
)
RESULT_LATE = _speaking(
    "result-late",
    "a result without a termination message, and reports of an attempt that is over",
    Left(result=1, crash=2, late=1),
    last_words=False,
    admission=False,
)
RESULT_PAUSED = _speaking(
    "result-paused", "a Run is paused or stopped around its agent's result", Left(result=1, crash=1, desire=2)
)
HELPER_RESULT = _speaking(
    "helper-result",
    "an agent beside a helper says that it is done and crashes; its report may come with the pod's end only",
    Left(result=1, crash=1, tick=1),
    TALK | {"restart_budget": 1},
    helpers=True,
    stale=False,
)
HELPER_PARKED = _speaking(
    "helper-parked",
    "an agent beside a helper parks until it is answered",
    Left(question=1, park=1, answer=1, tick=1),
    helpers=True,
    stale=False,
)
HELPER_STALLED = _speaking(
    "helper-stalled",
    "an agent beside a helper does nothing, or ends; a helper's reports go on",
    Left(idle=1, tick=2, done=1, crash=1),
    STALLS,
    helpers=True,
    stale=False,
)
VERIFY_RESULT = _speaking(
    "verify-result",
    "an agent says that it is done, and its verification fails",
    Left(result=1, crash=1, fails=1, passes=1),
    tasks=VERIFIED,
    stale=False,
)
VANISHED = _speaking("vanished", "an agent says that it is done; its pod is stripped and deleted by force", Left(result=1, strip=1))
ASKING_HALTED = _speaking(
    "asking-halted", "a halt begins and is lifted while an agent asks", Left(question=1, answer=1, halt=1), stale=False
)
ASKING_PAUSED = _speaking("asking-paused", "a Run is paused or stopped while its agent asks", Left(question=1, answer=1, desire=2))
PARKED_RESTARTED = _speaking(
    "parked-restarted", "a user asks for a restart of a parked agent", Left(question=1, park=1, answer=1, ask=1), stale=False
)
REFUSED_QUESTION = _speaking(
    "refused-question",
    "an agent asks while escalations or deliveries are refused",
    Left(question=1, answer=1, refuse=1, dismiss=1),
    {"restart_cooldown_seconds": 0, "health": NO_THRESHOLDS.model_copy(update={"pending_stalled_seconds": TICK})},
    refusable=("create-escalation", "mark", "deliver"),
    stale=False,
)
SIBLING = _speaking(
    "sibling", "an agent crashes while its sibling asks", Left(question=1, answer=1, crash=1), agents=("a", "b"), stale=False
)
LIKELY = ("agrees", "says noop", "is unavailable")
APPROVAL = Config(
    "approval",
    "restarts need approval; the advisor gives any answer; a human approves, denies or dismisses",
    Left(crash=1, answer=1, dismiss=1, advise=1),
    policy={"restart_cooldown_seconds": 0},
    mode=LLMMode.ASSIST,
    answers=("agrees",),
    stale=False,
)
APPROVAL_CRASH = Config(
    "approval-crash",
    "one approval does not permit the next restart",
    Left(crash=2, answer=2, advise=2),
    policy={"restart_budget": 2, "restart_cooldown_seconds": 0},
    mode=LLMMode.ASSIST,
    answers=LIKELY,
    operators=1,
)


def _advised(name: str, about: str, left: Left, on_failure: OnLLMFailure = OnLLMFailure.ESCALATE, **more: Any) -> Config:
    """Return a configuration in mode Auto: an agreeing advisor or a human permits an action, or an unavailable advisor, if
    configured.
    """
    leave = ("agrees", *(NO_ANSWER if on_failure is OnLLMFailure.RULES else ()))
    policy = {"restart_cooldown_seconds": 0, "llm": LLM(on_failure=on_failure), **more.pop("policy", {})}
    return Config(name, about, left, policy=policy, mode=LLMMode.AUTO, leave=leave, **{"answers": tuple(ANSWERS), **more})


ADVISED = _advised(
    "advised", "an advisor with any answer, repeated and late; a human answers", Left(crash=1, answer=1, advise=2), operators=1
)
ADVISED_TWO = _advised(
    "advised-two", "two operators get different answers", Left(crash=1, answer=1, advise=2), answers=LIKELY, stale=False
)
ADVISED_AGAIN = _advised(
    "advised-again",
    "advice about one attempt does not count for the next",
    Left(crash=2, answer=1, advise=3),
    policy={"restart_budget": 2},
    answers=("agrees", "agrees, unsure", "agrees, wants a human", "is refused"),
    operators=1,
)
ADVISED_RULES = _advised(
    "advised-rules",
    "without an advisor the rules continue (onFailure Rules)",
    Left(crash=1, done=1, delete=1, answer=1, advise=2),
    OnLLMFailure.RULES,
    operators=1,
)
ADVISED_SIBLING = _advised(
    "advised-sibling",
    "advice about one agent does not count for its sibling; both share one charge",
    Left(crash=2, answer=1, advise=2),
    agents=("a", "b"),
    answers=("agrees", "says noop"),
    operators=1,
    stale=False,
)
ADVISED_BUDGET = _advised(
    "advised-budget",
    "advice gives no restart beyond the budget",
    Left(crash=2, answer=1, advise=2),
    answers=("agrees", "says noop"),
    operators=1,
)
ADVISED_COOLDOWN = _advised(
    "advised-cooldown",
    "advice shortens no cooldown",
    Left(crash=2, tick=2, advise=2),
    policy={"restart_budget": 2, "restart_cooldown_seconds": 100},
    answers=("agrees", "says stop"),
    operators=1,
    stale=False,
)
ADVISED_DISMISSED = _advised(
    "advised-dismissed",
    "a human's denial stands against any advice",
    Left(crash=1, answer=1, dismiss=1, advise=2),
    answers=("agrees", "agrees, wants a human", "says noop"),
    operators=1,
)
ADVISED_PAUSED = _advised(
    "advised-paused",
    "a Run is paused, stopped or deleted while the advisor thinks",
    Left(crash=1, desire=1, unrun=1, advise=1),
    answers=("agrees", "says noop"),
    operators=1,
    stale=False,
)
ADVISED_RESULT = _advised(
    "advised-result",
    "an agent says that it is done while the advisor considers its restart",
    Left(crash=1, result=1, unready=1, tick=1, advise=1),
    answers=("agrees", "is unavailable"),
    reports=True,
    operators=1,
    stale=False,
)
ADVISED_QUESTION = _advised(
    "advised-question",
    "a question reaches a human for any advice",
    Left(question=1, answer=1, crash=1, advise=2),
    answers=("agrees", "is refused"),
    reports=True,
    operators=1,
    stale=False,
)
ADVICE = (
    ADVISED,
    ADVISED_TWO,
    ADVISED_AGAIN,
    ADVISED_RULES,
    ADVISED_SIBLING,
    ADVISED_BUDGET,
    ADVISED_COOLDOWN,
    ADVISED_DISMISSED,
    ADVISED_PAUSED,
    ADVISED_RESULT,
    ADVISED_QUESTION,
)
SPEAKING = (
    APPROVAL,
    APPROVAL_CRASH,
    VANISHED,
    ASKING_HALTED,
    ASKING_PAUSED,
    PARKED_RESTARTED,
    REFUSED_QUESTION,
    SIBLING,
    ASK_QUESTION,
    QUESTION_CRASH,
    DISMISSED,
    HOSTILE,
    HOSTILE_QUESTION,
    TWO_QUESTIONS,
    PARKED,
    PARKED_TWO,
    PARKED_DISMISSED,
    PARKED_LATE,
    PARKED_AGAIN,
    PARKED_ANSWERED,
    PARKED_COOLDOWN,
    PARKED_LIES,
    STALLED,
    STALLED_AGAIN,
    STALLED_TWO,
    WAITING,
    RESULT,
    RESULT_TWO,
    RESULT_PAUSED,
    RESULT_LATE,
    HELPER_RESULT,
    HELPER_PARKED,
    HELPER_STALLED,
    VERIFY_RESULT,
)

RESTARTS = (
    START,
    START_STOPPED,
    START_CACHED,
    DONE,
    DONE_CACHED,
    DRAIN,
    BUDGET,
    COOLDOWN,
    UNREADY,
    UNREADY_CACHED,
    ASK,
    ASK_CRASH,
    ASK_DELETED,
    ANSWER,
    DISMISS,
    PAUSE,
    HALT,
    HALT_TWICE,
    HALT_START,
    HALT_PAUSED,
    PAUSE_DONE,
    PROLONGED,
    PROLONGED_ASK,
    LOST,
    FORCE,
    LOST_PAUSED,
    LOST_ENDING,
    LOST_RESTARTED,
    LOST_TWO,
    UNRUN,
    UNSPACE,
    AGAIN,
    REPEATED_FAILURES,
    REPEATED_FAILURES_TWO,
    REPEATED_FAILURES_FATAL,
    REPEATED_FAILURES_LIVE,
    REPEATED_FAILURES_NOT,
    TWO,
    RESET,
    HELPER,
    HELPER_DONE,
    HELPER_CACHED,
    HELPER_LOST,
    HELPER_PAUSED,
    HELPER_TWO,
    INIT_FAILS,
    REJECTS,
    SOURCE,
    REFUSED,
    REFUSED_TWO,
    REFUSED_TWICE,
    REFUSED_UNRUN,
)
CONFIGS = RESTARTS + PROVIDERS + CHECKED + SPEAKING + ADVICE
MUTANT_CONFIGS = CONFIGS
QUICK = (
    *(
        REPEATED_FAILURES,
        REPEATED_FAILURES_NOT,
        TWO,
        RESET,
        DISMISSED,
        PROLONGED_ASK,
        HOSTILE_QUESTION,
        HELPER_TWO,
        HELPER_RESULT,
        REFUSED,
        LOST_PAUSED,
        HALT_PAUSED,
        *(PROVIDER, PROVIDER_PAUSED, PROVIDER_HELPER, PROVIDER_LIMITS),
    ),
    *(VERIFY, VERIFY_FAILED, VERIFY_PAUSED, VERIFY_RESULT, PUBLISH, PUBLISH_ASKED),
)
"""The configurations of `make test`."""
