"""A private PostgreSQL server for tests: Debian's binaries, a folder of its own, a unix socket, a port only for pods."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.cluster.processes import _die_with_parent, run, start_time, wait_until
from tests.cluster.progress import locked, taking
from tests.cluster.settings import runtime_dir
from tests.skipping import cannot_run

START_SECONDS = 30.0
PREFIX, OWNER = "runwarden-pg-", "owner"
"""The prefix of a server's folder, and the file in it with its owner: process and start time."""
CERTIFICATE = "server.crt"
"""The server's own certificate in its folder, if it has one."""
USER = "runwarden"
NO_MAIN_CLUSTER = Path("/etc/postgresql-common/createcluster.d/runwarden-tests.conf")


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


@contextmanager
def postgres_server(door: Door | None = None) -> Iterator[Postgres]:
    """Run a server while the context lasts; skip if none can be installed, which is a failure in CI."""
    programs = _programs()
    sweep()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    (folder / OWNER).write_text(f"{os.getpid()} {start_time(os.getpid())}")
    account = _account()
    if account:
        shutil.chown(folder, account)
    made = ["-D", f"{folder}/data", "-U", USER, "-A", "trust", "-E", "UTF8", "--locale", "C.UTF-8", "--no-sync"]
    subprocess.run([f"{programs}/initdb", *made], user=account, cwd="/", check=True, capture_output=True)
    options = ["-D", f"{folder}/data", "-k", str(folder), "-c", "fsync=off", *_listening(folder, door)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(  # Debian's own
            [f"{programs}/postgres", *options],
            user=account,
            cwd="/",
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509  # no threads run yet
        )
    server = Postgres(folder, door)
    try:
        assert wait_until(lambda: _answers(server), START_SECONDS), (folder / "log").read_text()
        if door:
            with server.connect("postgres") as connection:
                connection.execute(f"ALTER ROLE {USER} PASSWORD '{door.password}'".encode())
        yield server
    finally:
        process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
        process.wait(START_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)


def _listening(folder: Path, door: Door | None) -> list[str]:
    """Allow a door's network with the password; return the options to listen there, or only on the socket."""
    if door is None:
        return ["-c", "listen_addresses="]
    with (folder / "data/pg_hba.conf").open("a") as rules:
        rules.write(f"host all {USER} {door.network} scram-sha-256\n")
    tls = _certified(folder, door.name) if door.name else []
    return ["-c", f"listen_addresses={door.address}", "-c", f"port={door.port}", *tls]


def _certified(folder: Path, name: str) -> list[str]:
    """Create a self-signed certificate; return the options to use it."""
    key, certificate = folder / "server.key", folder / CERTIFICATE
    files = ["-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(certificate)]
    run(["openssl", "req", "-x509", *files, "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"])
    key.chmod(0o600)
    if account := _account():
        shutil.chown(key, account)
    return ["-c", "ssl=on", "-c", f"ssl_key_file={key}", "-c", f"ssl_cert_file={certificate}"]


def sweep() -> None:
    """Remove the folders of servers that ended with a killed run; that of a server in creation has no owner yet."""
    for owner in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{OWNER}"):
        pid, _, started = owner.read_text().partition(" ")
        if start_time(int(pid)) != started:
            shutil.rmtree(owner.parent, ignore_errors=True)


def _answers(server: Postgres) -> bool:
    try:
        server.connect("postgres").close()
    except psycopg.OperationalError:
        return False
    return True


def _account() -> str | None:
    """Return the account for the server, which refuses to run as root."""
    return "postgres" if os.getuid() == 0 else None


def _programs() -> Path:
    """Return the folder of initdb and postgres, installing them if allowed."""
    found = _installed()
    if found is None and os.getuid() == 0 and shutil.which("apt-get"):
        with locked(runtime_dir() / ".postgres.lock"):
            found = _installed() or _install()
    if found is None:
        why = "needs PostgreSQL: install Debian's postgresql, or run as root on Debian"
        cannot_run(why)
    return found


def _installed() -> Path | None:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    folders += [Path(program).resolve().parent for program in [shutil.which("postgres")] if program]
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


def _install() -> Path | None:
    """Install Debian's server, without the cluster that its package would create and start."""
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with taking("installing postgresql", "20 s"):
        run(["apt-get", "update"], env=env)
        run(["apt-get", "install", "-y", "--no-install-recommends", "postgresql-common"], env=env)
        NO_MAIN_CLUSTER.parent.mkdir(exist_ok=True)
        NO_MAIN_CLUSTER.write_text("create_main_cluster = false\n")
        run(["apt-get", "install", "-y", "--no-install-recommends", "postgresql"], env=env)
    assert pwd.getpwnam("postgres")
    return _installed()
