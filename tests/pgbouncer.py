"""A private PgBouncer for tests: Debian's program, on a unix socket, in front of a PostgreSQL server of the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.debian import Program, apt_install, installed, new_folder
from tests.postgres import USER, Postgres

PREFIX = "runwatchman-pgbouncer-"
NO_START = Path("/usr/sbin/policy-rc.d")
"""Debian's way to keep a package from starting its service: a program that exits with 101."""
FORBIDDEN = "#!/bin/sh\nexit 101\n"

PORT = 6432
PREPARES = (1, 21)
"""The first version with `max_prepared_statements`."""

CONFIG = """[databases]
* = host={server}
[pgbouncer]
unix_socket_dir = {folder}
listen_addr =
auth_type = trust
auth_file = {folder}/users
pidfile = {folder}/pid
admin_users = {user}
{settings}
"""


class Bouncer:
    """A running PgBouncer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = Program(folder, [str(_program()), "--quiet", f"{folder}/config"], self._answers)

    def url(self, direct: str) -> str:
        """Return the URL of a database through this PgBouncer, given its direct one."""
        return f"{direct.partition('?')[0]}?host={self.folder}&port={self.port}"

    @property
    def port(self) -> int:
        """The number in the socket's name."""
        return PORT

    def admin(self, command: str) -> None:
        """Run a command of the admin console."""
        with self._connect("pgbouncer") as connection:
            connection.execute(command.encode())

    def _connect(self, database: str) -> psycopg.Connection:
        return psycopg.connect(
            host=str(self.folder), port=self.port, user=USER, dbname=database, autocommit=True, prepare_threshold=None
        )

    def _answers(self) -> bool:
        try:
            self._connect("pgbouncer").close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def pgbouncer(server: Postgres, **settings: object) -> Iterator[Bouncer]:
    """Run a PgBouncer with these settings in front of a server; skip if none can be installed, which is a failure in CI."""
    _program()
    folder = new_folder(PREFIX)
    given = {"listen_port": PORT, **settings}
    if version() < PREPARES:
        given.pop("max_prepared_statements", None)  # The default of later versions was the only behaviour of earlier ones: 0.
    lines = "\n".join(f"{name} = {value}" for name, value in given.items())
    config = CONFIG.format(server=server.folder, folder=folder, user=USER, settings=lines)
    (folder / "config").write_text(config)
    (folder / "users").write_text(f'"{USER}" ""\n')
    bouncer = Bouncer(folder)
    try:
        bouncer.program.start()
        yield bouncer
    finally:
        bouncer.program.stop()
        shutil.rmtree(folder, ignore_errors=True)


def version() -> tuple[int, ...]:
    """Return the version of the installed PgBouncer."""
    shown = subprocess.run([str(_program()), "--version"], check=True, capture_output=True, text=True).stdout
    return tuple(int(part) for part in shown.split()[1].split("."))


def _program() -> Path:
    return installed("pgbouncer", _installed, _install)


def _installed() -> Path | None:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    found = shutil.which("pgbouncer", path=path)
    return Path(found) if found else None


def _install() -> None:
    """Install Debian's program without starting its service."""
    ours = not NO_START.exists()
    if ours:
        NO_START.write_text(FORBIDDEN)
        NO_START.chmod(0o755)
    try:
        apt_install("pgbouncer")
    finally:
        if ours:
            NO_START.unlink()
