"""The steps of agents and their reporters: questions, results, idleness, delivered answers; reports that are late or repeated."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import TypeVar

from controller.reconcile.actions.deliver_answer import NO_ANSWER
from tests.model.reporting import ACTIVE, COMPLETED, Report, Word
from tests.model.world import FAILED, NEVER, RUNNING, Config, Exit, Pod, World, put, put_report, spend
from tests.model.world_steps import Event, Move

T = TypeVar("T", bound=Hashable)

AGENT, REPORTER = "the agent", "the reporter"


def moves(config: Config, world: World) -> Iterator[Move]:
    """Return every possible step of agents and reporters."""
    for pod in world.pods:
        word = pod.word
        if word is None:
            continue
        yield from _lies(config, world, pod, word)
        if pod.phase == RUNNING:
            yield from in_time(config, world, pod, word)
            yield from _agent(config, world, pod, word)
        elif world.left.late:
            yield from _reports(config, world._replace(left=spend(world, "late")), pod, word, "late")


def in_time(config: Config, world: World, pod: Pod, word: Word) -> Iterator[Move]:
    """Return the steps of a healthy reporter and its agent: report, deliver, read, end when parked."""
    yield from _reports(config, world, pod, word, "")
    report = world.report(pod.agent)
    for delivery in report.deliveries if report else ():
        if delivery.question not in word.delivered and delivery.question not in word.read:
            after = _says(world, pod, word.then(delivered=_with(word.delivered, delivery.question)))
            handed = world.ghost.handed
            if delivery.answer != NO_ANSWER:
                handed = _with(handed, (pod.agent, delivery.question))
            yield Move(REPORTER, ("hands over to", pod.name, *delivery), after._replace(ghost=world.ghost._replace(handed=handed)))
    for question in word.asks if not (word.parked or pod.exit) else ():
        if question in word.delivered:
            rest = tuple(other for other in word.asks if other != question)
            says = word.then(asks=rest, read=_with(word.read, question), idle=ACTIVE)
            yield Move(AGENT, ("reads the answer to", question, pod.name), _says(world, pod, says))
    if word.parked and not pod.exit:
        over = {"early": True} if pod.helper else {"phase": FAILED}
        after = put(world, pod, pod._replace(exit=Exit.CRASHED, **over))
        yield Move(AGENT, ("ends, parked", pod.name), after)


def _reports(config: Config, world: World, pod: Pod, word: Word, how: str) -> Iterator[Move]:
    """The reporter's report arrives. The admission policy refuses one of an attempt that is over."""
    before = world.report(pod.agent)
    if world.unspaced or (before and config.admission and before.attempt > pod.attempt):
        return
    at = world.now if config.clocked else 0
    deliveries = before.deliveries if before else ()
    report = Report(pod.agent, pod.owner, pod.attempt, pod.uid, word, at, deliveries)
    if report != before:
        # A report that arrives after its pod has ended may arrive when the end was already decided, so no operator can have known
        # it.
        event = Event("done", pod) if word.result == COMPLETED and pod.phase == RUNNING else None
        yield Move(REPORTER, ("reports", how, pod.name, word), put_report(world, before, report), event)


def _lies(config: Config, world: World, pod: Pod, word: Word) -> Iterator[Move]:
    """A holder of the reporter's token claims that answers were delivered; a token outlives its pod by some seconds."""
    for question in word.waits_for if world.left.lie else ():
        handed = world.ghost._replace(handed=_with(world.ghost.handed, (pod.agent, question)))
        claims, lied = word.then(delivered=_with(word.delivered, question)), world._replace(left=spend(world, "lie"), ghost=handed)
        yield Move(REPORTER, ("claims to have delivered", question, pod.name), _says(lied, pod, claims))
        if pod.phase != RUNNING:
            yield from _reports(config, lied, pod, claims, "a lie")


def _agent(config: Config, world: World, pod: Pod, word: Word) -> Iterator[Move]:
    """Return the optional steps of an agent that has not reported its result."""
    left = world.left
    if word.parked or word.result or pod.exit:
        return
    idle = world.now if config.clocked else 0
    for question in config.questions if left.question else ():
        if question not in word.asks and question not in word.read:
            says = word.then(asks=_with(word.asks, question), idle=max(word.idle, idle))
            yield Move(AGENT, ("asks", question, pod.name), _says(world, pod, says)._replace(left=spend(world, "question")))
    if left.park and (word.waits_for or config.rash):
        yield Move(AGENT, ("parks", pod.name), _says(world, pod, word.then(parked=True))._replace(left=spend(world, "park")))
    if left.result and not word.asks:
        after = _says(world, pod, word.then(result=COMPLETED))
        yield Move(AGENT, ("says that it is done", pod.name), after._replace(left=spend(world, "result")))
    if left.idle and word.idle == NEVER:
        after = _says(world, pod, word.then(idle=world.now))
        yield Move(AGENT, ("does nothing more", pod.name), after._replace(left=spend(world, "idle")))


def _says(world: World, pod: Pod, word: Word) -> World:
    return put(world, pod, pod._replace(word=word))


def _with(marks: tuple[T, ...], mark: T) -> tuple[T, ...]:
    return tuple(sorted({*marks, mark}, key=str))
