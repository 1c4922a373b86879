"""A sweep: one field of the policies or of the scenario takes several values, and all else stays."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Any, TypeVar

from controller.api import strict_file
from controller.api.base import ApiModel, dump
from controller.api.hints import CLOSE
from controller.api.policy import RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.spelling import Spelling
from controller.api.strict_file import FileRefused
from controller.simulation.pool import Case
from controller.simulation.scenario import Scenario

MIN_VALUES, MAX_VALUES = 2, 50
EXAMPLE = "health.activityStalledSeconds=600,1800,3600"

M = TypeVar("M", bound=ApiModel)


class SweepRefused(FileRefused):
    """A sweep that cannot be made: an unknown field, or a value that the field does not take."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """A field by its path, as the user wrote it, and its values. `of_scenario` says whose field it is."""

    field: str
    values: tuple[Any, ...]
    of_scenario: bool

    def cases(self, base: Case) -> list[Case]:
        """Return the case with each value. Raises SweepRefused."""
        return [self._case(base, value) for value in self.values]

    def _case(self, base: Case, value: Any) -> Case:
        if self.of_scenario:
            return Case(self._set(base.scenario, value), base.policy)
        return Case(base.scenario, ResolvedPolicy.of(base.policy.name, self._set(base.policy.spec, value)))

    def _set(self, model: M, value: Any) -> M:
        """Return the model with the field set to a value."""
        spelling = Spelling(())
        given = spelling.canonical(_nested(self.field.split("."), value), type(model))
        merged = _merged(dump(model), given, self.field.count("."))
        return strict_file.read_model(type(model), merged, spelling, SweepRefused)


def parse_sweep(text: str) -> Sweep:
    """Return the sweep that `FIELD=v1,v2,...` describes; a value is written as in a file. Raises SweepRefused."""
    field, equals, listed = text.partition("=")
    if not equals or not field:
        raise SweepRefused.of(text, f"is no sweep: write a field and its values, for example {EXAMPLE}")
    values = strict_file.load(f"[{WORDS.sub(_quoted, listed)}]", SweepRefused)
    if not MIN_VALUES <= len(values) <= MAX_VALUES:
        message = f"has {len(values)} values: write {MIN_VALUES} to {MAX_VALUES}, for example {EXAMPLE}"
        raise SweepRefused.of(field, message)
    return Sweep(field, tuple(values), _is_of_scenario(field))


WORDS = re.compile(r"(?<![^,\s])(on|off|yes|no)(?![^,\s])", re.IGNORECASE)
"""Words that YAML reads as booleans. They are values of fields such as `reporter`; a boolean field takes true and false."""


def _quoted(found: re.Match[str]) -> str:
    return f'"{found[0]}"'


def _is_of_scenario(field: str) -> bool:
    """Whether a field is the scenario's, not a policy's. `reporter` is a policy's, `reporter.outagesPerDay` a scenario's."""
    first, _, rest = field.partition(".")
    of_policy, of_scenario = _names(RunPolicySpec), _names(Scenario)
    if first in of_scenario and (rest or first not in of_policy):
        return True
    if first not in of_policy:
        near = difflib.get_close_matches(first, [*of_policy, *of_scenario], n=1, cutoff=CLOSE)
        hint = f"did you mean {near[0]}?" if near else f"name one of a policy, or of a scenario: {', '.join(sorted(of_scenario))}"
        raise SweepRefused.of(field, f"unknown field: {hint}")
    return False


def _names(model: type[ApiModel]) -> set[str]:
    return {*model.model_fields, *(str(field.alias) for field in model.model_fields.values())}


def _nested(path: list[str], value: Any) -> dict[str, Any]:
    for name in reversed(path):
        value = {name: value}
    found: dict[str, Any] = value
    return found


def _merged(base: dict[str, Any], given: dict[str, Any], depth: int) -> dict[str, Any]:
    """Return the base with the given value in its place, which is `depth` objects deep."""
    result = dict(base)
    for name, value in given.items():
        inner = result.get(name)
        result[name] = _merged(inner if isinstance(inner, dict) else {}, value, depth - 1) if depth else value
    return result
