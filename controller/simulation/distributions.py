"""Distributions of durations, as a scenario's author writes them. Each turns a uniform number into a value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import Annotated, Any, Protocol, Self

from pydantic import Field, model_validator

from controller.api.base import MAX_SECONDS, ApiModel
from controller.api.measures import Duration, Shape, Weight, wrong
from controller.simulation.draws import pick

DECIMALS = 3
"""Values are whole milliseconds: the last bits of a logarithm differ between machines, and must not reach a decision."""
NORMAL = NormalDist()
Z90 = NORMAL.inv_cdf(0.9)
EDGE = 1e-12
"""Nearest that a uniform number comes to 0 or 1: a mixture's part is given one within it, which may be either."""
MAX_VALUES, MAX_PARTS = 4096, 16
EXAMPLE = "write a number of seconds, or a distribution such as {lognormal: {median: 600, p90: 3600}}"


class _Kind(Protocol):
    """A distribution with its parameters."""

    def value(self, u: float) -> float:
        """Return the value at a number within (0, 1)."""


@dataclass(frozen=True, slots=True)
class _Constant:
    """Always the same value."""

    seconds: float

    def value(self, _: float) -> float:
        """Return the value."""
        return self.seconds


class Uniform(ApiModel):
    """Any value between two with the same probability."""

    low: Duration = Field(alias="from", description="The least value.")
    high: Duration = Field(alias="to", description="The greatest value.")

    def value(self, u: float) -> float:
        """Return the value at `u`."""
        return self.low + u * (self.high - self.low)

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.high < self.low:
            raise wrong("must not be less than from", "from", at="to")
        return self


class Exponential(ApiModel):
    """Times between events that come at random: many short ones, few long ones."""

    mean: Duration = Field(description="The mean.")

    def value(self, u: float) -> float:
        """Return the value at `u`."""
        return -self.mean * math.log1p(-u)


class Lognormal(ApiModel):
    """Durations of work and of answers: most near the median, some many times as long."""

    median: Duration = Field(description="Half of the values are less.")
    p90: Duration = Field(description="Nine of ten values are less.")

    def value(self, u: float) -> float:
        """Return the value at `u`."""
        return self.median * math.exp(self._sigma * NORMAL.inv_cdf(u))

    @cached_property
    def _sigma(self) -> float:
        return math.log(self.p90 / self.median) / Z90 if self.median else 0.0

    @model_validator(mode="after")
    def _rises(self) -> Self:
        if self.p90 < self.median:
            raise wrong("must not be less than median", "median", at="p90")
        return self


class Weibull(ApiModel):
    """Times to a failure: with a shape under 1 most fail early, over 1 they wear out."""

    scale: Duration = Field(description="63 % of the values are less.")
    shape: Shape = Field(description="Under 1 for early failures, 1 for an exponential distribution, over 1 for wear.")

    def value(self, u: float) -> float:
        """Return the value at `u`."""
        return self.scale * math.pow(-math.log1p(-u), 1 / self.shape)


class _Empirical:
    """Measured values. Those between two neighbours are as probable as each of them."""

    def __init__(self, values: tuple[float, ...]) -> None:
        self._rising = sorted(values)

    def value(self, u: float) -> float:
        """Return the value at `u`, between two neighbours by its distance to each."""
        last = len(self._rising) - 1
        below = min(int(u * last), last)
        above = min(below + 1, last)
        return self._rising[below] + (u * last - below) * (self._rising[above] - self._rising[below])


class Distribution(ApiModel):
    """A distribution of durations in seconds: one of the fields, or just a number for a constant."""

    constant: Duration | None = Field(default=None, description="Always this value. A number alone means the same.")
    uniform: Uniform | None = Field(default=None, description=Uniform.__doc__)
    exponential: Exponential | None = Field(default=None, description=Exponential.__doc__)
    lognormal: Lognormal | None = Field(default=None, description=Lognormal.__doc__)
    weibull: Weibull | None = Field(default=None, description=Weibull.__doc__)
    empirical: Annotated[tuple[Duration, ...], Field(min_length=1, max_length=MAX_VALUES)] | None = Field(
        default=None, description="Measured values, or quantiles at equal distances from the least to the greatest."
    )
    mixture: Annotated[tuple[Part, ...], Field(min_length=1, max_length=MAX_PARTS)] | None = Field(
        default=None, description="Several distributions, each with its weight."
    )

    def sample(self, u: float) -> float:
        """Return the value at a uniform number within (0, 1): seconds, in whole milliseconds.

        It rises with `u`, but for a mixture, whose part `u` chooses first.
        """
        value = self._kind.value(min(max(u, EDGE), 1 - EDGE))
        return round(min(value, MAX_SECONDS), DECIMALS)

    @cached_property
    def _kind(self) -> _Kind:
        if self.constant is not None:
            return _Constant(self.constant)
        if self.empirical is not None:
            return _Empirical(self.empirical)
        if self.mixture is not None:
            return _Mixture(self.mixture)
        return self.uniform or self.exponential or self.lognormal or self.weibull or _Constant(0.0)

    @model_validator(mode="before")
    @classmethod
    def _number_is_constant(cls, given: Any) -> Any:
        """Read a bare number as a constant. A text such as 5m is refused with an example."""
        if isinstance(given, int | float) and not isinstance(given, bool):
            if not 0 <= given <= MAX_SECONDS:
                raise wrong(f"must be a number of seconds from 0 to {MAX_SECONDS}")
            return {"constant": given}
        if isinstance(given, Distribution):
            return given
        if not isinstance(given, dict):
            raise wrong(f"is no duration: {EXAMPLE}")
        # Strict validation of a value that a validator has seen takes no list for a tuple.
        return {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}

    @model_validator(mode="after")
    def _has_one(self) -> Self:
        count = sum(getattr(self, name) is not None for name in type(self).model_fields)
        if count != 1:
            raise wrong(f"has {count} distributions, and needs exactly one: {EXAMPLE}")
        if self.mixture and not any(part.weight for part in self.mixture):
            raise wrong("has no part with a weight above 0", at="mixture")
        return self


class Part(ApiModel):
    """One distribution of a mixture."""

    weight: Weight = Field(description="Its weight: the share of the values that it has, in any unit.")
    of: Distribution = Field(description="The distribution.")


class _Mixture:
    """Several distributions, each with its weight."""

    def __init__(self, parts: tuple[Part, ...]) -> None:
        self._parts = [(part.weight, part.of) for part in parts]

    def value(self, u: float) -> float:
        """Return the value of the part that `u` chooses, at the place of `u` within it."""
        part, within = pick(self._parts, u)
        return part.sample(within)


def constant(seconds: float) -> Distribution:
    """Return the distribution that is always `seconds`."""
    return Distribution(constant=seconds)
