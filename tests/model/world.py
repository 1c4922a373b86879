"""The model cluster: one Run, its pods, and the API server's reaction to each write. Plain tuples, so that states compare.

Times are ticks of an abstract clock; `bridge.py` defines their length. Versions are compared by content: a compare-and-swap
succeeds if the Run still equals the one that was read. This allows more than resourceVersions do (a Run that was changed and
changed back counts as unchanged; writes that only touch the status do not count as a change), so every property that holds here
holds there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from controller.api.llm_policy import LLMMode
from controller.plan.attempts.budget import FREE_RESTART_LIMIT, LIMITED_RESTART_LIMIT
from tests.model.reporting import OURS, Report, Word

NEVER = -1
"""The tick of an event that has not happened."""

NOBODY = -1
"""The owner of a pod that lost its Run to `kubectl delete --cascade=orphan`."""

PENDING, RUNNING, FAILED, SUCCEEDED = "Pending", "Running", "Failed", "Succeeded"
ENDED = (FAILED, SUCCEEDED)


class Exit:
    """The end of a pod's agent, as far as the kubelet reports it."""

    NONE = ""
    DONE = "done"
    """Code 0, before the pod was asked to end."""
    LATE = "late"
    """Code 0, after the pod was asked to end."""
    CRASHED = "crashed"
    KILLED = "killed"
    """Another code than 0, after the pod of a task was asked to end."""
    LIMITED = "limited"
    """Code 75, with a report of a limit of the agent's provider."""


BAD_ENDS = (Exit.CRASHED, Exit.KILLED, Exit.LIMITED)
"""Ends with another code than 0."""


class Facts:
    """What an operator may know of the agents' provider."""

    NONE = ""
    """No agent names one."""
    ADMITS = "admits"
    HOLDS = "holds"
    ABSENT = "absent"
    """The agents name one that does not exist."""


INIT, REJECTED, AWAY, DENIED = "init container", "rejected", "source away", "source denied"
"""Why a pod ended without its agent ever running; the last two are the ends of the container that clones the workspace's source."""


PodName = tuple[Any, ...]
"""An attempt's own pod: agent, attempt. The pod of a task: agent, attempt, task, try."""


class Pod(NamedTuple):
    """One pod as the API server keeps it."""

    agent: str
    attempt: int
    uid: str
    owner: int
    gated: bool = True
    phase: str = PENDING
    bound: bool = False
    deleting: bool = False
    fin: bool = True
    told: int = NEVER
    disrupted: bool = False
    forced: bool = False
    unready: int = NEVER
    lost: int = NEVER
    since: int = NEVER
    exit: str = Exit.NONE
    word: Word | None = None
    """The report of its reporter; None for a pod without one."""
    prolonged: bool = False
    """Whether its deletion gives it a grace period beyond the model's time."""
    space: int = OURS
    helper: bool = False
    """Whether another container runs beside its agent, for ever unless the pod is ended."""
    early: bool = False
    """Whether its agent ended while the helper ran on."""
    unrun: str = ""
    """Why it ended without its agent ever running: a failed init container, a failed clone or a rejection by its kubelet."""
    asked: int = 0
    """How often a user had asked for a restart of the first agent when the first attempt's pod was created."""
    task: str = ""
    """The task that it is for: `verify` or `publish`; empty for an attempt's own pod."""
    number: int = 0
    """The try of the task."""
    made: int = NEVER
    """When it was created, if that matters (`Config.deadline`)."""

    @property
    def name(self) -> PodName:
        """The pod's unique name."""
        return (self.agent, self.attempt, self.task, self.number) if self.task else (self.agent, self.attempt)

    @property
    def ended(self) -> bool:
        """Whether all of its containers have ended and can never run again."""
        return self.phase in ENDED or (self.deleting and not self.bound)

    @property
    def live(self) -> bool:
        """Whether it may be working: ungated and not ended. A pod that is deleted by force is its deleter's responsibility."""
        return not self.gated and not self.ended and not (self.forced and self.deleting)


class Run(NamedTuple):
    """The Run as the API server keeps it; `state` numbers the operator's state in it (see `bridge.py`), 0 for none."""

    uid: int = 0
    desired: str = "Running"
    deleting: bool = False
    state: int = 0
    asked: int = 0
    """How often a user has asked for a restart of the first agent (spec.restartedAt)."""


class Escalation(NamedTuple):
    """One question to a human."""

    name: str
    owner: int
    agent: str
    attempt: int
    phase: str = ""
    decision: str = ""
    question: str = ""
    """The agent's question, empty where the operator asks."""
    approval: bool = False
    """Whether the operator asks for an approval."""
    delivered: int = NEVER
    space: int = OURS

    @property
    def open(self) -> bool:
        """Whether it still waits for a human or for the operator."""
        return self.phase in ("", "Open", "Answered")


class Said(NamedTuple):
    """One consultation: its situation, its attempt, and the advisor's answer, empty before there is one."""

    agent: str
    situation: str
    attempt: int
    answer: str = ""


class Left(NamedTuple):
    """How often each thing may still happen."""

    crash: int = 0
    done: int = 0
    init: int = 0
    reject: int = 0
    away: int = 0
    denied: int = 0
    delete: int = 0
    prolong: int = 0
    force: int = 0
    strip: int = 0
    drain: int = 0
    unready: int = 0
    lost: int = 0
    collect: int = 0
    ask: int = 0
    answer: int = 0
    dismiss: int = 0
    desire: int = 0
    unrun: int = 0
    apply: int = 0
    tick: int = 0
    unspace: int = 0
    question: int = 0
    park: int = 0
    result: int = 0
    idle: int = 0
    late: int = 0
    advise: int = 0
    lie: int = 0
    forge: int = 0
    refuse: int = 0
    passes: int = 0
    fails: int = 0
    halt: int = 0
    limited: int = 0


class Ghost(NamedTuple):
    """Facts that no operator sees and the invariants need."""

    started: tuple[tuple[str, int, int, str], ...] = ()
    """Every started pod: agent, attempt, the Run's UID, its own."""
    done: tuple[tuple[str, int, int], ...] = ()
    """Attempts that completed of their own accord: agent, attempt, the Run's UID."""
    excused: tuple[tuple[str, int, int], ...] = ()
    """Attempts that a human had followed by another, complete or not."""
    retried: tuple[tuple[str, int, int], ...] = ()
    """Attempts that a human answered with Retry: agent, attempt, the Run's UID."""
    restarted: tuple[tuple[str, int], ...] = ()
    """When each agent was last restarted without a human's request, by the clock of the operator that decided it."""
    answered: tuple[tuple[str, str], ...] = ()
    """Questions that a human answered: agent, question."""
    dismissed: tuple[tuple[str, str], ...] = ()
    """Questions whose escalation a human deleted."""
    dismissed_at: tuple[tuple[tuple[str, str], int], ...] = ()
    """When a human deleted the escalation of a question that nobody had answered."""
    approved: tuple[tuple[str, int], ...] = ()
    """Attempts whose restart a human approved, or the advisor where that is enough."""
    handed: tuple[tuple[str, str], ...] = ()
    """Questions whose answer a reporter has delivered to its agent."""
    fresh: tuple[tuple[str, str], ...] = ()
    """Questions that a human has answered or dismissed, and that have woken no agent yet: agent, question."""
    unasked: tuple[tuple[str, int], ...] = ()
    """How many attempts each agent was given since a human last did anything."""
    tried: tuple[tuple[Any, ...], ...] = ()
    """Every started pod of a task: agent, attempt, task, try, the Run's UID, its own."""
    passed: tuple[tuple[Any, ...], ...] = ()
    """Every pod of a task that has ended well: the same."""
    counted: int = 0
    """For how many ticks the Run's agents were at work or allowed to be, if it has a deadline."""


class World(NamedTuple):
    """The whole state: the cluster, the operators (see `world_steps.py`), the clock, and the events that may still happen."""

    run: Run | None
    pods: tuple[Pod, ...]
    ops: tuple[Any, ...]
    now: int
    left: Left
    ghost: Ghost
    escalations: tuple[Escalation, ...] = ()
    created: tuple[tuple[PodName, int], ...] = ()
    """The number of pods that existed under each name; a pod's UID is its number, so that equal histories are equal states."""
    unspaced: bool = False
    reports: tuple[Report, ...] = ()
    said: tuple[Said, ...] = ()
    hers: tuple[Pod | Report | Escalation, ...] = ()
    """Objects that a hostile tenant who knows every UID has created in her own namespace."""
    former: int = 0
    """Attempts that an earlier Run of this name may have had pods of: caches remember their names."""
    refusing: tuple[str, ...] = ()
    """The steps whose writes an admission policy refuses now."""
    halted: bool = False
    """Whether a halt is in force."""
    noticed: bool = False
    """Whether the operators' watches show one: they are late by any time, but never go back."""

    @property
    def keys(self) -> range:
        """The UIDs of the Runs that existed under this name."""
        return range(2 if self.former or (self.run is not None and self.run.uid) else 1)

    def pod(self, name: PodName) -> Pod | None:
        """Return the pod of this name."""
        return next((pod for pod in self.pods if pod.name == name), None)

    def report(self, agent: str) -> Report | None:
        """Return the report of this agent."""
        return next((report for report in self.reports if report.agent == agent), None)

    def escalation(self, name: str) -> Escalation | None:
        """Return the escalation of this name."""
        return next((escalation for escalation in self.escalations if escalation.name == name), None)


@dataclass(frozen=True, slots=True)
class Config:
    """One configuration of the model: the parties, and how often each event may happen."""

    name: str
    about: str
    left: Left
    agents: tuple[str, ...] = ("a",)
    operators: int = 2
    stale: bool = True
    """Whether caches may lack pods."""
    outdated: bool = False
    """Whether caches may have pods as they were before their deletion, where the operator does not read these."""
    slow: tuple[int, ...] = (0,)
    """How many ticks an operator's clock may be behind at each observation."""
    kill: tuple[str, ...] = (Exit.CRASHED,)
    """The possible ends of agents that are asked to end."""
    policy: dict[str, Any] = field(default_factory=dict)
    reset: bool = False
    """Whether it matters how long a pod has been running."""
    timeless: bool = True
    """Whether nothing depends on when a Run started, paused or stopped, so that those times are left out of the states."""
    reports: bool = False
    """Whether there are reporters in the pods."""
    mode: LLMMode = LLMMode.OFF
    """The advisor's mode."""
    answers: tuple[str, ...] = ()
    """The advisor's possible answers (see `advisor.py`)."""
    leave: tuple[str, ...] = ()
    """Those of the answers that permit the rules' action."""
    questions: tuple[str, ...] = ("q",)
    """The possible questions of agents."""
    last_words: bool = True
    """Whether a reporter's last report is in the status of its ended pod."""
    admission: bool = True
    """Whether reports of attempts that are over are refused."""
    rash: bool = False
    """Whether agents park without an open question."""
    free_limit: int = FREE_RESTART_LIMIT
    """The number of uncharged restarts of an agent; smaller than the shipped limit, so that it is reached."""
    limited_limit: int = LIMITED_RESTART_LIMIT
    """The number of restarts of an agent after limits that cost nothing; the same."""
    unreliable: bool = False
    """Whether lost nodes come back and kubelets end pods only by chance, so that no good state may depend on that."""
    helpers: bool = False
    """Whether a helper runs beside each agent."""
    refusable: tuple[str, ...] = ()
    """The steps whose writes an admission policy may refuse."""
    tasks: tuple[str, ...] = ()
    """The tasks that follow each agent's work: `verify`, `publish`."""
    delayed: bool = False
    """Whether the next try of a task waits for its delay, else it follows at once; users then delete the pods of tasks only."""
    differing: bool = False
    """Whether each attempt crashes, and each verification fails, in another way."""
    facts: tuple[str, ...] = (Facts.NONE,)
    """What operators may know of the provider at any time: each something else, and something else after each step."""
    deadline: int = 0
    """The Run's activeDeadlineSeconds in ticks, 0 for none."""
    counted: bool = False
    """Whether attempts are counted from one act of a human to the next."""

    @property
    def clocked(self) -> bool:
        """Whether the time of a report matters."""
        return self.reports and self.left.tick > 0


def first(config: Config) -> World:
    """Return the initial world: a Run was applied."""
    return World(Run(), (), (None,) * config.operators, 0, config.left, Ghost())


def put(world: World, old: Pod | None, new: Pod | None) -> World:
    """Replace a pod; a deleted one without a finalizer and running containers disappears."""
    pods = [pod for pod in world.pods if pod is not old]
    if new is not None and (new.fin or not new.deleting or not (new.ended or new.forced)):
        pods.append(new)
    return world._replace(pods=tuple(sorted(pods)))


def put_report(world: World, old: Report | None, new: Report) -> World:
    """Replace a report."""
    others = [report for report in world.reports if report is not old]
    return world._replace(reports=tuple(sorted([*others, new])))


def spend(world: World, kind: str) -> Left:
    """Return the remaining events after one has happened."""
    had: int = getattr(world.left, kind)
    return world.left._replace(**{kind: had - 1})


def put_escalation(world: World, old: Escalation | None, new: Escalation | None) -> World:
    """Replace an escalation."""
    others = [escalation for escalation in world.escalations if escalation is not old]
    return world._replace(escalations=tuple(sorted([*others, new] if new else others)))


class Refused(Exception):  # an answer, not a fault
    """The API server refused: NotFound (`gone`), or Conflict and the like."""

    def __init__(self, *, gone: bool = False) -> None:
        super().__init__("NotFound" if gone else "Conflict")
        self.gone = gone


def create(world: World, name: PodName, owner: int, asked: int = 0) -> World:
    """Create a gated pod; an existing object of that name, even a terminating pod, is left as it is (409)."""
    if world.pod(name) is not None:
        return world
    if world.unspaced:
        raise Refused
    created = dict(world.created)
    before = created.get(name, 0)
    created[name] = before + 1
    (agent, attempt), (task, number) = name[:2], name[2:] or ("", 0)
    uid = f"{agent}{attempt}{f'{task[0]}{number}' if task else ''}{chr(39) * before}"
    made = Pod(agent, attempt, uid=uid, owner=owner, asked=asked, task=task, number=number)
    return put(world, None, made)._replace(created=tuple(sorted(created.items())))


def save(world: World, read: Run, state: int) -> World:
    """Replace the status if the Run still equals the version that was read."""
    if outdated(world, read):
        raise Refused
    return world._replace(run=read._replace(state=state))


def outdated(world: World, read: Run) -> bool:
    """Whether the Run differs from the one that was read."""
    return world.run != read


def _fenced(world: World, name: PodName, uid: str) -> Pod:
    pod = world.pod(name)
    if pod is None:
        raise Refused(gone=True)
    if pod.uid != uid:
        raise Refused
    return pod


def ungate(world: World, name: PodName, uid: str) -> World:
    """JSON patch: test the UID, test the gate, remove the gate."""
    pod = _fenced(world, name, uid)
    if not pod.gated:
        raise Refused
    return put(world, pod, pod._replace(gated=False))


def end(world: World, name: PodName, uid: str, now: int) -> World:
    """Merge patch with the UID in its body: a deadline, and the annotation with its time."""
    pod = _fenced(world, name, uid)
    return put(world, pod, pod._replace(told=now))


def delete(world: World, name: PodName, uid: str) -> World:
    """DELETE with the UID as its precondition and the pod's own grace period, to which a longer one is shortened."""
    pod = _fenced(world, name, uid)
    return put(world, pod, pod._replace(deleting=True, prolonged=False))


def release(world: World, name: PodName, uid: str, *, gated: bool = False) -> World:
    """JSON patch: test the UID, the gate of a pod that was seen gated, and the finalizer; remove the finalizer."""
    pod = _fenced(world, name, uid)
    if not pod.fin or (gated and not pod.gated):
        raise Refused
    return put(world, pod, pod._replace(fin=False))


def escalate(world: World, escalation: Escalation) -> World:
    """Create an escalation; an existing one of that name is left as it is."""
    if world.escalation(escalation.name) is not None:
        return world
    if world.unspaced:
        raise Refused
    return put_escalation(world, None, escalation)


def mark(world: World, judged: Escalation, phase: str) -> World:
    """Write an escalation's phase, if it still equals the one that was judged; the executor's read and write are one step here.

    A change between the two makes the write fail, as if the operator had crashed before it.
    """
    found = world.escalation(judged.name)
    if found is None:
        raise Refused(gone=True)
    if found != judged:
        return world
    delivered = world.now if phase == "Delivered" else found.delivered
    return put_escalation(world, found, found._replace(phase=phase, delivered=delivered))


def deliver(world: World, agent: str, owner: int, add: Callable[[Report], Report]) -> World:
    """Patch the report if it equals the version that was just read; one of another Run is left as it is."""
    report = world.report(agent)
    if report is None:
        raise Refused(gone=True)
    return put_report(world, report, add(report)) if report.owner == owner else world
