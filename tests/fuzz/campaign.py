"""Outputs through gate and validator, compared, with the results."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from controller.advisor.answer_gate import Answer, judge
from controller.api.advice import AdvisedIntent
from tests.fuzz.corpus import ALLOWED, TARGET
from tests.fuzz.validator import Validator

INTENTS = tuple(AdvisedIntent(intent) for intent in ALLOWED)


@dataclass
class Tally:
    """The results of a campaign. `wrong` are outputs on which the two differ or for which the gate raised."""

    count: int = 0
    accepted: int = 0
    slowest: float = 0.0
    spent: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def differs(output: bytes, validator: Validator, tally: Tally) -> bool:
    """Judge one output both ways; return whether the gate was wrong."""
    began = time.process_time()
    try:
        said = judge(output, TARGET, INTENTS)
    except Exception as error:  # noqa: BLE001  # the gate promises never to raise: any exception is a finding
        tally.wrong.append(f"raised {type(error).__name__} on {output[:200]!r}")
        return True
    took = time.process_time() - began
    accepted = isinstance(said, Answer)
    tally.count += 1
    tally.accepted += accepted
    tally.spent += took
    tally.slowest = max(tally.slowest, took)
    tally.reasons[said.reason if not isinstance(said, Answer) else "accepted"] += 1
    if accepted == validator.accepts(output):
        return False
    tally.wrong.append(f"{'accepted' if accepted else 'refused'} {output[:200]!r}")
    return True


def run(outputs: Iterable[bytes], *, stop_at_first: bool = False) -> Tally:
    """Judge every output both ways; a mutant is finished at its first wrong verdict."""
    tally, validator = Tally(), Validator(TARGET, ALLOWED)
    for output in outputs:
        if differs(output, validator, tally) and stop_at_first:
            break
    return tally
