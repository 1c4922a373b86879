"""No field of a user's object can name an object of another namespace."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from controller.api.crd.kinds import build_crds
from controller.api.shapes import Items, Leaf, Typed, Values
from controller.api.template import TEMPLATE

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
    elif not isinstance(shape, Leaf):
        yield from shape
        for below in shape.values():
            yield from fields(below)


@pytest.mark.parametrize("crd", CRDS, ids=lambda crd: crd["spec"]["names"]["kind"])
def test_no_field_of_ours_takes_a_namespace(crd: dict[str, Any]) -> None:
    """No field is called namespace, and names of objects cannot contain a slash, so `other/name` is invalid too."""
    found = dict(paths(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]))
    assert found
    assert not [path for path in found if "namespace" in path.lower()]
    referring = crd["spec"]["names"]["kind"] in ("Run", "RunPolicy")
    refers = re.compile(r"(\w+Ref\.name|\.secretName|\.storageClassName)$")
    names = {path: at for path, at in found.items() if refers.search(path)}
    assert bool(names) == referring
    assert all("pattern" in at and not re.search(at["pattern"], "other/name") for at in names.values()), names


def test_a_pod_template_takes_no_namespace() -> None:
    """Neither the template's metadata nor a volume or variable in it names a namespace."""
    assert "secretName" in set(fields(TEMPLATE))
    assert not [name for name in fields(TEMPLATE) if "namespace" in name.lower()]
