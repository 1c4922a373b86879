"""Pure: RunPolicies with their resolved values, and where each value comes from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pydantic import BaseModel

from controller.api.base import dump, parse
from controller.api.policy import DEFAULT_POLICY_NAME, RunPolicySpec
from controller.cli.rw.kubectl_errors import Denied
from controller.cli.rw.objects import JsonObject, name_of, namespace_of
from controller.cli.web.pages.run_figures import RunFigures
from controller.cli.web.pages.unreadable import violations_of

UNREADABLE = "this RunPolicy cannot be read: {}. Its Runs keep the values that were in force; correct the field that is named"


class Value(NamedTuple):
    """A field by its path, its value, whether the policy sets it, and its meaning."""

    path: str
    value: str
    set: bool
    meaning: str


@dataclass(frozen=True, slots=True)
class PolicyCard:
    """A RunPolicy: the Runs that it governs, its values, and the reason why it cannot be read, if so."""

    namespace: str
    name: str
    is_default: bool
    runs: int
    live: int
    values: tuple[Value, ...]
    problem: str


@dataclass(frozen=True, slots=True)
class PoliciesPage:
    """All data of the page. `others` are policies of the operator itself, by name, with the number of their Runs."""

    policies: tuple[PolicyCard, ...]
    others: tuple[tuple[str, int], ...]
    denied: tuple[Denied, ...]


def policies_page(policies: Sequence[JsonObject], runs: Sequence[RunFigures], denied: Sequence[Denied]) -> PoliciesPage:
    """Return the data of the page."""
    every = Counter((run.namespace, run.policy) for run in runs)
    live = Counter((run.namespace, run.policy) for run in runs if run.live)
    known = sorted(policies, key=lambda policy: (namespace_of(policy), name_of(policy)))
    names = {(namespace_of(policy), name_of(policy)) for policy in known}
    rest = Counter(run.policy for run in runs if run.policy and (run.namespace, run.policy) not in names)
    return PoliciesPage(tuple(_card(policy, every, live) for policy in known), tuple(rest.most_common()), tuple(denied))


def _card(policy: JsonObject, every: Counter[tuple[str, str]], live: Counter[tuple[str, str]]) -> PolicyCard:
    key, spec = (namespace_of(policy), name_of(policy)), policy.get("spec", {})
    values, problem = values_of(spec)
    return PolicyCard(*key, key[1] == DEFAULT_POLICY_NAME, every[key], live[key], values, problem)


def values_of(spec: JsonObject) -> tuple[tuple[Value, ...], str]:
    """Return each field of a policy, those that it sets first; and a problem in place of them if it cannot be read."""
    if wrong := violations_of("RunPolicy", {"spec": spec}):
        return (), UNREADABLE.format(wrong[0])
    resolved = dump(parse(RunPolicySpec, spec))
    given, meanings = dict(_flat(spec, "")), dict(_meanings(RunPolicySpec, ""))
    found = [Value(path, _shown(value), path in given, meanings.get(path, "")) for path, value in _flat(resolved, "")]
    return tuple(sorted(found, key=lambda value: not value.set)), ""


def _flat(obj: JsonObject, prefix: str) -> Iterator[tuple[str, object]]:
    """Yield the leaves of an object by their paths. An empty object is a leaf."""
    for key, value in obj.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _meanings(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str]]:
    """Yield the description of each field by its path."""
    for name, field in model.model_fields.items():
        path, inner = prefix + (field.alias or name), field.annotation
        yield path, field.description or ""
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _meanings(inner, f"{path}.")


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
