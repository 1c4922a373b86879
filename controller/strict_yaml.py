"""A strict YAML (and so JSON) reader for configuration files: keys must be strings, and duplicate keys are refused."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import yaml

Fail = Callable[[str, str], Exception]
"""Creates the caller's error from the place of a fault, `file` for the whole file, and its message."""


class _Loader(yaml.SafeLoader):
    """A YAML loader that refuses duplicate keys, and keys that are not strings."""

    fail: Fail

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Refuse a mapping with a duplicate key, because it is ambiguous."""
        keys: set[Any] = set()
        for key_node, _ in node.value:
            key, line = self.construct_object(key_node, deep=True), key_node.start_mark.line + 1
            if not isinstance(key, str):
                raise self.fail(str(key), f"keys must be strings (line {line})")
            if key in keys:
                raise self.fail(key, f"is set twice (line {line}): keep one")
            keys.add(key)
        return super().construct_mapping(node, deep)


def load(text: str, fail: Fail) -> Any:
    """Return the parsed content of a text. Raises the error that `fail` creates for any fault in it."""
    loader = _Loader(text)
    loader.fail = fail
    try:
        return loader.get_single_data()
    except yaml.YAMLError as error:
        raise fail("file", f"is neither YAML nor JSON: {' '.join(str(error).split())}") from error
    except RecursionError as error:
        raise fail("file", "is nested too deeply") from error
    finally:
        loader.dispose()
