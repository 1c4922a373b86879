"""Real git servers for the bare repositories of a folder: git's own http-backend behind basic auth and TLS, and Debian's sshd."""

from __future__ import annotations

import base64
import getpass
import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.cluster.certificates import make_certificates, make_pair
from tests.cluster.processes import run, wait_until
from tests.debian import apt_install, installed

LOOPBACK = "127.0.0.1"
START_SECONDS = 20.0
WITH_THIS_PROCESS = ["setpriv", "--pdeathsig", "TERM"]
"""Starts a command that the kernel ends when this process has ended, however that came about."""


@dataclass
class HttpsGit:
    """A server over HTTPS and what it does on request. Without a `user` it asks for no credential."""

    repositories: Path
    user: str = ""
    password: str = ""
    readers: dict[str, str] = field(default_factory=dict)
    """Other users with their passwords, who may not push."""
    url: str = ""
    ca: Path = Path()
    trouble: HTTPStatus | None = None
    """The answer to every request."""
    half: bool = False
    """Whether packs stop in the middle until `released`."""
    halted: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)
    old: bool = False
    """Whether it knows the first version of git's protocol only."""
    held: bool = False
    """Whether the answers to pushes wait until `released`, after the branch was set."""
    before: dict[str, Callable[[], object]] = field(default_factory=dict)
    """By a part of a request's line: what happens before the first request with it."""
    requests: list[str] = field(default_factory=list)
    credentials: set[str] = field(default_factory=set)
    """The Authorization headers that it has received."""

    def admits(self, header: str, line: str) -> bool:
        """Whether an Authorization header has a credential for a request's line."""
        reads = "git-receive-pack" not in line
        users = {self.user: self.password, **(self.readers if reads else {})}
        known = {base64.b64encode(f"{user}:{password}".encode()).decode() for user, password in users.items()}
        return not self.user or header.removeprefix("Basic ") in known


@contextmanager
def https_git(server: HttpsGit, folder: Path, host: str = LOOPBACK) -> Iterator[HttpsGit]:
    """Serve repositories on an address of this machine; the certificate's authority and its files are in a folder."""
    if not (folder / "ca.crt").exists():
        make_certificates(folder)
    make_pair(folder, "git", "/CN=git", f"subjectAltName=IP:{host}")
    server.ca = folder / "ca.crt"
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "git.crt", folder / "git.key")

    class Handler(_Backend):
        server_of_git = server

    listening = ThreadingHTTPServer((host, 0), Handler)
    listening.socket = tls.wrap_socket(listening.socket, server_side=True, do_handshake_on_connect=False)
    server.url = f"https://{host}:{listening.server_port}"
    (thread := threading.Thread(target=listening.serve_forever, daemon=True)).start()
    try:
        yield server
    finally:
        server.released.set()
        listening.shutdown()
        listening.server_close()
        thread.join()


class _Backend(BaseHTTPRequestHandler):
    """Runs `git http-backend` for each request, as a web server does by CGI."""

    server_of_git: HttpsGit

    def log_message(self, *_: object) -> None:
        """Log no requests."""

    def do_GET(self) -> None:
        """Answer a request for the list of refs."""
        self._serve(b"")

    def do_POST(self) -> None:
        """Answer a request for objects, or one with objects."""
        chunked = self.headers.get("Transfer-Encoding") == "chunked"  # as git sends a pack that it has not in memory
        self._serve(self._chunks() if chunked else self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def _chunks(self) -> bytes:
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def _serve(self, body: bytes) -> None:
        git = self.server_of_git
        git.requests.append(line := f"{self.command} {self.path}")
        for part in [part for part in git.before if part in line]:
            git.before.pop(part)()
        if header := self.headers.get("Authorization"):
            git.credentials.add(header)
        if git.trouble:
            self._refuse(git.trouble)
        elif not git.admits(self.headers.get("Authorization", ""), line):
            self._refuse(HTTPStatus.UNAUTHORIZED, ("WWW-Authenticate", 'Basic realm="git"'))
        else:
            self._backend(body)

    def _refuse(self, status: HTTPStatus, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", "0")):
            self.send_header(name, value)
        self.end_headers()

    def _backend(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        env = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.server_of_git.repositories),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "REMOTE_USER": self.server_of_git.user,  # with which http-backend accepts pushes
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "HTTP_GIT_PROTOCOL": "" if self.server_of_git.old else self.headers.get("Git-Protocol", ""),
        }
        done = subprocess.run(["git", "http-backend"], input=body, env=env, capture_output=True, check=False)
        head, _, content = done.stdout.partition(b"\r\n\r\n")  # also of a program that failed: its output says why
        if self.server_of_git.held and path.endswith("/git-receive-pack"):
            self.server_of_git.halted.set()
            self.server_of_git.released.wait()
        self._answer(dict(line.split(": ", 1) for line in head.decode().splitlines()), content)

    def _answer(self, headers: dict[str, str], content: bytes) -> None:
        git = self.server_of_git
        self.send_response(int(headers.pop("Status", "200").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        try:
            self.end_headers()
            sent = 0
            if git.half and b"PACK" in content:
                sent = content.index(b"PACK") + 200
                self.wfile.write(content[:sent])
                self.wfile.flush()
                git.halted.set()
                git.released.wait()
            self.wfile.write(content[sent:])
        except OSError:
            self.close_connection = True  # The client was killed in the middle.


@dataclass(frozen=True)
class SshGit:
    """A server over SSH: the URL before a repository's name, the client's key and the host's line for known_hosts."""

    url: str
    key: str
    known_hosts: str


@contextmanager
def ssh_git(repositories: Path, folder: Path, host: str = LOOPBACK) -> Iterator[SshGit]:
    """Run sshd on a free port of an address of this machine, for this account and one key. It ends with this process."""
    sshd = installed("openssh-server", _sshd, lambda: apt_install("openssh-server"))
    for name in ("host", "client"):
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)])
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where sshd separates its privileges
    with socket.create_server((host, 0)) as free:
        port = free.getsockname()[1]
    config = folder / "sshd_config"
    config.write_text(
        f"ListenAddress {host}\nPort {port}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/client.pub\nPidFile none\n"
        "StrictModes no\nUsePAM no\nPermitRootLogin prohibit-password\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
    )
    log = folder / "sshd.log"
    with log.open("ab") as output:
        command = [*WITH_THIS_PROCESS, str(sshd), "-D", "-e", "-f", str(config)]
        process = subprocess.Popen(command, stderr=output)
    try:
        assert wait_until(lambda: _accepts(host, port), START_SECONDS), log.read_text()
        host_key = " ".join((folder / "host.pub").read_text().split()[:2])
        url = f"ssh://{getpass.getuser()}@{host}:{port}{repositories}"
        yield SshGit(url, (folder / "client").read_text(), f"[{host}]:{port} {host_key}\n")
    finally:
        process.terminate()
        process.wait()


def _sshd() -> Path | None:
    return next((path for path in map(Path, ("/usr/sbin/sshd", "/usr/local/sbin/sshd")) if path.exists()), None)


def _accepts(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False
