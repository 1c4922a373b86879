"""Imports of the plan and of pydantic's models, which take most of the time of `explain` and `describe`."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def slow_imports() -> Iterator[None]:
    """Spare the imports inside what a short process does not need: the search for garbage, and for plugins of pydantic in the
    metadata of all installed packages.
    """
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
