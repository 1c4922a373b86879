"""The steps of an operator: small and one at a time; any other event may happen between two of them.

An operator's program counter holds its observation and its next write. It may stop at any step for ever (a crash), also after a
write (a lost reply), and may continue after any time (a pause, a write from stale data). The order is the observer's: the Run with
its state (one GET: the stores that keep the state in the Run), then the pods by name in any order, then the reports, then the
escalations, then the namespace. The names to read come from the state, the earlier reads and the cache; a cache may lack any object
that the state does not name, which is more than a lagging watch can do. A pod that the cache has as terminated is not read:
the operator may have it as it was before its deletion (`Config.outdated`). The observation from the caches before a live one only
saves work, so it is not a step. Workspace claims are left out: creating them is harmless and starts nothing.

A read commutes with every event that does not change its object. Each object is therefore read either with the Run or right after a
change of it; an operator that waits for such a change holds the data from before it (`Reading`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Any, NamedTuple, assert_never

from controller.plan.actions import (
    Consult,
    CreateClaim,
    CreateEscalation,
    CreatePod,
    CreateTask,
    Creation,
    DeletePod,
    DeleteRun,
    DeliverAnswer,
    Effect,
    PodAction,
    RemoveFinalizer,
    SetEscalationPhase,
    Terminate,
    Ungate,
)
from controller.plan.attempts.start_stop import FIRST_ATTEMPT
from controller.plan.intents import Intent
from controller.plan.refused_writes import refusal_of
from tests.model import bridge
from tests.model import world as cluster
from tests.model.bridge import INBOX, REPORT, Bridge, Doing, Name, View, named
from tests.model.reporting import HERS, OURS, Report
from tests.model.world import Config, Escalation, Pod, PodName, Refused, Run, Said, World


class Reading(NamedTuple):
    """An operator that has read the Run and may still read later changes."""

    view: View
    names: tuple[Name, ...]
    stage: int = 0
    """The stage of the reads: pods come before reports, reports before escalations."""


class Asking(NamedTuple):
    """An operator that has read the pods and has not read the namespace yet."""

    view: View
    at: str = "namespace"


class Event(NamedTuple):
    """The effect of a move, for the invariants; `pod` and `run` are as they were before it."""

    kind: str
    pod: Pod | None = None
    run: Run | None = None
    state: int = 0
    now: int = 0
    view: View | None = None
    escalation: Escalation | None = None
    report: Report | None = None
    """The report that the operator has just written."""


class Move(NamedTuple):
    """One step of a party: its author, its name, and the world after it."""

    who: str
    what: tuple[Any, ...]
    world: World
    event: Event | None = None


class Operators:
    """The operators' moves in one configuration."""

    def __init__(self, config: Config, bridge: Bridge) -> None:
        self._config, self._bridge = config, bridge

    def moves(self, world: World) -> Iterator[Move]:
        """Return every possible step of an operator."""
        for index, counter in enumerate(world.ops):
            if counter is None and index and world.ops[index - 1] is None:
                continue  # two idle operators are alike
            yield from self.steps(world, index)
            if counter is not None:
                yield Move(_name(index), ("is put down",), _at(world, index, None))

    def steps(self, world: World, index: int) -> Iterator[Move]:
        """Return the possible next steps of one operator, without a crash."""
        match world.ops[index]:
            case None:
                for key in world.keys:
                    yield from self.looks(world, index, key)
            case Reading() as reading:
                yield from self._read(world, index, reading)
            case Asking(view):
                if world.unspaced:
                    yield from self._settled(world, index, view._replace(unspaced=True), ("finds the namespace deleted",))
            case Doing() as doing:
                yield from self._write(world, index, doing)

    def _clocks(self, world: World) -> set[int]:
        return {max(0, world.now - slow) for slow in self._config.slow}

    def looks(self, world: World, index: int, key: int) -> Iterator[Move]:
        """Return the starts of a pass over the Run with this UID; the last one has everything in its caches."""
        run = world.run if world.run is not None and world.run.uid == key else None
        named = self._bridge.looked_at(run, halted=world.noticed) if run else ()
        for cached in self._caches(world, key, named):
            names = tuple(sorted({*named, *cached}))
            if not run and not names:
                continue
            what = ("reads the Run" if run else "finds the Run deleted", *(("halted",) if world.noticed else ()), "and of", names)
            view = View(key, run, halted=world.noticed)
            view = self._look(world, view, names, 0)
            if names or self._due(view):
                yield Move(_name(index), (*what, "some later"), _at(world, index, Reading(view, names)))
            if self._config.outdated and run and (kept := self._bridge.kept(view)) != view:
                yield from self._observed(world, index, kept, (*what, "some as they were before their deletion"))
            yield from self._observed(world, index, view, what)
        if run and world.hers and bridge.owned((HERS, key), (OURS, key)):
            misled = _of_her_namespace(View(key, run), world.hers)
            yield from self._observed(world, index, misled, ("takes the Run for the hostile tenant's",))

    def _caches(self, world: World, key: int, named: tuple[Name, ...]) -> Iterator[tuple[Name, ...]]:
        """Return the further pods and open escalations that the cache may know."""
        former = {(agent, n) for agent in self._config.agents for n in range(world.former)} if key == 0 else set()
        known: set[Name] = {pod.name for pod in world.pods if max(pod.owner, 0) == key} | former
        if world.run is not None and world.run.uid == key:
            known |= {(INBOX, e.name) for e in world.escalations if e.owner == key and e.open}
            known |= {(REPORT, report.agent) for report in world.reports if report.owner == key}
        extra = sorted(known - set(named))
        for size in range(len(extra) + 1) if self._config.stale else (len(extra),):
            yield from combinations(extra, size)

    def _read(self, world: World, index: int, reading: Reading) -> Iterator[Move]:
        for name in sorted({*reading.names, *self._due(reading.view)}):
            if _stage(name) < reading.stage:
                continue
            view = self._look(world, _seen(world, reading.view, name), reading.names, _stage(name) + 1)
            if view != reading.view:
                what = ("reads", name)
                yield Move(_name(index), (*what, "first"), _at(world, index, Reading(view, reading.names, _stage(name))))
                yield from self._observed(world, index, view, what)

    def _look(self, world: World, view: View, names: tuple[Name, ...], stage: int) -> View:
        """Read everything from a stage on in its current state: earlier reads decide which reports and escalations are read."""
        if stage == 0:
            view = _seen_all(world, view, (name for name in names if _stage(name) == 0))
        if view.run is None:
            return view
        if stage <= 1:
            due = sorted({name for name in (*names, *self._due(view)) if _stage(name) == 1})
            view = _seen_all(world, view._replace(reports=()), due)
        if stage <= LAST_STAGE:
            due = sorted({name for name in (*names, *self._due(view)) if _stage(name) == LAST_STAGE})
            view = _seen_all(world, view._replace(escalations=()), due)
        return view

    def _due(self, view: View) -> set[Name]:
        """Return the names to read because of earlier reads: reports of agents with a reporter, escalations of their questions."""
        if view.run is None or not self._config.reports:
            return set()
        key, state = view.key, view.run.state
        return {*self._bridge.speakers(key, state, view.pods), *self._bridge.asked(key, state, view.pods, view.reports)}

    def _observed(self, world: World, index: int, view: View, what: tuple[Any, ...]) -> Iterator[Move]:
        """Read the namespace as the observer does, and continue."""
        if view.run and self._config.left.unspace and any(pod.deleting for pod in view.pods):
            if not world.unspaced:
                yield Move(_name(index), what, _at(world, index, Asking(view)))
            view = view._replace(unspaced=world.unspaced)
        yield from self._settled(world, index, view, what)

    def _settled(self, world: World, index: int, view: View, what: tuple[Any, ...]) -> Iterator[Move]:
        saved = view.run.state if view.run else 0
        for said in {(): None, world.said: None}:  # a process that has just started has no consultations
            for now in self._clocks(world):
                for known in self._informed(view._replace(said=said)):
                    yield Move(_name(index), (*what, *_told(known)), _at(world, index, self._bridge.settle(known, saved, now)))

    def _informed(self, view: View) -> Iterator[View]:
        """Return the view with all that the operator may know of the provider now."""
        for facts in self._config.facts:
            yield view._replace(provider=facts)

    def _write(self, world: World, index: int, doing: Doing) -> Iterator[Move]:
        if doing.verb == "act":
            yield from self._act(world, index, doing)
        elif doing.verb == "prove":
            yield from self._prove(world, index, doing)
        else:
            yield from self._save(world, index, doing)

    def _prove(self, world: World, index: int, doing: Doing) -> Iterator[Move]:
        """Read the Run again; a pass that finds another version looks at everything again."""
        if cluster.outdated(world, read_by(doing)):
            yield Move(_name(index), ("finds the Run changed",), _at(world, index, None))
            return
        for now in self._clocks(world):
            then = self._bridge.settle(doing.view, doing.saved, now, True)
            yield Move(_name(index), ("finds the Run unchanged",), _at(world, index, then))

    def _save(self, world: World, index: int, doing: Doing) -> Iterator[Move]:
        view, run = doing.view, doing.view.run
        assert run is not None
        read = read_by(doing)
        try:
            after = cluster.save(world, read, run.state)
        except Refused:
            yield Move(_name(index), ("fails to save",), _at(world, index, None))
            return
        event = Event("save", run=read, state=run.state, now=doing.now, view=view)
        what = ("saves", self._bridge.told(run.state))
        for now in self._clocks(world):
            then = None if doing.verb == "last save" else self._bridge.settle(view, run.state, now, True)
            yield Move(_name(index), what, _at(after, index, then), event)

    def _act(self, world: World, index: int, doing: Doing) -> Iterator[Move]:
        action = self._bridge.actions.values[doing.actions[0]]
        name = named(action)
        what = (action.step, name, action.reason.value)
        for now in self._clocks(world):
            before = world.pod(name)
            try:
                after, event = _perform(world, action, name, now, doing.view)
                after = self._dated(after, action, before)
                view = _learn(doing.view, after, action, before)
                if before and isinstance(action, CreatePod) and self._bridge.is_started(view, before):
                    yield Move(_name(index), (*what, "finds it started"), _at(world, index, None))
                    continue
            except Denied:
                after, event = world, None
                view = doing.view._replace(refused=(*doing.view.refused, refusal_of(action, "refused")))
            except Refused as refused:
                if not refused.gone or isinstance(action, Ungate):
                    yield Move(_name(index), (*what, "refused"), _at(world, index, None))
                    continue
                after, event = world, None
                view = _without(doing.view, action)
            proven = doing.proven and not isinstance(action, CreatePod)
            if doing.actions[1:]:
                rest = doing._replace(view=view, actions=doing.actions[1:], proven=proven)
                yield Move(_name(index), what, _at(after, index, rest), event)
                continue
            for known in self._informed(view):
                then = self._bridge.settle(known, doing.saved, now, proven)
                yield Move(_name(index), (*what, *_told(known)), _at(after, index, then), event)

    def _dated(self, after: World, action: Creation | Effect, before: Pod | None) -> World:
        """Return the world with the time of a pod's creation, where that matters."""
        made = after.pod(named(action))
        if not self._config.deadline or not isinstance(action, CreatePod) or before or made is None:
            return after
        return cluster.put(after, made, made._replace(made=after.now))


class Denied(Exception):  # an answer, not a fault
    """An admission policy has refused the write."""


InboxStep = CreateEscalation | DeliverAnswer | SetEscalationPhase


def _perform(world: World, action: Creation | Effect, name: PodName, now: int, view: View) -> tuple[World, Event | None]:
    """Write to the cluster as the shipped actions do. Raises Denied where an admission policy refuses the write."""
    if action.step in world.refusing:
        raise Denied
    pod = world.pod(name)
    match action:
        case CreatePod() | CreateTask():
            first = isinstance(action, CreatePod) and action.attempt == FIRST_ATTEMPT
            after = cluster.create(world, name, view.key, view.run.asked if view.run and first else 0)
            made = after.pod(name)
            kind = "start" if made and not made.gated else "create"
            event = Event(kind, made, view=view) if made is not pod and made else None
        case Ungate(pod_uid=uid):
            after, event = cluster.ungate(world, name, uid), Event("start", pod, view=view)
        case Terminate(pod_uid=uid):
            after, event = cluster.end(world, name, uid, now), Event("end", pod)
        case DeletePod(pod_uid=uid):
            after, event = cluster.delete(world, name, uid), Event("end", pod)
        case RemoveFinalizer(pod_uid=uid):
            gated = any(seen.uid == uid and seen.gated for seen in view.pods)
            after, event = cluster.release(world, name, uid, gated=gated), Event("release", pod)
        case Consult():
            after, event = _consult(world, action), None
        case CreateEscalation() | DeliverAnswer() | SetEscalationPhase():
            after, event = _perform_inbox(world, action, view)
        case CreateClaim() | DeleteRun():
            raise AssertionError(f"no configuration leads to {action.step}: the model leaves it out")
        case _:
            assert_never(action)
    return after, event


def _consult(world: World, action: Consult) -> World:
    """Consult the advisor, unless that has happened: it may answer again at any time as it is."""
    if any(said.situation == action.escalation for said in world.said):
        return world
    return world._replace(said=tuple(sorted((*world.said, Said(action.agent, action.escalation, action.attempt)))))


def _perform_inbox(world: World, action: InboxStep, view: View) -> tuple[World, Event]:
    match action:
        case CreateEscalation():
            question, approval = action.inquiry.question, action.intent is Intent.REQUEST_APPROVAL
            new = Escalation(action.escalation, view.key, action.agent, action.attempt, question=question, approval=approval)
            found = world.escalation(new.name)
            return cluster.escalate(world, new), Event("ask", view=view, escalation=None if found else new)
        case DeliverAnswer():
            settled = next((e for e in view.escalations if e.name == action.escalation), None)
            after = cluster.deliver(
                world, action.agent, view.key, lambda report: bridge.delivered(report, action.question, settled)
            )
            return after, Event("deliver", view=view, escalation=settled, report=after.report(action.agent))
        case SetEscalationPhase():
            judged = next(e for e in view.escalations if e.name == action.escalation)
            after = cluster.mark(world, judged, str(action.escalation_phase))
            return after, Event("mark", view=view, escalation=after.escalation(judged.name))
        case _:
            assert_never(action)


LAST_STAGE = 2


def _stage(name: Name) -> int:
    """The order of reads: pods, then reports, then escalations."""
    return {REPORT: 1, INBOX: LAST_STAGE}.get(name[0], 0)


def _seen_all(world: World, view: View, names: Iterable[Name]) -> View:
    for name in names:
        view = _seen(world, view, name)
    return view


def _forged(world: World, view: View, name: Name) -> Pod | Report | Escalation | None:
    """Return the hostile tenant's object of this name in her own namespace, if it counts as this Run's."""
    named = (thing for thing in world.hers if name_of(thing) == name)
    return next((thing for thing in named if bridge.owned((OURS, view.key), (thing.space, thing.owner))), None)


def name_of(thing: Pod | Report | Escalation) -> Name:
    """Return the name that an object is read by."""
    match thing:
        case Pod():
            return thing.name
        case Report():
            return REPORT, thing.agent
        case Escalation():
            return INBOX, thing.name


def _of_her_namespace(view: View, things: tuple[Pod | Report | Escalation, ...]) -> View:
    """Return the view of a pass that takes a Run for one of the hostile tenant's namespace: it finds her objects there."""
    return view._replace(
        pods=tuple(thing for thing in things if isinstance(thing, Pod)),
        reports=tuple(thing for thing in things if isinstance(thing, Report)),
        escalations=tuple(thing for thing in things if isinstance(thing, Escalation)),
    )


def _seen(world: World, view: View, name: Name) -> View:
    """Return the view after a GET."""
    forged = _forged(world, view, name)
    if name[0] == REPORT:
        report = forged if isinstance(forged, Report) else world.report(name[1])
        kept = tuple(other for other in view.reports if other.agent != name[1])
        return view._replace(reports=tuple(sorted((*kept, report))) if report and report.owner == view.key else kept)
    if name[0] == INBOX:
        escalation = forged if isinstance(forged, Escalation) else world.escalation(name[1])
        rest = tuple(e for e in view.escalations if e.name != name[1])
        return view._replace(escalations=tuple(sorted((*rest, escalation))) if escalation else rest)
    pod = forged if isinstance(forged, Pod) else world.pod(name)
    others = tuple(other for other in view.pods if other.name != name)
    return view._replace(pods=tuple(sorted((*others, pod))) if pod else others)


def _learn(view: View, after: World, action: Creation | Effect, before: Pod | None) -> View:
    """Put the API server's answer into the snapshot, as the executor does."""
    if isinstance(action, Consult):
        return view._replace(said=tuple(sorted((*view.said, Said(action.agent, action.escalation, action.attempt)))))
    if isinstance(action, DeliverAnswer):
        return _seen(after, view, (REPORT, action.agent))
    if isinstance(action, CreateEscalation | SetEscalationPhase):
        found = after.escalation(action.escalation)
        rest = tuple(e for e in view.escalations if e.name != action.escalation)
        return view._replace(escalations=tuple(sorted((*rest, found))) if found else rest)
    name = named(action)
    pod = after.pod(name)
    if pod is None and isinstance(action, RemoveFinalizer) and before is not None:
        pod = before._replace(fin=False)  # a patch answers with the object, even if it is then deleted
    others = tuple(other for other in view.pods if other.name != name)
    return view._replace(pods=tuple(sorted((*others, pod))) if pod else others)


def _without(view: View, action: Creation | Effect) -> View:
    if isinstance(action, DeliverAnswer):
        return view._replace(reports=tuple(report for report in view.reports if report.agent != action.agent))
    if isinstance(action, CreateEscalation | SetEscalationPhase):
        return view._replace(escalations=tuple(e for e in view.escalations if e.name != action.escalation))
    gone = action.pod_uid if isinstance(action, PodAction) else ""
    return view._replace(pods=tuple(pod for pod in view.pods if pod.uid != gone))


def without_doomed(world: World) -> World:
    """Stop the operators whose save must fail, since the Run differs from the one that they have read.

    Here versions are stricter than contents: a Run that was changed and changed back stays changed.
    """
    doomed = [isinstance(op, Doing) and op.verb != "act" and cluster.outdated(world, read_by(op)) for op in world.ops]
    if not any(doomed):
        return world
    return world._replace(ops=tuple(None if lost else op for op, lost in zip(world.ops, doomed, strict=True)))


def read_by(doing: Doing) -> Run:
    """Return the Run as an operator before a write has read it, or last saved it."""
    assert doing.view.run is not None
    return doing.view.run._replace(state=doing.saved)


def _told(view: View) -> tuple[str, ...]:
    return (f"while the provider {view.provider}",) if view.provider else ()


def _at(world: World, index: int, counter: object) -> World:
    return world._replace(ops=(*world.ops[:index], counter, *world.ops[index + 1 :]))


def _name(index: int) -> str:
    return f"operator {'AB'[index]}"
