"""The CRD generator: its output is up to date and bounded, and it refuses models that it cannot express."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pydantic import Field

from controller.api.advice import AdvisedIntent
from controller.api.base import ApiModel, Name
from controller.api.crd import build_crds, render
from controller.api.crd.schema import SchemaError, structural
from controller.api.crd.validations import RULES
from controller.api.escalation import EscalationSpec
from controller.cli import main

ROOT = Path(__file__).parent.parent.parent.parent


class NoBounds(ApiModel):
    """An unbounded text."""

    text: str = Field(description="A text without bounds.")


class NoDescription(ApiModel):
    """A field without a description."""

    name: Name


class Choice(ApiModel):
    """A choice of types."""

    value: int | str = Field(description="Either.")


class OpenList(ApiModel):
    """A list without end."""

    names: tuple[Name, ...] = Field(description="Names.")


class OpenMap(ApiModel):
    """A map without end."""

    names: dict[Name, Name] = Field(description="Names.")


class Fraction(ApiModel):
    """A floating-point number, which Kubernetes' API conventions advise against."""

    share: float = Field(description="A share.", ge=0, le=1)


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (NoBounds, "x.text: a string needs bounds"),
        (NoDescription, "x.name: a field needs a description"),
        (Choice, "x.value: a CRD cannot express a choice of types"),
        (OpenList, "x.names: a array needs bounds"),
        (OpenMap, "x.names: a map needs a maximum size"),
        (Fraction, "x.share: a CRD cannot express the type 'number'"),
    ],
)
def test_refused(model: type[ApiModel], says: str) -> None:
    """The generator raises, with the path, on everything that it cannot express."""
    with pytest.raises(SchemaError, match=says):
        structural(model, "x", by_users=True)


def test_checked_in_files_are_up_to_date() -> None:
    """crds/ matches the models exactly."""
    for name, crd in build_crds().items():
        assert (ROOT / "crds" / name).read_text() == render(crd)


def test_every_validation_stands_somewhere() -> None:
    """No CEL rule is written for a path that no model has."""
    text = "".join(map(render, build_crds().values()))
    for rules in RULES.values():
        for _, message in rules:
            assert message.split(":")[0] in " ".join(text.split())


def test_columns_are_as_the_api_server_stores_them() -> None:
    """It drops `priority: 0`, which GitOps tools would then show as a difference for ever."""
    versions = [version for crd in build_crds().values() for version in crd["spec"]["versions"]]
    columns = [column for version in versions for column in version["additionalPrinterColumns"]]
    assert {column.get("priority") for column in columns} == {None, 1}


def test_check_tells_of_drift(tmp_path: Path) -> None:
    """`runwatchman crds --check` exits 1 with a diff for a stale or an unknown file, and 0 if all are up to date."""
    runner = CliRunner()
    assert runner.invoke(main, ["crds", "--output", str(tmp_path)]).exit_code == 0
    assert runner.invoke(main, ["crds", "--check", str(tmp_path)]).exit_code == 0
    stale = tmp_path / "runwatchman.dev_runs.yaml"
    stale.write_text(stale.read_text().replace("Restarts", "Reboots"))
    (tmp_path / "stranger.yaml").write_text("")
    done = runner.invoke(main, ["crds", "--check", str(tmp_path)])
    assert done.exit_code == 1
    assert "+    - name: Restarts" in done.output
    assert "stranger.yaml: generated from no model; delete it" in done.output


def test_names_follow_the_conventions() -> None:
    """Fields are camelCase and integers have 64 bits. Enums are CamelCase, except for the intents, which are an older contract."""

    def walk(node: Any, path: str) -> None:
        if not isinstance(node, dict):
            return
        for name, child in node.get("properties", {}).items():
            assert name[0].islower(), f"{path}.{name}"
            assert "_" not in name, f"{path}.{name}"
            walk(child, f"{path}.{name}")
        for value in node.get("enum", []):
            assert value[0].isupper() or value in set(AdvisedIntent), f"{path}: {value}"
        if node.get("type") == "integer":
            assert node["format"] == "int64", path
        walk(node.get("items"), f"{path}[]")

    for name, crd in build_crds().items():
        walk(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"], name)


def test_what_is_asked_cannot_be_changed() -> None:
    """A rule makes each field of an escalation but the response immutable, so that a new field cannot be forgotten."""
    fields = {field.alias for field in EscalationSpec.model_fields.values()} - {"response"}
    said = {message for _, message in RULES["Escalation.spec"]}
    assert {f"{field} is immutable" for field in fields} <= said


def numbers(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return each number of a schema; an item has its list's description."""
    if schema.get("type") == "integer":
        yield path, schema
    for name, field in schema.get("properties", {}).items():
        yield from numbers(field, f"{path}.{name}")
    if "items" in schema:
        yield from numbers({"description": schema.get("description"), **schema["items"]}, f"{path}[]")


@pytest.mark.parametrize("kind", ["runpolicies", "runs"])
def test_numbers_are_described_with_their_whole_range(kind: str) -> None:
    """`kubectl explain` shows both bounds of each number, where the API server's refusal shows only one. Pods' own are excepted."""
    schema = build_crds()[f"runwatchman.dev_{kind}.yaml"]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    ours = [(path, field) for path, field in numbers(schema["properties"]["spec"], "spec") if ".template." not in path]
    assert ours
    for path, field in ours:
        assert {str(field["minimum"]), str(field["maximum"])} <= set(re.findall(r"\d+", field["description"])), path
