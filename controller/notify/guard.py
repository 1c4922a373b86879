"""Prevents a sender's process from connecting to addresses that its tenant may not reach.

An audit hook checks each address that Python passes to the kernel. The checked address is the one that is connected to, so neither
a name that changes its address, nor a redirect, nor a library's own socket bypasses the check. An audit hook cannot be removed.
"""

from __future__ import annotations

import socket
import sys
from typing import Any

from controller.notify.addresses import Allowed, read_address

GUARDED = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
"""Audit events of sockets with a target. Their arguments are the socket and the address."""
NO_SUCH_NAME = frozenset({socket.EAI_NONAME, socket.EAI_NODATA})


class NotAllowed(OSError):
    """An address that notifications may not reach."""


class Guard:
    """Checks this process's sockets, and records the last refused address and whether a name did not resolve."""

    def __init__(self, allowed: Allowed) -> None:
        self._allowed = allowed
        self._named: set[tuple[str, int | None]] = set()
        """Addresses and ports that allowed names resolve to."""
        self.refused = ""
        """The last address that was refused; empty if none was."""
        self.unknown_name = False

    def watch(self) -> None:
        """Check all connections of this process from now on."""
        resolve = socket.getaddrinfo

        def watched_resolve(host: Any, port: Any, *args: Any, **options: Any) -> Any:
            try:
                answers = resolve(host, port, *args, **options)
            except socket.gaierror as error:
                self.unknown_name = error.errno in NO_SUCH_NAME
                raise
            if isinstance(host, str) and self._allowed.names(host, _number(port)):
                self._named |= {(str(answer[4][0]), _number(port)) for answer in answers}
            return answers

        socket.getaddrinfo = watched_resolve
        sys.addaudithook(self._audit)

    def trust(self, host: str, port: int | None) -> None:
        """Allow a host that the installer chose, such as a proxy."""
        self._named |= {(str(answer[4][0]), port) for answer in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}

    def check_host(self, host: str, port: int | None) -> None:
        """Raise NotAllowed if a host has a forbidden address. A name that does not resolve here is left to a proxy."""
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError:
            return
        for answer in answers:
            self._check(answer[4])

    def _audit(self, event: str, args: tuple[Any, ...]) -> None:
        if event in GUARDED and args[1] is not None:
            self._check(args[1])

    def _check(self, target: Any) -> None:
        """Raise NotAllowed unless the target is an address in full form that may be reached."""
        host, port = target[:2] if isinstance(target, tuple) else (target, None)
        address = read_address(host)
        if address is None or not ((str(host), port) in self._named or self._allowed.reaches(address)):
            self.refused = str(address or "something other than an address")
            raise NotAllowed("notifications may not reach this address")


def _number(port: Any) -> int | None:
    return int(port) if isinstance(port, int) or str(port).isdecimal() else None
