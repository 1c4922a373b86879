"""YAML (and so JSON) as configuration files have it: keys are texts, and none stands twice."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import yaml

Fail = Callable[[str, str], Exception]
"""Makes the caller's error from where something is wrong, `file` for all of it, and what is wrong there."""


class _Loader(yaml.SafeLoader):
    """YAML with duplicate keys, and keys that are no texts, refused."""

    fail: Fail

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Refuse a mapping that says the same key twice: which one counts would be a guess."""
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key, line = self.construct_object(key_node, deep=True), key_node.start_mark.line + 1
            if not isinstance(key, str):
                raise self.fail(str(key), f"keys must be texts (line {line})")
            if key in seen:
                raise self.fail(key, f"is set twice (line {line}): keep one")
            seen.add(key)
        return super().construct_mapping(node, deep)


def load(text: str, fail: Fail) -> Any:
    """Return what a text holds. Raises what `fail` makes, for whatever is wrong with it."""
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
