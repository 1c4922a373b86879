"""The steps of all others than the operators: kubelets, users, controllers, the clock. Each kind happens a few times at most.

Left out, since the operator cannot distinguish them from the steps here: binding and running as two steps (a bound pod is not
terminated either way), the kubelet's eviction (a failure with another reason), a lost node whose pod nobody removes (the kubelet
simply never takes its step).
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.model.reporting import COMPLETED, HERS, Report, Word
from tests.model.world import (
    AWAY,
    BAD_ENDS,
    DENIED,
    FAILED,
    INIT,
    NEVER,
    NOBODY,
    PENDING,
    REJECTED,
    RUNNING,
    SUCCEEDED,
    Config,
    Escalation,
    Exit,
    Ghost,
    Pod,
    Run,
    World,
    put,
    put_escalation,
)
from tests.model.world_steps import Event, Move

USER, KUBELET, CONTROLLER, TENANT = "a user", "the kubelet", "a controller", "the hostile tenant"
ADMINISTRATOR = "an administrator"


def moves(config: Config, world: World) -> Iterator[Move]:
    """Return every step that is possible now without an operator."""
    for pod in world.pods:
        yield from kubelet(config, world, pod)
        yield from _reachable(config, world, pod) if config.unreliable else ()
        yield from _agent(config, world, pod)
        yield from _unrun(world, pod)
        yield from _deletions(config, world, pod)
        yield from _troubles(world, pod)
    yield from collect(world)
    yield from _run(world)
    yield from _humans(world)
    yield from _tenant(world)
    yield from _administrator(config, world)
    yield from _clock(config, world)


def kubelet(config: Config, world: World, pod: Pod) -> Iterator[Move]:
    """Return the next steps of a healthy node with the pod."""
    if not pod.gated and not pod.bound and not pod.deleting and pod.phase == PENDING:
        since = world.now if config.reset or config.clocked else NEVER
        word = _first_word(world, pod) if config.reports and not pod.task else None
        runs = pod._replace(bound=True, phase=RUNNING, since=since, word=word, helper=config.helpers and not pod.task)
        yield Move(KUBELET, ("runs", pod.name), put(world, pod, runs))
    if not config.unreliable:
        yield from _reachable(config, world, pod)


def _reachable(config: Config, world: World, pod: Pod) -> Iterator[Move]:
    """Return the steps of a node that answers: it ends its pods, and it comes back after it was lost."""
    if pod.phase == RUNNING and pod.lost < 0 and ((pod.deleting and not pod.prolonged) or pod.told >= 0):
        for how in (pod.exit,) if pod.exit else (Exit.KILLED,) if pod.task else config.kill:
            phase = FAILED if how in BAD_ENDS or pod.helper else SUCCEEDED
            yield Move(KUBELET, ("ends", pod.name, how), put(world, pod, _over(pod, phase, how)), _last_word(config, pod))
    if pod.lost >= 0:
        yield Move(KUBELET, ("is back, with", pod.name), put(world, pod, pod._replace(lost=NEVER, unready=NEVER)))


def _first_word(world: World, pod: Pod) -> Word:
    """The workspace contains the answers that the agent's earlier attempts have read."""
    former = [other.word.read for other in world.pods if other.agent == pod.agent and other.word]
    return Word(read=tuple(sorted({question for read in former for question in read})))


def _last_word(config: Config, pod: Pod) -> Event | None:
    """The end of a pod includes the last report of its reporter."""
    done = config.last_words and pod.word is not None and pod.word.result == COMPLETED
    return Event("done", pod) if done else None


def _over(pod: Pod, phase: str, how: str) -> Pod:
    return pod._replace(phase=phase, exit=how, unready=NEVER, lost=NEVER)


def _agent(config: Config, world: World, pod: Pod) -> Iterator[Move]:
    """An agent ends of its own accord. The kubelet may report it late, after the pod was already asked to end."""
    left = world.left
    if pod.phase != RUNNING or pod.lost >= 0:
        return
    if pod.helper and pod.exit:
        after = put(world, pod, _over(pod, FAILED if pod.exit in BAD_ENDS else SUCCEEDED, pod.exit))
        yield Move(KUBELET, ("sees the helper end", pod.name), after, _last_word(config, pod))
    if pod.exit or (pod.word and pod.word.parked):
        return
    if pod.task:
        yield from _task(world, pod)
        return
    if left.crash and not pod.deleting and pod.told < 0:
        after = put(world, pod, _agent_over(pod, Exit.CRASHED))
        last = None if pod.helper else _last_word(config, pod)
        yield Move(KUBELET, ("sees the agent crash", pod.name), _spend(after, crash=left.crash), last)
    if left.limited and not pod.deleting and pod.told < 0:
        met = pod._replace(word=pod.word.then(limit=True)) if pod.word else pod
        after = put(world, pod, _agent_over(met, Exit.LIMITED))
        yield Move(KUBELET, ("sees the agent end at a limit", pod.name), _spend(after, limited=left.limited))
    if left.done:
        after = put(world, pod, _agent_over(pod, Exit.DONE))
        yield Move(KUBELET, ("sees the agent complete", pod.name), _spend(after, done=left.done), Event("done", pod))
    if left.unready and pod.unready < 0 and not pod.deleting:
        after = put(world, pod, pod._replace(unready=world.now))
        yield Move(KUBELET, ("finds unready", pod.name), _spend(after, unready=left.unready))


def _task(world: World, pod: Pod) -> Iterator[Move]:
    """A task ends by itself. The kubelet may report it late, too."""
    left = world.left
    if left.passes:
        after = put(world, pod, _over(pod, SUCCEEDED, Exit.DONE))
        yield Move(KUBELET, ("sees the task succeed", pod.name), _spend(after, passes=left.passes), Event("passed", pod))
    if left.fails:
        after = put(world, pod, _over(pod, FAILED, Exit.CRASHED))
        yield Move(KUBELET, ("sees the task fail", pod.name), _spend(after, fails=left.fails), Event("failed", pod))


def _agent_over(pod: Pod, how: str) -> Pod:
    """Return the pod after the end of its agent: a helper runs on, without one the pod ends too."""
    if pod.helper:
        return pod._replace(exit=how, unready=NEVER, early=True)
    return _over(pod, FAILED if how in BAD_ENDS else SUCCEEDED, how)


def _unrun(world: World, pod: Pod) -> Iterator[Move]:
    """A pod ends without its agent ever running."""
    if pod.gated or pod.bound or pod.deleting or pod.phase != PENDING:
        return
    ended = pod._replace(bound=True, phase=FAILED)
    if world.left.init:
        after = put(world, pod, ended._replace(unrun=INIT))
        yield Move(KUBELET, ("sees an init container fail", pod.name), _spend(after, init=world.left.init))
    if world.left.away:
        after = put(world, pod, ended._replace(unrun=AWAY))
        yield Move(KUBELET, ("does not reach the repository", pod.name), _spend(after, away=world.left.away))
    if world.left.denied:
        after = put(world, pod, ended._replace(unrun=DENIED))
        yield Move(KUBELET, ("is denied the repository", pod.name), _spend(after, denied=world.left.denied))
    if world.left.reject:
        after = put(world, pod, ended._replace(unrun=REJECTED))
        yield Move(KUBELET, ("rejects", pod.name), _spend(after, reject=world.left.reject))


ACTS = frozenset({"answers", "approves", "denies", "deletes", "deletes the question", "deletes the request"})
ORDERS = frozenset({"sets desiredState", "asks for a restart"})


def is_human(move: Move) -> bool:
    """Whether a human has done something that lets an agent continue: an answer, a dismissal, an order."""
    return move.who == USER and move.what[0] in ACTS | ORDERS


def _spend(world: World, **had: int) -> World:
    """Return the world in which one kind of event may happen once less."""
    return world._replace(left=world.left._replace(**{kind: count - 1 for kind, count in had.items()}))


def _deletions(config: Config, world: World, pod: Pod) -> Iterator[Move]:
    left = world.left
    if left.strip and (pod.task or not config.tasks):  # Else the pod of a lean start, which has configurations of its own.
        after = world._replace(pods=tuple(other for other in world.pods if other is not pod))
        yield Move(USER, ("strips and deletes by force", pod.name), _spend(after, strip=left.strip), Event("strip", pod))
    if left.force and pod.phase == RUNNING and not pod.forced:
        after = put(world, pod, pod._replace(deleting=True, forced=True))
        yield Move(USER, ("deletes by force", pod.name), _spend(after, force=left.force), Event("force", pod))
    if pod.deleting:
        return
    if left.delete and (pod.task or not config.delayed):
        after = put(world, pod, pod._replace(deleting=True))
        yield Move(USER, ("deletes pod", pod.name), _spend(after, delete=left.delete))
    if left.prolong and pod.phase == RUNNING:
        after = put(world, pod, pod._replace(deleting=True, prolonged=True))
        yield Move(USER, ("deletes pod with an absurd grace period", pod.name), _spend(after, prolong=left.prolong))
    if left.drain and pod.phase == RUNNING:
        after = put(world, pod, pod._replace(deleting=True, disrupted=True))
        yield Move(USER, ("drains the node of", pod.name), _spend(after, drain=left.drain))


def _troubles(world: World, pod: Pod) -> Iterator[Move]:
    """A node is lost; the pods of a node that never returns are collected."""
    left = world.left
    if pod.phase != RUNNING:
        return
    if left.lost and pod.lost < 0:
        after = put(world, pod, pod._replace(lost=world.now, unready=world.now))
        yield Move(KUBELET, ("is lost, with", pod.name), _spend(after, lost=left.lost))
    if left.collect:
        after = put(world, pod, _over(pod, FAILED, pod.exit)._replace(deleting=True, disrupted=True))
        yield Move(CONTROLLER, ("collects a lost node's", pod.name), _spend(after, collect=left.collect))


def _humans(world: World) -> Iterator[Move]:
    """Escalations are answered once, or deleted."""
    left = world.left
    for found in world.escalations:
        if found.question or found.approval:
            yield from _guidance(world, found) if found.question else _approval(world, found)
            continue
        if left.answer and not found.decision and found.phase in ("", "Open"):
            for decision in ("Retry", "Stop", "Wait"):
                after = put_escalation(world, found, found._replace(decision=decision))
                if decision == "Retry":
                    retried = (*world.ghost.retried, (found.agent, found.attempt, found.owner))
                    after = after._replace(ghost=world.ghost._replace(retried=tuple(sorted(retried))))
                yield Move(USER, ("answers", found.name, decision), _spend(after, answer=left.answer))
        if left.dismiss:
            yield Move(USER, ("deletes", found.name), _spend(put_escalation(world, found, None), dismiss=left.dismiss))


def _approval(world: World, found: Escalation) -> Iterator[Move]:
    """An approval that the operator requests is given or denied once, or dismissed, which denies it."""
    left, ghost = world.left, world.ghost
    if left.answer and not found.decision and found.phase in ("", "Open"):
        spent = left._replace(answer=left.answer - 1)
        approved = tuple(sorted({*ghost.approved, (found.agent, found.attempt)}))
        yes = put_escalation(world, found, found._replace(decision="Approve"))._replace(left=spent)
        yield Move(USER, ("approves", found.name), yes._replace(ghost=ghost._replace(approved=approved)))
        no = put_escalation(world, found, found._replace(decision="Deny"))
        yield Move(USER, ("denies", found.name), no._replace(left=spent))
    if left.dismiss:
        yield Move(USER, ("deletes the request", found.name), _spend(put_escalation(world, found, None), dismiss=left.dismiss))


def _guidance(world: World, found: Escalation) -> Iterator[Move]:
    """A question is answered once, or dismissed."""
    left, ghost, mark = world.left, world.ghost, (found.agent, found.question)
    if left.answer and not found.decision and found.phase in ("", "Open"):
        after = put_escalation(world, found, found._replace(decision="Answer"))
        after = after._replace(ghost=_settled(ghost, mark)._replace(answered=tuple(sorted({*ghost.answered, mark}))))
        yield Move(USER, ("answers", found.question, found.name), _spend(after, answer=left.answer))
    if left.dismiss:
        after = put_escalation(world, found, None)
        times = tuple(sorted({**dict(ghost.dismissed_at), **({} if found.decision else {mark: world.now})}.items()))
        after = after._replace(
            ghost=_settled(ghost, mark)._replace(dismissed=tuple(sorted({*ghost.dismissed, mark})), dismissed_at=times)
        )
        yield Move(USER, ("deletes the question", found.question), _spend(after, dismiss=left.dismiss))


def _tenant(world: World) -> Iterator[Move]:
    """A tenant with every right in her own namespace, who knows every UID, creates objects that claim the Run as their owner."""
    for thing in _forgeries(world) if world.left.forge and world.run else ():
        after = world._replace(hers=(*world.hers, thing))
        yield Move(TENANT, ("forges", *thing), _spend(after, forge=world.left.forge))


def _administrator(config: Config, world: World) -> Iterator[Move]:
    """An administrator's policy refuses one kind of write, until she takes it back; she halts the cluster, and lifts the halt."""
    if world.halted:
        yield Move(ADMINISTRATOR, ("lifts the halt",), world._replace(halted=False))
    elif world.left.halt:
        yield Move(ADMINISTRATOR, ("halts",), _spend(world._replace(halted=True), halt=world.left.halt))
    if world.noticed != world.halted:
        yield Move(CONTROLLER, ("shows the halt" if world.halted else "shows the lift",), world._replace(noticed=world.halted))
    if world.left.refuse:
        for step in sorted({*config.refusable} - {*world.refusing}):
            after = world._replace(refusing=tuple(sorted((*world.refusing, step))))
            yield Move(ADMINISTRATOR, ("refuses", step), _spend(after, refuse=world.left.refuse))
    for step in world.refusing:
        after = world._replace(refusing=tuple(other for other in world.refusing if other != step))
        yield Move(ADMINISTRATOR, ("admits", step), after)


def _forgeries(world: World) -> Iterator[Pod | Report | Escalation]:
    for pod in world.pods:
        done = pod._replace(uid="hers", gated=False, phase=SUCCEEDED, bound=True, fin=False, exit=Exit.DONE, told=NEVER, space=HERS)
        yield from (done, done._replace(attempt=pod.attempt + 1))
        for word in (Word(seq=FAR, result=COMPLETED), Word(seq=FAR, asks=("q",), parked=True)):
            yield Report(pod.agent, pod.owner, pod.attempt, pod.uid, word, world.now, space=HERS)
    for found in world.escalations:
        yield found._replace(decision="Answer" if found.question else "Retry", phase="Open", space=HERS)


FAR = 99
"""A sequence number that no true report reaches."""


def _settled(ghost: Ghost, mark: tuple[str, str]) -> Ghost:
    """Remember that a human has settled a question, which may wake its agent once."""
    return ghost._replace(fresh=tuple(sorted({*ghost.fresh, mark})))


def collect(world: World) -> Iterator[Move]:
    """Return the next steps of the garbage collector and the namespace controller."""
    for pod in world.pods:
        ownerless = pod.owner != NOBODY and (world.run is None or world.run.uid != pod.owner or world.run.deleting)
        if not pod.deleting and (ownerless or world.unspaced):
            yield Move(CONTROLLER, ("deletes pod", pod.name), put(world, pod, pod._replace(deleting=True)))
    run = world.run
    for found in world.escalations:
        if run is None or run.uid != found.owner:
            yield Move(CONTROLLER, ("deletes", found.name), put_escalation(world, found, None))
    if run is not None and run.deleting and not any(pod.owner == run.uid for pod in world.pods):
        yield Move(CONTROLLER, ("removes the Run",), world._replace(run=None))
    if run is not None and world.unspaced and not run.deleting:
        yield Move(CONTROLLER, ("deletes the Run",), world._replace(run=None))


def _run(world: World) -> Iterator[Move]:
    run, left = world.run, world.left
    if run is not None and left.desire:
        for desired in sorted({"Running", "Paused", "Stopped"} - {run.desired}):
            changed = world._replace(run=run._replace(desired=desired), left=left._replace(desire=left.desire - 1))
            yield Move(USER, ("sets desiredState", desired), changed)
    if run is not None and left.ask:
        yield Move(USER, ("asks for a restart",), _spend(world._replace(run=run._replace(asked=run.asked + 1)), ask=left.ask))
    if run is not None and not run.deleting and left.unrun:
        fewer = world._replace(left=left._replace(unrun=left.unrun - 1))
        yield Move(USER, ("deletes the Run in the foreground",), fewer._replace(run=run._replace(deleting=True)))
        yield Move(USER, ("deletes the Run in the background",), fewer._replace(run=None))
        pods = tuple(sorted(pod._replace(owner=NOBODY) for pod in world.pods))
        yield Move(USER, ("deletes the Run and orphans its pods",), fewer._replace(run=None, pods=pods))
    if run is None and left.apply and not world.unspaced:
        attempts = [pod.attempt for pod in world.pods] + [mark[1] for mark in world.ghost.started]
        former = 1 + max(attempts, default=0 if world.created else -1)
        again = world._replace(run=Run(uid=1), former=former, left=left._replace(apply=left.apply - 1))
        yield Move(USER, ("applies the Run again",), again)
    if left.unspace:
        yield Move(USER, ("deletes the namespace",), world._replace(unspaced=True, left=left._replace(unspace=0)))


def _clock(config: Config, world: World) -> Iterator[Move]:
    for ticks in range(1, world.left.tick + 1):
        later = world._replace(now=world.now + ticks, left=world.left._replace(tick=world.left.tick - ticks))
        passed = Event("tick", now=later.now) if config.deadline else None
        yield Move("the clock", ("goes on", ticks), later, passed)
