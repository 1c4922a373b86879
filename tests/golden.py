"""Golden files in a readable form: texts as blocks, long repetitions as a text and a count."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import yaml

WIDTH = 132
"""As the line length of the code."""
LONG = 20
"""At least this many equal lines in a row are written as a repetition."""


class _Dumper(yaml.SafeDumper):
    """YAML with each text of several lines as a block."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)


def dump(document: Any, *, width: float = WIDTH, sort_keys: bool = False) -> str:
    """Return a document in the form of a golden file."""
    return yaml.dump(document, Dumper=_Dumper, sort_keys=sort_keys, width=width, allow_unicode=True)


def expand(value: Any) -> Any:
    """Return the long text or list that a case describes; any other value unchanged."""
    match value:
        case {"$repeat": [text, count]}:
            return text * count
        case {"$join": parts}:
            return "".join(map(expand, parts))
        case {"$list": [item, count]}:
            return [expand(item)] * count
        case {"$agents": count}:
            return [{"name": f"a{number}", "image": "x"} for number in range(count)]
    return value


def shorten(text: str) -> Any:
    """Return a description of a text with long runs of equal lines, which `expand` turns into the text; any other text
    unchanged.
    """
    parts: list[Any] = []
    for line, run in groupby(text.splitlines(keepends=True)):
        count = len(list(run))
        if count >= LONG:
            parts.append({"$repeat": [line, count]})
        elif parts and isinstance(parts[-1], str):
            parts[-1] += line * count
        else:
            parts.append(line * count)
    return text if all(isinstance(part, str) for part in parts) else {"$join": parts}
