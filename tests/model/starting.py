"""Mutants of the lean start: of what precedes the start of a first attempt's pod, and of what follows before a state names it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from controller.api.names import pod_name
from controller.api.operator_state import OperatorState
from controller.plan import reads, steps, transitions
from controller.plan.actions import AdoptPod
from controller.plan.attempts import cleanup, lean_start
from controller.plan.context import PlanContext
from controller.plan.model import Plan
from tests.model import bridge, checker, world_steps
from tests.model import world as cluster
from tests.model.bridge import Doing
from tests.model.mutant import Mutant
from tests.model.world import World
from tests.model.world_steps import Move, Operators


def _start_anyway(self: Operators, world: World, index: int, doing: Doing) -> Iterator[Move]:
    """Start the pod although the Run has changed."""
    then = self._bridge.settle(doing.view, doing.saved, world.now, True)
    yield Move(world_steps._name(index), ("finds the Run",), world_steps._at(world, index, then))


def _save_changes_only(self: Operators, world: World, index: int, doing: Doing) -> Iterator[Move]:
    """Leave the UIDs of started pods out of a save."""
    run, states = doing.view.run, self._bridge.states.values
    assert run is not None
    without = _nameless(states[run.state], states[doing.saved])
    number = self._bridge.states.number(without, without.model_dump_json() if without else "")
    view = doing.view._replace(run=run._replace(state=number))
    yield from _save(self, world, index, doing._replace(view=view))


_save = Operators._save


def _nameless(new: OperatorState | None, saved: OperatorState | None) -> OperatorState | None:
    if new is None:
        return None
    named = {name for name, agent in saved.agents.items() if agent.pod_uid} if saved else set()
    bare = {name: agent.model_copy(update={"pod_uid": ""}) for name, agent in new.agents.items() if not agent.attempt}
    return new.model_copy(update={"agents": new.agents | {name: agent for name, agent in bare.items() if name not in named}})


def _act_before_adopting(decision: Plan, *, dirty: bool, adopting: bool = False) -> steps.Next | None:
    return _next_step(decision, dirty=dirty, adopting=adopting and dirty)


_next_step = steps.next_step


def _adopt_with_request(at: PlanContext, state: OperatorState, action: AdoptPod) -> OperatorState:
    adopted = _adopt(at, state, action)
    agent = adopted.agents[action.agent].model_copy(update={"restarted_at": (at.spec.restarted_at or {}).get(action.agent)})
    return adopted.model_copy(update={"agents": adopted.agents | {action.agent: agent}})


_adopt = transitions._adopt


def _release_started(world: World, name: tuple[str, int], uid: str, *, gated: bool = False) -> World:
    return _release(world, name, uid, gated=False)


_release = cluster.release


def _saved_names(snapshot: Any) -> set[str]:
    """Leave out the pods of first attempts that no state names."""
    agents = snapshot.state.agents if snapshot.state else {}
    unnamed = {agent.name for agent in (snapshot.run.spec.agents if snapshot.run.spec else ()) if agent.name not in agents}
    return _expected(snapshot) - {pod_name(snapshot.run.name, name, 0) for name in unnamed}


_expected = reads.expected_pod_names

STARTING: tuple[Mutant, ...] = (
    Mutant(
        "found-is-observed",
        "a pass goes on with a started pod that it finds by creating it, and has not seen its reports",
        ("result-late", "result"),
        lambda: [(bridge.Bridge, "is_started", lambda *_: False)],
    ),
    Mutant(
        "proof-before-create",
        "the read of the Run before its pod is created allows the start of the pod",
        ("start",),
        lambda: [(steps, "starts_pod", lambda _: False)],
    ),
    Mutant(
        "no-proof",
        "a pod is started although the Run has changed since it was read",
        ("start",),
        lambda: [(Operators, "_prove", _start_anyway), (checker, "without_doomed", lambda world: world)],
    ),
    Mutant(
        "save-without-adopting",
        "a save does not name the started pods",
        ("start",),
        lambda: [(Operators, "_save", _save_changes_only)],
    ),
    Mutant(
        "effect-before-adopting",
        "effects do not wait for the save that names a started pod",
        ("start", "pause"),
        lambda: [(steps, "next_step", _act_before_adopting)],
    ),
    Mutant(
        "request-is-fulfilled",
        "a request for a restart from between the start of a pod and its save counts as fulfilled by the pod",
        ("ask",),
        lambda: [(transitions, "_adopt", _adopt_with_request)],
    ),
    Mutant(
        "started-is-unknown",
        "an ungated pod that no state names is not taken for its attempt's",
        ("start",),
        lambda: [(lean_start, "_started", lambda *_: None)],
    ),
    Mutant(
        "started-is-released",
        "a pod that was seen gated is released although it was started since",
        ("start",),
        lambda: [(cluster, "release", _release_started)],
    ),
    Mutant(
        "late-start-is-held",
        "a pod that is started after its deletion for the end of its Run counts as started",
        ("pause",),
        lambda: [(cleanup, "_never_ran", lambda _, pod: pod.gated)],
    ),
    Mutant(
        "first-pod-not-read",
        "the pod of a first attempt that no state names is read only if the cache knows it",
        ("start-stopped",),
        lambda: [(bridge, "expected_pod_names", _saved_names)],
    ),
)
