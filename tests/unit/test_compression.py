"""Compressed objects are restored unchanged."""

from __future__ import annotations

import sys
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from controller.cache.compression import LARGE_BYTES, decode, encode

LEAVES = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(exclude_categories=()))
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)


@given(st.dictionaries(st.text(), VALUES))
def test_any_object_comes_back(obj: dict[str, object]) -> None:
    """Any object of an API server is restored, small or large, even with texts that UTF-8 cannot encode."""
    large = obj | {"brief": "x" * LARGE_BYTES}
    assert (decode(encode(obj)), decode(encode(large))) == (obj, large)


def test_what_is_said_twice_is_kept_once() -> None:
    """A brief and its copy in kubectl's annotation take little more than the brief."""
    brief = " ".join(f"step {number}: look at file {number * 7919 % 1000}" for number in range(300))
    alone, twice = encode({"brief": brief}), encode({"brief": brief, "copy": brief})
    assert len(twice) < len(alone) * 1.2


def test_what_is_packed_holds_no_more_memory_than_it_needs() -> None:
    """Compressed data has no spare capacity, which the JSON writer may leave and only the allocator sees."""
    obj = {str(number): "x" * 20 for number in range(60)}
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = [encode(obj) for _ in range(100)]
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert held < 1.2 * sum(map(sys.getsizeof, kept))
