"""Permanent objects are frozen for the garbage collector; garbage is collected first."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from controller.runtime.gc_tuning import freeze_heap


class Knot:
    """An object that can be part of a cycle."""

    def __init__(self) -> None:
        self.other: Knot | None = None


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    """Restore the collector."""
    yield
    gc.unfreeze()


def test_what_is_there_is_not_looked_at_again() -> None:
    """Existing objects are in no generation any more; later ones are."""
    stays = Knot()
    freeze_heap()
    later = Knot()
    seen = gc.get_objects()
    assert not any(each is stays for each in seen)
    assert any(each is later for each in seen)


def test_garbage_is_not_kept() -> None:
    """An unreferenced cycle is collected, not frozen."""
    one, two = Knot(), Knot()
    one.other, two.other = two, one
    known = weakref.ref(one)
    del one, two
    freeze_heap()
    assert known() is None
