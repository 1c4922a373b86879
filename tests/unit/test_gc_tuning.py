"""What stays is not looked at by the garbage collector; what is garbage goes first."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from controller.runtime.gc_tuning import freeze_heap


class Knot:
    """Something that can be part of a cycle."""

    def __init__(self) -> None:
        self.other: Knot | None = None


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    """Leave the collector as it was."""
    yield
    gc.unfreeze()


def test_what_is_there_is_not_looked_at_again() -> None:
    """It is in no generation any more; what is made afterwards is."""
    stays = Knot()
    freeze_heap()
    later = Knot()
    seen = gc.get_objects()
    assert not any(each is stays for each in seen)
    assert any(each is later for each in seen)


def test_garbage_is_not_kept() -> None:
    """A cycle that nobody holds is gone, not frozen."""
    one, two = Knot(), Knot()
    one.other, two.other = two, one
    known = weakref.ref(one)
    del one, two
    freeze_heap()
    assert known() is None
