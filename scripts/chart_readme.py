"""The table of values in the chart's README, from the comments of values.yaml."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

DESCRIBED = re.compile(r"\s*# -- (.+)")
CONTINUED = re.compile(r"\s*# ?(.*)")
KEY = re.compile(r"( *)([A-Za-z]\w*):")
LONGEST = 60
"""A longer default is left to values.yaml."""


def table(values: str) -> str:
    """Return the Markdown table of the described values in the text of values.yaml."""
    rows = [f"| `{path}` | {text} | {default} |\n" for path, text, default in _described(values)]
    return "| Value | | Default |\n|---|---|---|\n" + "".join(rows)


def _described(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield the path, the description and the default of each value that has a description."""
    values, path, comment = yaml.safe_load(text), list[str](), list[str]()
    for line in text.splitlines():
        if found := DESCRIBED.match(line):
            comment = [found[1]]
        elif comment and (found := CONTINUED.fullmatch(line)):
            comment.append(found[1])
        elif found := KEY.match(line):
            path = [*path[: len(found[1]) // 2], found[2]]
            if comment:
                yield ".".join(path), " ".join(comment).replace("|", r"\|"), _default(values, path)
            comment = []


def _default(values: dict[str, Any], path: list[str]) -> str:
    """Return a default as YAML on one line."""
    found: Any = values
    for name in path:
        found = found[name]
    if found in ("", [], {}):
        return ""
    shown = found if isinstance(found, str) else json.dumps(found)
    return f"`{shown}`" if len(shown) <= LONGEST else "see values.yaml"
