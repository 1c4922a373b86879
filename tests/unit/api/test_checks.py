"""The cost of a check: it stops at a number of findings and computes hints for those only."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from controller.api.base import MAX_TEXT, ApiModel, Name, parse
from controller.api.checks import check_run, parse_run_spec
from controller.api.crd.opened import opened
from controller.api.fitting import misfits
from controller.api.scheduling import AFFINITY, SPREAD, TOLERATIONS
from controller.api.shapes import Items, Leaf, text
from controller.api.template import TEMPLATE, template_hint
from controller.api.violations import MAX_VIOLATIONS, MESSAGE_LIMIT, PATH_LIMIT, from_pydantic, limited

MANY = 75_000
"""Unknown fields that a Run of 1.3 MB has room for."""

CONTAINERS = [{"name": "agent", "image": "x"}]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)


class Counted(dict[str, Any]):
    """A map that counts how many of its entries were looked at."""

    looked_at = 0

    def items(self) -> Any:
        """Return the entries, each counted."""
        for entry in super().items():
            self.looked_at += 1
            yield entry


def run(**spec: Any) -> Any:
    """Return the spec of a Run with this template."""
    return parse_run_spec({"spec": {"agents": [{"name": "coder", "template": {"spec": {"containers": CONTAINERS, **spec}}}]}})


def test_hints_are_worked_out_for_what_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Run with 75,000 unknown fields costs only the hints that are shown; the message reports that there are more."""
    hints = Mock(wraps=difflib.get_close_matches)
    monkeypatch.setattr(difflib, "get_close_matches", hints)
    violations = check_run(run(**{f"affinity{number}": 1 for number in range(MANY)}))
    assert hints.call_count <= MAX_VIOLATIONS + 1
    assert len(violations) == MAX_VIOLATIONS + 1
    assert violations[0].message == "this field is not allowed: did you mean affinity?"
    assert violations[-1].message == f"has more than these {MAX_VIOLATIONS} refused fields: fix them to see the rest"


def test_looking_stops_with_the_last_finding_that_is_shown() -> None:
    """Fields after the last shown finding are not looked at."""
    given_spec = Counted({f"x{number}": number for number in range(MANY)})
    limited(misfits({"spec": given_spec}, TEMPLATE, "template", template_hint), "spec")
    assert given_spec.looked_at <= MAX_VIOLATIONS + 1


def test_a_few_findings_are_all_there_is() -> None:
    """The message mentions further findings only if there are some."""
    violations = check_run(run(**{f"x{number}": 1 for number in range(MAX_VIOLATIONS)}))
    assert len(violations) == MAX_VIOLATIONS
    assert all("this field is not allowed" in violation.message for violation in violations)


@pytest.mark.parametrize("count", [10, 1000])
def test_each_value_is_judged_once(count: int) -> None:
    """The work grows linearly with the object, not with its square."""
    judge = Mock(return_value="")
    shape = Items({"value": Leaf((int,), judge)})
    assert list(misfits([{"value": number} for number in range(count)], shape, "x", template_hint)) == []
    assert [call.args[0] for call in judge.call_args_list] == list(range(count))


def test_long_names_are_cut_in_paths_and_messages() -> None:
    """A field name of a megabyte is not repeated in the status, Events and logs."""
    violations = check_run(run(**{"x" * 1_000_000: "y" * 1_000_000}))
    assert len(violations[0].path) <= PATH_LIMIT
    assert len(violations[0].message) <= MESSAGE_LIMIT <= MAX_TEXT
    assert len(str(violations[0])) < PATH_LIMIT + MESSAGE_LIMIT + MAX_TEXT


class Listed(ApiModel):
    """A list that must not be empty."""

    names: tuple[Name, ...] = Field(min_length=1)


def test_of_pydantics_findings_the_first_are_shown() -> None:
    """A list of ten thousand wrong names is not reported as too short, and has as few findings as any other."""
    with pytest.raises(ValidationError) as error:
        parse(Listed, {"names": ["?"] * 10_000})
    violations = from_pydantic(error.value, "spec")
    assert len(violations) == MAX_VIOLATIONS + 1
    assert {violation.path.split("[")[0] for violation in violations} == {"spec.names", "spec"}


@given(JSON)
def test_no_value_breaks_the_check_of_a_typed_part(value: object) -> None:
    """Every value that an API server without the schema would accept becomes a finding."""
    for part in (AFFINITY, TOLERATIONS, SPREAD):
        assert len(limited(misfits(value, part, "x", template_hint), "x")) <= MAX_VIOLATIONS + 1


def test_depth_costs_nothing() -> None:
    """Untyped values are not looked into, however deeply they are nested."""
    deep: Any = {}
    for _ in range(100_000):
        deep = {"nodeAffinity": deep}
    (found,) = misfits(deep, AFFINITY, "affinity", template_hint)
    assert found.path == "affinity.nodeAffinity.nodeAffinity"
    while deep:
        deep = deep.pop("nodeAffinity")


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Return every node of a schema with its path."""
    yield path, schema
    for name, below in schema.get("properties", {}).items():
        yield from nodes(below, f"{path}.{name}")
    for below in (schema.get("items"), schema.get("additionalProperties")):
        if isinstance(below, dict):
            yield from nodes(below, f"{path}[]")


TYPED_PARTS = (".spec.tolerations", ".spec.affinity", ".spec.topologySpreadConstraints")
BOUND = {"string": "maxLength", "integer": "maximum", "array": "maxItems"}


def test_the_typed_parts_of_a_template_are_closed_and_bounded() -> None:
    """Three parts of an otherwise open template have a schema: no field in them is unbounded or keeps unknown fields, unlike
    those around them.
    """
    schema = opened("Run.spec.agents[].template")
    found = {path: node for path, node in nodes(schema) if path.startswith(TYPED_PARTS)}
    assert set(TYPED_PARTS) <= set(found)
    assert {path for path, node in nodes(schema) if "x-kubernetes-preserve-unknown-fields" in node} == {"", ".spec"}
    for path, node in found.items():
        assert BOUND.get(node["type"], "type") in node, path
        assert node["type"] != "object" or "properties" in node or "maxProperties" in node, path


def test_a_part_without_bounds_has_no_schema() -> None:
    """An unbounded list in a typed part is a mistake in our code."""
    with pytest.raises(ValueError, match="has no bounds"):
        opened.__globals__["_schema"](Items(text(5)), "pod.spec")
