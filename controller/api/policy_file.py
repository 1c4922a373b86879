"""Reads the operator's policy file: a RunPolicy's spec as YAML or JSON, a whole RunPolicy, or the seed's snake_case JSON."""

from __future__ import annotations

from typing import Any

from controller.api import strict_file
from controller.api.llm_policy import LLMMode
from controller.api.names import API_VERSION
from controller.api.policy import RunPolicySpec
from controller.api.spelling import Spelling
from controller.api.strict_file import FileRefused
from controller.api.violations import found, limited, violation
from controller.strict import strict_yaml

SEED_KEY = "operator"
"""The seed's JSON may be wrapped in this key."""
KIND = "RunPolicy"
OBJECT_KEYS = frozenset({"apiVersion", "kind", "metadata", "spec", "status"})
MODES = {mode.value.lower(): mode.value for mode in LLMMode}


class PolicyFileError(FileRefused):
    """An invalid policy file. Each violation has its path, value and remedy."""


def read_policy_file(data: bytes) -> RunPolicySpec:
    """Return the policy that a file's bytes describe; see `parse_policy_file`."""
    return parse_policy_file(strict_file.text_of(data, PolicyFileError))


def parse_policy_file(text: str) -> RunPolicySpec:
    """Return the policy that a file describes; an empty file means the defaults.

    Raises PolicyFileError for any fault in it, with every violation.
    """
    values, spelling = _unwrap(strict_file.load(text, PolicyFileError))
    values = _mode(spelling.canonical(values, RunPolicySpec), spelling)
    return strict_file.read_model(RunPolicySpec, values, spelling, PolicyFileError)


def _unwrap(given: Any) -> tuple[dict[str, Any], Spelling]:
    """Return the values inside the seed's enclosing key or inside a RunPolicy object, and the spelling of their paths."""
    file = _object(strict_yaml.FILE, given)
    if SEED_KEY in file:
        _only(file, frozenset({SEED_KEY}), f"stands beside {SEED_KEY}: move it into {SEED_KEY}")
        return _object(SEED_KEY, file[SEED_KEY]), Spelling((SEED_KEY,), snake=True)
    if file.keys() & {"kind", "apiVersion", "spec"}:
        return _spec(file), Spelling(("spec",))
    return file, Spelling(())


def _spec(file: dict[str, Any]) -> dict[str, Any]:
    """Return the spec of a RunPolicy object."""
    _only(file, OBJECT_KEYS, "stands beside spec: move it into spec")
    for field, expected in (("apiVersion", API_VERSION), ("kind", KIND)):
        if file.get(field, expected) != expected:
            raise PolicyFileError.of(field, f"must be {expected}", file[field])
    if "spec" not in file:
        raise PolicyFileError.of("spec", "this field is required; an empty object, {}, means the defaults")
    return _object("spec", file["spec"])


def _object(path: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        example = "{restart_budget: 3}" if path == SEED_KEY else "{restartBudget: 3}"
        raise PolicyFileError([found(path, value, f"must be an object such as {example}; an empty one, {{}}, means the defaults")])
    return value


def _only(file: dict[str, Any], known: frozenset[str], message: str) -> None:
    """Refuse keys beside the known ones: they would be without effect."""
    if others := [violation(key, value, message) for key, value in file.items() if key not in known]:
        raise PolicyFileError(limited(others, strict_yaml.FILE))


def _mode(values: dict[str, Any], spelling: Spelling) -> dict[str, Any]:
    """Read the seed's lower-case modes, and a bare `off`, which YAML parses as a boolean."""
    llm = values.get("llm")
    if not isinstance(llm, dict) or "mode" not in llm:
        return values
    given = llm["mode"]
    mode = "off" if given is False else given
    known = MODES.get(mode.lower()) if isinstance(mode, str) and mode in (*MODES, *MODES.values()) else None
    if known is None:
        spelling.violations.append(violation(spelling.place(("llm", "mode")), given, "must be off, assist or auto"))
    return {**values, "llm": {**llm, "mode": known}}
