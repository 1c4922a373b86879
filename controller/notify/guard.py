"""Keeps a sender's process from connecting anywhere that its tenant may not reach.

The check is made where Python hands an address to the kernel, by an audit hook: what is checked is what is connected to, so neither
a name that changes its address, nor a redirect, nor a library's own socket gets around it. It cannot be taken off again.
"""

from __future__ import annotations

import socket
import sys
from typing import Any

from controller.notify.addresses import Allowed, read_address

GUARDED = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
"""Events of sockets that name where something goes to; each has the socket and the address."""
NO_SUCH_NAME = frozenset({socket.EAI_NONAME, socket.EAI_NODATA})


class NotAllowed(OSError):
    """An address that notifications may not reach."""


class Guard:
    """Watches this process's sockets, and remembers what was refused and which names there are not."""

    def __init__(self, allowed: Allowed) -> None:
        self._allowed = allowed
        self._named: set[tuple[str, int | None]] = set()
        """Addresses and ports that allowed names lead to."""
        self.refused = ""
        """The last address that was refused; empty where none was."""
        self.unknown_name = False

    def watch(self) -> None:
        """Stand between this process and the network from now on."""
        resolve = socket.getaddrinfo

        def watched_resolve(host: Any, port: Any, *args: Any, **options: Any) -> Any:
            try:
                found = resolve(host, port, *args, **options)
            except socket.gaierror as error:
                self.unknown_name = error.errno in NO_SUCH_NAME
                raise
            if isinstance(host, str) and self._allowed.names(host, _number(port)):
                self._named |= {(str(answer[4][0]), _number(port)) for answer in found}
            return found

        socket.getaddrinfo = watched_resolve
        sys.addaudithook(self._audit)

    def trust(self, host: str, port: int | None) -> None:
        """Let a host be reached that the installer chose, such as a proxy."""
        self._named |= {(str(answer[4][0]), port) for answer in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}

    def check_host(self, host: str, port: int | None) -> None:
        """Raise NotAllowed where a host has an address that may not be reached; a name without one here is a proxy's to find."""
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError:
            return
        for answer in found:
            self._check(answer[4])

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if event in GUARDED and args[1] is not None:
            self._check(args[1])

    def _check(self, place: Any) -> None:
        """Raise NotAllowed unless the place is an address, in full, that may be reached."""
        host, port = place[:2] if isinstance(place, tuple) else (place, None)
        address = read_address(host)
        if address is None or not ((str(host), port) in self._named or self._allowed.reaches(address)):
            self.refused = str(address or "what is no address")
            raise NotAllowed("notifications may not reach this address")


def _number(port: Any) -> int | None:
    return int(port) if isinstance(port, int) or str(port).isdecimal() else None
