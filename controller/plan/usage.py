"""What agents use: sums of tokens and cost, in which a missing count is none."""

from __future__ import annotations

from controller.api.base import MAX_TOKENS
from controller.api.run_status import Usage


def add_usage(first: Usage | None, second: Usage | None) -> Usage | None:
    """Return the sum, None where there is nothing to add; what no field could hold stays at the most that one can."""
    if first is None or second is None:
        return first or second
    return Usage(
        input_tokens=min(MAX_TOKENS, first.input_tokens + second.input_tokens),
        output_tokens=min(MAX_TOKENS, first.output_tokens + second.output_tokens),
        cost_micro_usd=min(MAX_TOKENS, first.cost_micro_usd + second.cost_micro_usd),
    )


def tokens(usage: Usage | None) -> int:
    """Return the tokens, input and output."""
    return usage.input_tokens + usage.output_tokens if usage else 0
