"""The connections of one port: a bounded set, with the choice of the one to evict for a new one. Pure."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

C = TypeVar("C", bound=Hashable)


class Connections(Generic[C]):
    """Connections by the client's address.

    A new connection is always accepted, so that nobody locks others out by keeping connections open. If there are `most` already,
    the oldest connection of the address with the most is evicted: a flood from one address costs only its own connections.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._by_address: dict[str, dict[C, None]] = {}
        self._addresses: dict[C, str] = {}

    def __len__(self) -> int:
        return len(self._addresses)

    def add(self, connection: C, address: str) -> C | None:
        """Add a connection. Return the one to close for it, if any."""
        evicted = self._oldest_of_the_most() if len(self) >= self._most else None
        if evicted is not None:
            self.remove(evicted)
        self._addresses[connection] = address
        self._by_address.setdefault(address, {})[connection] = None
        return evicted

    def remove(self, connection: C) -> None:
        """Remove a connection. An unknown one is ignored."""
        address = self._addresses.pop(connection, None)
        if address is None:
            return
        siblings = self._by_address[address]
        del siblings[connection]
        if not siblings:
            del self._by_address[address]

    def _oldest_of_the_most(self) -> C:
        most = max(self._by_address.values(), key=len)
        return next(iter(most))
