"""Whether an agent that the operator ends would have ended its work by itself."""

from __future__ import annotations

from controller.api.escalation import EscalationType
from controller.simulation.agent_life import Life
from controller.simulation.itinerary import EndKind
from controller.simulation.people import People
from controller.simulation.virtual_time import NEVER


def would_finish(life: Life, people: People, now: int, horizon: int) -> bool:
    """Whether an agent, left alone from now on, comes to the end of its work, or parks, before the horizon.

    Its hangs and loops pass when the scenario says, its questions are answered when these people would. Drains, limits and outages
    are left out: they end an agent for another reason than the operator's.
    """
    if life.stretch is None:
        return True
    course, stretch = life.itinerary.copy(), life.stretch
    time = now if life.answered else _end_of_stretch(life, now)
    waits = bool(life.answered)
    while time <= horizon:
        end = stretch.end
        if not waits and end.kind is not EndKind.QUESTION:
            return end.kind is EndKind.DONE
        if end.parks:
            return True
        answer = people.answers_at((EscalationType.QUESTION, end.question), time)
        if answer is None:
            return False
        stretch, waits = course.stretch(), False
        time = max(time, answer) + stretch.length
    return False


def _end_of_stretch(life: Life, now: int) -> int:
    """Return when the current stretch ends."""
    begins = life.stretch_begins
    return NEVER if life.stretch is None else max(now, begins + life.stretch.length)
