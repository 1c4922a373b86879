"""No field of a user's object can name an object of another namespace."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from controller.api.crd.kinds import build_crds
from controller.api.shapes import Items, Leaf, Typed, Unset, Values
from controller.api.template import TEMPLATE
from controller.facts.runs import run_facts

CRDS = list(build_crds().values())


def paths(schema: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Return every property of a schema with its path."""
    for name, found in schema.get("properties", {}).items():
        yield f"{at}.{name}", found
        yield from paths(found, f"{at}.{name}")
    for below in (schema.get("items"), schema.get("additionalProperties")):
        if isinstance(below, dict):
            yield from paths(below, f"{at}[]")


def fields(shape: Any) -> Iterator[str]:
    """Return the name of every field that a pod template may have."""
    if isinstance(shape, Items | Values | Typed):
        yield from fields(shape.shape)
    elif not isinstance(shape, Leaf | Unset):
        yield from shape
        for below in shape.values():
            yield from fields(below)


@pytest.mark.parametrize("crd", CRDS, ids=lambda crd: crd["spec"]["names"]["kind"])
def test_no_field_of_ours_takes_a_namespace(crd: dict[str, Any]) -> None:
    """No field is called namespace, and names of objects cannot contain a slash, so `other/name` is invalid too."""
    found = dict(paths(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]))
    assert found
    assert not [path for path in found if "namespace" in path.lower()]
    referring = crd["spec"]["names"]["kind"] in ("Run", "RunPolicy", "Provider")
    refers = re.compile(r"(\w+Ref\.name|\.secretName|\.storageClassName)$")
    names = {path: at for path, at in found.items() if refers.search(path)}
    assert bool(names) == referring
    assert all("pattern" in at and not re.search(at["pattern"], "other/name") for at in names.values()), names


def test_a_pod_template_takes_no_other_namespace() -> None:
    """No volume, variable or rule of a template names a namespace. That of its metadata may only repeat the Run's own."""
    assert "secretName" in set(fields(TEMPLATE))
    assert [name for name in fields(TEMPLATE) if name.lower().startswith("namespace")] == ["namespace"]
    metadata = {"namespace": "theirs"}
    template = {"metadata": metadata, "spec": {"containers": [{"name": "agent", "image": "x"}]}}
    run = {"metadata": {"name": "r", "namespace": "ours", "uid": "u"}, "spec": {"agents": [{"name": "a", "template": template}]}}
    assert [found.path for found in run_facts(run).violations] == ["spec.agents[0].template.metadata.namespace"]
    metadata["namespace"] = "ours"
    assert run_facts(run).violations == ()
