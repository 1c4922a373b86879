"""A private PostgreSQL server for tests: Debian's binaries, a folder of its own, a unix socket, a port only for pods."""

from __future__ import annotations

import secrets
import shutil
import socket
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.cluster.processes import run
from tests.debian import Program, account, apt_install, give, installed, new_folder

PREFIX = "runwatchman-pg-"
"""The prefix of a server's folder."""
CERTIFICATE = "server.crt"
"""The server's own certificate in its folder, if it has one."""
USER = "runwatchman"
NO_MAIN_CLUSTER = Path("/etc/postgresql-common/createcluster.d/runwatchman-tests.conf")


@dataclass(frozen=True)
class Door:
    """The address on which a server listens in addition to its socket, and the network that may connect with the password."""

    address: str
    port: int
    network: str
    password: str
    name: str = ""
    """The name in the server's self-signed certificate; empty for one without TLS."""

    @classmethod
    def on(cls, address: str, network: str, name: str = "") -> Door:
        """Return a door to a network at one of this machine's addresses, on a free port."""
        with socket.create_server((address, 0)) as free:
            return cls(address, free.getsockname()[1], network, secrets.token_hex(16), name)

    def url(self, database: str) -> str:
        """Return a database's URL; with the certificate's name, without a resolver, if there is one."""
        login = f"postgresql://{USER}:{self.password}@"
        if self.name:
            return f"{login}{self.name}:{self.port}/{database}?hostaddr={self.address}"
        return f"{login}{self.address}:{self.port}/{database}?sslmode=disable"


class Postgres:
    """A running server; every test gets a database of its own."""

    def __init__(self, folder: Path, door: Door | None = None) -> None:
        self.folder, self._door = folder, door
        options = ["-D", f"{folder}/data", "-k", str(folder), "-c", "fsync=off", *_listening(folder, door)]
        self.program = Program(folder, [f"{_programs()}/postgres", *options], self._answers)

    def database(self) -> str:
        """Create an empty database and return its URL: through the door if there is one."""
        name = f"t_{uuid.uuid4().hex[:12]}"
        with self.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        if self._door:
            return self._door.url(name)
        return f"postgresql://{USER}@/{name}?host={self.folder}"

    def connect(self, name: str) -> psycopg.Connection:
        """Connect to a database by its name, without the tested code."""
        port = self._door.port if self._door else None
        return psycopg.connect(host=str(self.folder), port=port, user=USER, dbname=name, autocommit=True)

    def restart(self) -> None:
        """Stop the server, which ends its connections, and start it again."""
        self.program.stop()
        self.program.start()

    def set_password(self, password: str) -> None:
        """Set the password of the tests' role."""
        with self.connect("postgres") as connection:
            connection.execute(f"ALTER ROLE {USER} PASSWORD '{password}'".encode())

    def _answers(self) -> bool:
        try:
            self.connect("postgres").close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def postgres_server(door: Door | None = None) -> Iterator[Postgres]:
    """Run a server while the context lasts; skip if none can be installed, which is a failure in CI."""
    programs = _programs()
    folder = new_folder(PREFIX)
    made = ["-D", f"{folder}/data", "-U", USER, "-A", "trust", "-E", "UTF8", "--locale", "C.UTF-8", "--no-sync"]
    subprocess.run([f"{programs}/initdb", *made], user=account(), cwd="/", check=True, capture_output=True)
    server = Postgres(folder, door)
    with _running(server):
        if door:
            server.set_password(door.password)
        yield server


@contextmanager
def standby_of(primary: Postgres) -> Iterator[Postgres]:
    """Run a server that replicates another one, until it is promoted."""
    folder = new_folder(PREFIX)
    copy = [
        "-h",
        str(primary.folder),
        "-U",
        USER,
        "-D",
        f"{folder}/data",
        "--write-recovery-conf",
        "--checkpoint=fast",
        "--no-sync",
    ]
    subprocess.run([f"{_programs()}/pg_basebackup", *copy], user=account(), cwd="/", check=True, capture_output=True)
    server = Postgres(folder)
    with _running(server):
        yield server


@contextmanager
def _running(server: Postgres) -> Iterator[None]:
    try:
        server.program.start()
        yield
    finally:
        server.program.stop()
        shutil.rmtree(server.folder, ignore_errors=True)


def _listening(folder: Path, door: Door | None) -> list[str]:
    """Allow a door's network with the password; return the options to listen there, or only on the socket."""
    if door is None:
        return ["-c", "listen_addresses="]
    rules = folder / "data/pg_hba.conf"  # The first match counts, and initdb trusts all of loopback.
    rules.write_text(f"host all {USER} {door.network} scram-sha-256\n{rules.read_text()}")
    tls = _certified(folder, door.name) if door.name else []
    return ["-c", f"listen_addresses={door.address}", "-c", f"port={door.port}", *tls]


def _certified(folder: Path, name: str) -> list[str]:
    """Create a self-signed certificate; return the options to use it."""
    key, certificate = folder / "server.key", folder / CERTIFICATE
    files = ["-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(certificate)]
    run(["openssl", "req", "-x509", *files, "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"])
    key.chmod(0o600)
    give(key)
    return ["-c", "ssl=on", "-c", f"ssl_key_file={key}", "-c", f"ssl_cert_file={certificate}"]


def _programs() -> Path:
    """Return the folder of initdb and postgres, installing them if allowed."""
    return installed("postgresql", _installed, _install)


def _installed() -> Path | None:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    folders += [Path(program).resolve().parent for program in [shutil.which("postgres")] if program]
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


def _install() -> None:
    """Install Debian's server, without the cluster that its package would create and start."""
    apt_install("postgresql-common")
    NO_MAIN_CLUSTER.parent.mkdir(exist_ok=True)
    NO_MAIN_CLUSTER.write_text("create_main_cluster = false\n")
    apt_install("postgresql")
