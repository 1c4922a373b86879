"""Reads the operator's policy file: a RunPolicy's spec as YAML or JSON, a whole RunPolicy, or the seed's snake_case JSON."""

from __future__ import annotations

import difflib
from typing import Any

from pydantic import BaseModel, ValidationError

from controller import strict_yaml
from controller.api.base import parse
from controller.api.llm_policy import LLM, LLMMode
from controller.api.policy import RunPolicySpec
from controller.api.violations import Refused, Violation, from_pydantic, violation

SEED_KEY = "operator"
"""The seed's JSON may be wrapped in this key."""


class PolicyFileError(Refused):
    """An invalid policy file. Each violation has its path, value and remedy."""

    @classmethod
    def of(cls, path: str, message: str) -> PolicyFileError:
        """Return an error about the whole file or one place in it."""
        return cls([violation(path, None, message)])


def parse_policy_file(text: str) -> RunPolicySpec:
    """Return the policy that a file describes; an empty file means the defaults.

    Raises PolicyFileError for any fault in it.
    """
    given = strict_yaml.load(text, PolicyFileError.of)
    values = _camel(_mode(_unwrap({} if given is None else given)), RunPolicySpec, "")
    try:
        return parse(RunPolicySpec, values)
    except ValidationError as error:
        raise PolicyFileError(_readable(error)) from error
    except ValueError as error:
        raise PolicyFileError.of("file", f"cannot be read: {error}") from error


def _unwrap(given: Any) -> dict[str, Any]:
    """Return the values inside the seed's enclosing key or inside a RunPolicy object."""
    if not isinstance(given, dict):
        raise PolicyFileError.of("file", "must be an object such as {restartBudget: 3}")
    if set(given) == {SEED_KEY}:
        return _unwrap(given[SEED_KEY] if given[SEED_KEY] is not None else {})
    if given.get("kind") == "RunPolicy":
        return _unwrap(given.get("spec") or {})
    return given


def _mode(values: dict[str, Any]) -> dict[str, Any]:
    """Read the seed's lower-case modes, and a bare `off`, which YAML parses as a boolean."""
    llm = values.get("llm")
    if not isinstance(llm, dict) or "mode" not in llm:
        return values
    mode = "off" if llm["mode"] is False else llm["mode"]
    known = {mode.value.lower(): mode.value for mode in LLMMode}
    if isinstance(mode, str) and mode in {*known, *known.values()}:
        return {**values, "llm": {**llm, "mode": known.get(mode, mode)}}
    raise PolicyFileError([violation("llm.mode", llm["mode"], "must be off, assist or auto")])


def _camel(values: dict[str, Any], model: type[BaseModel], path: str) -> dict[str, Any]:
    """Accept each field by its camelCase or its snake_case name, but not both. Refuse unknown fields and suggest a similar name."""
    known = {name: str(field.alias or name) for name, field in model.model_fields.items()}
    result: dict[str, Any] = {}
    for key, value in values.items():
        alias = known.get(key, key)
        where = f"{path}{key}"
        if alias not in known.values():
            raise PolicyFileError([violation(where, value, _unknown(key, known))])
        if alias in result:
            raise PolicyFileError.of(where, f"is set twice, as {alias} and in snake_case: keep one")
        inner = LLM if alias == "llm" else None
        result[alias] = _camel(value, inner, f"{where}.") if inner and isinstance(value, dict) else value
    return result


def _unknown(key: str, known: dict[str, str]) -> str:
    near = difflib.get_close_matches(key, [*known, *known.values()], n=1)
    return (
        f"unknown field: did you mean {near[0]}?"
        if near
        else f"unknown field: known fields are {', '.join(sorted(known.values()))}"
    )


def _readable(error: ValidationError) -> tuple[Violation, ...]:
    return from_pydantic(error, "")
