"""D: the deadline ends a Run only once its agents were at work, or allowed to be, for as long as it says.

The clock stands still while the saved state says that providers hold back every unfinished agent, and no agent is at work then.
Time that passes during a pass counts: the operator has decided by its clock before.
"""

from __future__ import annotations

from controller.api.operator_state import OperatorState
from controller.plan.reasons import Reason
from tests.model.bridge import Bridge
from tests.model.world import Config, Facts, Ghost, World
from tests.model.world_steps import Event


class Deadlines:
    """The invariants about the deadline in one configuration."""

    def __init__(self, config: Config, bridge: Bridge) -> None:
        self._config, self._bridge = config, bridge

    def remember(self, before: World, event: Event) -> Ghost:
        """Count for how many ticks the Run's agents were at work or allowed to be, after time has passed."""
        state = self._state(before)
        held = state is not None and state.held_at is not None
        waits = held and not any(pod.live for pod in before.pods) and not any(before.ops)
        began = bool(before.pods) or (state is not None and state.started_at is not None)
        ticks = event.now - before.now if began and not waits else 0
        return before.ghost._replace(counted=before.ghost.counted + ticks)

    def passed(self, before: World, _: Event) -> str:
        """Return the rule that is broken while time passes: the clock stands still only while no agent is at work."""
        state = self._state(before)
        works = any(pod.live for pod in before.pods)
        return "D: the deadline stands still while an agent is at work" if state and state.held_at and works else ""

    def saved(self, before: World, event: Event, new: OperatorState) -> str:
        """Return the rule that a save breaks, empty for none."""
        if not self._config.deadline:
            return ""
        exceeded = new.stop and new.stop.reason == Reason.DEADLINE_EXCEEDED
        if exceeded and before.ghost.counted < self._config.deadline:
            return f"D: the deadline of {self._config.deadline} ticks has passed after {before.ghost.counted}"
        ends = new.stop or new.paused_at
        waits = event.view is not None and event.view.provider == Facts.HOLDS and not any(pod.live for pod in event.view.pods)
        unfinished = all(agent.outcome is None for agent in new.agents.values())
        counts = new.started_at is not None and new.held_at is None
        return "D: the deadline goes on while a provider holds every agent" if counts and waits and unfinished and not ends else ""

    def _state(self, world: World) -> OperatorState | None:
        return self._bridge.states.values[world.run.state] if world.run else None
