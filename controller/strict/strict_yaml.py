"""A strict YAML (and so JSON) reader for configuration files.

It refuses duplicate keys and keys that are not strings. Numbers are decimal: 010, 0x10, 1:30, 1_000 and 1e3, which YAML reads as
numbers that differ from one reader to the next, remain texts, as do dates. Any other type than JSON's is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import yaml

Fail = Callable[[str, str], Exception]
"""Creates the caller's error from the place of a fault, `file` for the whole file, and its message."""

FILE = "file"
MAX_VALUES, MAX_DEPTH = 10_000, 64
"""Maximum values and levels of a file. A value counts as often as aliases repeat it."""

TAG = "tag:yaml.org,2002:"
JSON_TYPES = frozenset(TAG + name for name in ("null", "bool", "int", "float", "str", "seq", "map"))
NUMBERS = {
    "int": re.compile(r"^[-+]?(0|[1-9][0-9]{0,17})$"),
    "float": re.compile(r"^[-+]?(0|[1-9][0-9]{0,17})\.[0-9]{1,18}$"),
}


class _Loader(yaml.SafeLoader):
    """A YAML loader that knows JSON's types only."""

    fail: Fail

    def document(self) -> Any:
        """Return the file's only document; an empty one is an object without fields."""
        node = self.get_single_node()
        if node is None or (isinstance(node, yaml.ScalarNode) and node.tag == f"{TAG}null" and not node.value):
            return {}
        self._count = 0
        self._check(node, "", 0)
        return self.construct_document(node)

    def _check(self, node: yaml.Node, path: str, depth: int) -> None:
        """Refuse a node that is too large, too deep or ambiguous. Aliases are followed each time, as every reader follows them."""
        self._count += 1
        if self._count > MAX_VALUES:
            raise self.fail(FILE, f"has more than {MAX_VALUES} values: remove some; each alias repeats all that it stands for")
        if depth > MAX_DEPTH:
            raise self.fail(FILE, f"is nested deeper than {MAX_DEPTH} levels (line {_line(node)}): flatten it")
        if isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self._check(item, f"{path}[{index}]", depth + 1)
        elif isinstance(node, yaml.MappingNode):
            for name, value in self._fields(node, path):
                self._check(value, f"{path}.{name}".lstrip("."), depth + 1)

    def _fields(self, node: yaml.MappingNode, path: str) -> list[tuple[str, yaml.Node]]:
        seen: set[str] = set()
        for key, _ in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            where = f"{path}.{name}".strip(".") or FILE
            if key.tag == f"{TAG}merge":
                raise self.fail(where, f"merges are not supported (line {_line(key)}): write the fields out")
            if key.tag != f"{TAG}str":
                raise self.fail(where, f"keys must be strings (line {_line(key)}): put the key in quotes")
            if name in seen:
                raise self.fail(where, f"is set twice (line {_line(key)}): keep one")
            seen.add(name)
        return [(key.value, value) for key, value in node.value]


_Loader.yaml_constructors = {
    tag: make for tag, make in yaml.SafeLoader.yaml_constructors.items() if tag is None or tag in JSON_TYPES
}
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag in {f"{TAG}null", f"{TAG}bool", f"{TAG}merge"}]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
for _name, _pattern in NUMBERS.items():
    _Loader.add_implicit_resolver(TAG + _name, _pattern, list("-+0123456789"))


def load(text: str, fail: Fail) -> Any:
    """Return the content of a text, `{}` if it is empty. Raises the error that `fail` creates for any fault in it."""
    try:
        loader = _Loader(text.replace("\t", " ") if "\t" in text and _is_json(text) else text)
    except yaml.YAMLError as error:
        raise fail(FILE, _fault(error)) from error
    loader.fail = fail
    try:
        return loader.document()
    except yaml.YAMLError as error:
        raise fail(FILE, _fault(error)) from error
    except RecursionError as error:
        raise fail(FILE, f"is nested deeper than {MAX_DEPTH} levels: flatten it") from error
    except ValueError as error:
        raise fail(FILE, f"has a value that its type tag does not fit: {error}: remove the tag") from error
    finally:
        loader.dispose()


def _is_json(text: str) -> bool:
    """Whether a text is JSON. Its tabs then separate values, which YAML does not permit."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _fault(error: yaml.YAMLError) -> str:
    """Return the fault of a text that is not YAML, in one line, with the remedy of the common ones."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem is None:
        return f"is neither YAML nor JSON: {' '.join(str(error).split())}"
    mark = error.problem_mark
    where = f" (line {mark.line + 1}, column {mark.column + 1})" if mark else ""
    context = f"{error.context}: " if error.context else ""
    remedy = next((f": {remedy}" for words, remedy in REMEDIES.items() if words in error.problem), "")
    return f"is neither YAML nor JSON: {context}{error.problem}{where}{remedy}"


REMEDIES = {
    "'\\t'": "indent with spaces, not with tabs",
    "another document": "keep one document, and remove the --- between them",
    "constructor for the tag": "remove the tag; only JSON's types are read",
}
"""Remedies by words of PyYAML's message."""
