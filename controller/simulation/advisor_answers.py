"""The answers of a simulated advisor, in the shape in which the gate accepts them."""

from __future__ import annotations

from dataclasses import dataclass

from controller.api.advice import AdviceState, AdviceVerdict, AdvisedIntent
from controller.api.llm_policy import LLM
from controller.plan.actions import Consult
from controller.simulation.draws import Draws
from controller.simulation.scenario import Advisor
from controller.simulation.virtual_time import SECOND, Clock, milliseconds

PERCENT = 100
TIMED_OUT = "TimedOut"
"""The adapter's reason for a command that took longer than llm.timeoutSeconds (`controller.adapter.contract.Ended`)."""


@dataclass(frozen=True, slots=True)
class AdvisorAnswers:
    """An advisor that answers after a time, and agrees with the rules in a share of the cases."""

    advisor: Advisor
    llm: LLM
    draws: Draws
    clock: Clock

    def takes(self, action: Consult) -> int:
        """Return how long a consultation takes, at most the policy's timeout."""
        seconds = self.advisor.answer_seconds.sample(self.draws.uniform("advice", *_key(action)))
        return min(milliseconds(seconds), self.llm.timeout_seconds * SECOND)

    def answer(self, action: Consult, now: int) -> AdviceState:
        """Return the record of a consultation that ends now."""
        matter = action.consultation
        bare = AdviceState(
            situation=matter.situation,
            verdict=AdviceVerdict.UNAVAILABLE,
            reason=TIMED_OUT,
            command=self.llm.command,
            at=self.clock.stamp(now),
        )
        late = self.takes(action) >= self.llm.timeout_seconds * SECOND
        if late or self.draws.chance(self.advisor.unavailable, "advisor fails", *_key(action)):
            return bare
        agrees = self.draws.chance(self.advisor.agrees, "agrees", *_key(action))
        intent = AdvisedIntent(matter.wanted) if agrees else next(i for i in matter.allowed if i != AdvisedIntent(matter.wanted))
        accepted = {"verdict": AdviceVerdict.ACCEPTED, "reason": AdviceVerdict.ACCEPTED.value, "intent": intent}
        return bare.model_copy(update=accepted | {"confidence_percent": round(self.advisor.confidence * PERCENT)})


def _key(action: Consult) -> tuple[str | int, ...]:
    """Return what a consultation is about."""
    return action.consultation.wanted, action.reason, action.attempt, action.consultation.question
