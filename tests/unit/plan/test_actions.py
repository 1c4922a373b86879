"""The names of steps and their places in the unions."""

from __future__ import annotations

import inspect
from types import UnionType
from typing import get_args

import pytest

from controller.plan import actions
from controller.plan.actions import Action, Creation, Effect, Transition

CREATIONS = ("create-claim", "create-pod", "create-task", "create-escalation")
TRANSITIONS = (
    *("adopt", "record", "reserve", "ask", "ask", "note-dismissal", "block", "unblock", "wait", "advise"),
    *("adopt-task", "record-task", "retry-task"),
    *("pause", "resume", "suspend-deadline", "continue-deadline", "stop", "complete"),
)
EFFECTS = ("ungate", "end", "delete-pod", "release", "consult", "deliver", "mark", "delete-run")


@pytest.mark.parametrize(("union", "names"), [(Creation, CREATIONS), (Transition, TRANSITIONS), (Effect, EFFECTS)])
def test_names_of_steps_are_stable(union: UnionType, names: tuple[str, ...]) -> None:
    """Digests, ledgers and logs of earlier releases hold these names. Questions and approvals share `ask`."""
    assert sorted(one.step for one in get_args(union)) == sorted(names)


def test_every_step_is_an_action() -> None:
    """`next_step` sorts actions by the unions: it would drop a step that is in none of them."""
    classes = {one for _, one in inspect.getmembers(actions, inspect.isclass) if hasattr(one, "step")}
    assert classes == set(get_args(Action))
