"""Sums of the agents' tokens and cost; a missing count is zero."""

from __future__ import annotations

from controller.api.base import MAX_TOKENS
from controller.api.operator_state import Usage


def add_usage(first: Usage | None, second: Usage | None) -> Usage | None:
    """Return the sum, None if both are None. A sum is limited to the maximum that a field can hold."""
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
