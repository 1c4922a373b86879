"""The manifests of docs/recipes.md."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from controller.api.base import JsonObject

PAGE = Path(__file__).parent.parent / "docs/recipes.md"
BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.DOTALL | re.MULTILINE)


def recipe(title: str, namespace: str) -> list[JsonObject]:
    """Return the objects of the recipe under a heading, in a test's namespace in place of the page's."""
    section = PAGE.read_text().split(f"\n## {title}\n")[1].split("\n## ")[0]
    text = re.sub(r"\bteam\b", namespace, "---\n".join(BLOCK.findall(section)))
    return list(yaml.safe_load_all(text))


def of_kind(objects: list[JsonObject], kind: str) -> Any:
    """Return the only object of a kind."""
    (found,) = [each for each in objects if each["kind"] == kind]
    return found
