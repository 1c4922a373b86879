"""Thousands of connections to a port of this machine, bounded in number and time, from a process of its own.

python -m tests.flood PORT KIND COUNT SECONDS
"""

from __future__ import annotations

import resource
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

SPARE_FILES = 100
PAUSE_SECONDS = 0.2
UNDER_WAY = "under way\n"
KINDS: dict[str, bytes] = {
    "silent": b"",
    "slow": b"GET /metrics HTTP/1.1\r\nX-Slow: ",
    "asking": b"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x\r\n\r\n",
    "nonsense": b"\x00\xff\r\n" * 64,
}
"""The bytes that connections of a kind send; all but the silent ones send them repeatedly."""


def main(port: int, kind: str, count: int, seconds: float) -> None:
    """Hold this many connections for this long, and reopen each that is lost."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(count + SPARE_FILES, hard), hard))
    made = [_connect(port) for _ in range(min(count, hard - SPARE_FILES))]
    sys.stdout.write(UNDER_WAY)
    sys.stdout.flush()
    until, lost = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        for place, connection in enumerate(made):
            if _gone(connection, KINDS[kind]):
                connection.close()
                made[place] = _connect(port)
                lost += 1
        time.sleep(PAUSE_SECONDS)  # the rate of the attack: each connection sends and is checked five times a second
    sys.stdout.write(f"{len(made)} connections, {lost} made anew\n")


def tls_flood(port: int, count: int, seconds: float) -> None:
    """Make TLS handshakes, one after the other, each with a request that has another token."""
    context = ssl._create_unverified_context()  # noqa: S323  # an attacker does not check
    sys.stdout.write(UNDER_WAY)
    sys.stdout.flush()
    until, answered, tried = time.monotonic() + seconds, 0, 0
    while time.monotonic() < until and tried < count:
        tried += 1
        with (
            suppress(OSError),
            socket.create_connection(("127.0.0.1", port), timeout=seconds) as plain,
            context.wrap_socket(plain) as secure,
        ):
            secure.sendall(KINDS["asking"].replace(b"Bearer x", b"Bearer guess-%d" % tried))
            answered += bool(secure.recv(1024))
    sys.stdout.write(f"{tried} handshakes, {answered} answered\n")


@contextmanager
def flooded(port: int, kind: str, count: int, seconds: float) -> Iterator[subprocess.Popen[str]]:
    """Flood a port from another process while the context lasts, at most for so long."""
    command = [sys.executable, "-m", "tests.flood", str(port), kind, str(count), str(seconds)]
    attacker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert attacker.stdout
        assert attacker.stdout.readline() == UNDER_WAY
        yield attacker
    finally:
        attacker.kill()
        attacker.communicate()


def _connect(port: int) -> socket.socket:
    made = socket.socket()
    made.setblocking(False)
    with suppress(BlockingIOError, OSError):
        made.connect(("127.0.0.1", port))
    return made


def _gone(connection: socket.socket, says: bytes) -> bool:
    try:
        if says:
            connection.send(says)
        return connection.recv(65_536) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


ATTACKS: dict[str, Callable[[int, int, float], None]] = {"handshakes": tls_flood}

if __name__ == "__main__":
    where, kind, number, duration = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    if kind in ATTACKS:
        ATTACKS[kind](where, number, duration)
    else:
        main(where, kind, number, duration)
