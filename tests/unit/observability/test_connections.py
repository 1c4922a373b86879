"""The connection that is closed in favour of a new one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from controller.observability.connections import Connections


def test_the_oldest_of_the_address_with_the_most_gives_way() -> None:
    """A flood from one address closes that address's own connections, and no others."""
    seen: Connections[int] = Connections(4)
    assert seen.add(0, "prometheus") is None
    assert [seen.add(number, "attacker") for number in (1, 2, 3)] == [None, None, None]
    assert [seen.add(number, "attacker") for number in (4, 5)] == [1, 2]
    assert seen.add(6, "kubelet") == 3
    assert len(seen) == 4


def test_one_that_ended_makes_room() -> None:
    """A connection that has ended takes no place, and may be removed twice."""
    seen: Connections[int] = Connections(2)
    seen.add(0, "a")
    seen.add(1, "a")
    seen.remove(0)
    seen.remove(0)
    assert seen.add(2, "b") is None
    assert seen.add(3, "b") == 2 or len(seen) == 2


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.booleans()), max_size=200), st.integers(1, 8))
def test_never_more_than_the_most_and_the_new_one_is_always_in(steps: list[tuple[str, bool]], most: int) -> None:
    """For any order of arrivals and departures the number is bounded, and the new connection is never the one that is closed."""
    seen: Connections[int] = Connections(most)
    there: set[int] = set()
    for number, (address, ends) in enumerate(steps):
        evicted = seen.add(number, address)
        there.add(number)
        if evicted is not None:
            assert evicted in there
            assert evicted != number
            there.discard(evicted)
        if ends:
            seen.remove(number)
            there.discard(number)
        assert len(seen) == len(there) <= most
