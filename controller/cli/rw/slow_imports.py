"""Imports of the plan and of pydantic's models, which take most of the time of `explain`."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

PLUGIN_LOADER = "pydantic.plugin._loader"
"""pydantic's search for plugins. It imports `importlib.metadata`, which takes a tenth of the time of `explain`."""


@contextmanager
def slow_imports() -> Iterator[None]:
    """Spare the imports inside what a short process does not need: the search for garbage, and for plugins of pydantic in the
    metadata of all installed packages.
    """
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    if os.environ["PYDANTIC_DISABLE_PLUGINS"] == "__all__":
        sys.modules.setdefault(PLUGIN_LOADER, _no_plugins())
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _no_plugins() -> ModuleType:
    """Return a module in place of pydantic's loader that does what the loader does when plugins are disabled: it finds none."""
    found = ModuleType(PLUGIN_LOADER)
    vars(found)["get_plugins"] = tuple
    return found
