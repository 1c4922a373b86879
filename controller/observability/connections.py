"""Pure: the connections of one port, never more than so many, and which one gives way to a new one."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

C = TypeVar("C", bound=Hashable)


class Connections(Generic[C]):
    """Connections by the address that they come from.

    A new connection is always let in, so that nobody shuts others out by holding on to what he has. Where there are `most`, the
    oldest of the address with the most of them gives way: a flood from one address costs that address its own connections.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._by_address: dict[str, dict[C, None]] = {}
        self._addresses: dict[C, str] = {}

    def __len__(self) -> int:
        return len(self._addresses)

    def add(self, connection: C, address: str) -> C | None:
        """Take note of a connection; return the one that has to be closed for it."""
        evicted = self._oldest_of_the_most() if len(self) >= self._most else None
        if evicted is not None:
            self.remove(evicted)
        self._addresses[connection] = address
        self._by_address.setdefault(address, {})[connection] = None
        return evicted

    def remove(self, connection: C) -> None:
        """Forget a connection; one that is not known is no mistake."""
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
