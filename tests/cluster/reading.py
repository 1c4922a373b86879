"""Requests to an API server over connections that are kept: polls, and what each test does.

Most of a test is polls and plain commands (plain.py). One by kubectl takes a process and a handshake: 50 ms of CPU in place of 2,
on cores that the test's cluster needs, too.
"""

from __future__ import annotations

import base64
import json
import ssl
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import urllib3
import yaml

from tests.cluster.progress import ClusterError

TIMEOUT = urllib3.Timeout(connect=30, read=60)
"""Seconds; the API server shares two cores with all the tests."""
THREADS = 4
"""Threads that wait at once, in one test; more of them open connections that are not kept."""
FIRST_ERROR = 400


CERTIFICATE, KEY, TOKEN = "client-certificate", "client-key", "token"
UNDERSTOOD = {CERTIFICATE, f"{CERTIFICATE}-data", KEY, f"{KEY}-data", TOKEN}


class RefusedError(ClusterError):
    """An answer that is an error, in kubectl's words: the API server's message, with its reason."""

    def __init__(self, reason: str, message: str) -> None:
        words = "error: You must be logged in to the server" if reason == "Unauthorized" else "Error from server"
        super().__init__(f"{words} ({reason}): {message}")
        self.reason = reason


def reader_of(kubeconfig: Path) -> Reader | None:
    """Return a reader for the user of a kubeconfig, None if that is one with other credentials than a certificate or a token."""
    config = yaml.safe_load(kubeconfig.read_text())
    (cluster,), (user,) = ([each[kind] for each in config[f"{kind}s"]] for kind in ("cluster", "user"))
    return Reader(cluster, user) if user and user.keys() <= UNDERSTOOD else None


class Reader:
    """Reads and writes as one user with a certificate or a token."""

    def __init__(self, cluster: dict[str, str], user: dict[str, str]) -> None:
        """Both are parts of a kubeconfig."""
        at = urllib3.util.parse_url(cluster["server"])
        assert at.host
        context = ssl.create_default_context(cadata=_text(cluster, "certificate-authority"))
        if TOKEN not in user:
            _show_certificate(context, user)
        self._headers = {"Authorization": f"Bearer {user[TOKEN]}"} if TOKEN in user else {}
        self._pool = urllib3.HTTPSConnectionPool(at.host, at.port, ssl_context=context, maxsize=THREADS, timeout=TIMEOUT)

    def read(self, path: str) -> dict[str, Any] | None:
        """Return the object or list at a path, None if there is none. Raises RefusedError."""
        return self._unless_missing("GET", path)

    def create(self, path: str, obj: dict[str, Any]) -> dict[str, Any]:
        """Create an object in the collection at a path, and return it. Raises RefusedError."""
        return self.send("POST", path, obj)

    def delete(self, path: str) -> None:
        """Delete the object at a path, if there is one, without waiting for its end. Raises RefusedError."""
        self._unless_missing("DELETE", path)

    def send(self, method: str, path: str, obj: dict[str, Any] | None = None, media: str = "application/json") -> dict[str, Any]:
        """Send a request and return the object of its answer. Raises RefusedError, and ClusterError without an answer."""
        body = None if obj is None else json.dumps(obj)
        try:
            answer = self._pool.request(method, path, body=body, headers=self._headers | {"Content-Type": media})
        except urllib3.exceptions.HTTPError as error:
            raise ClusterError(f"{method} {path}: {error}") from error
        if answer.status >= FIRST_ERROR:
            raise _refusal(answer.data.decode(errors="replace"))
        found: dict[str, Any] = json.loads(answer.data)
        return found

    def _unless_missing(self, method: str, path: str) -> dict[str, Any] | None:
        try:
            return self.send(method, path)
        except RefusedError as refused:
            if refused.reason != "NotFound":
                raise
        return None


def _refusal(text: str) -> RefusedError:
    """Return the error of an answer: a Status, or a line of text where nothing of the API has answered."""
    with suppress(ValueError):
        status = json.loads(text)
        return RefusedError(status.get("reason", ""), status["message"])
    return RefusedError("NotFound" if text.startswith("404") else "", text)


def _show_certificate(context: ssl.SSLContext, user: dict[str, str]) -> None:
    """Load a user's certificate, which Python takes from a file alone."""
    with tempfile.TemporaryDirectory() as scratch:
        pair = Path(scratch) / "pair.pem"
        pair.touch(mode=0o600)
        pair.write_text(_text(user, CERTIFICATE) + _text(user, KEY))
        context.load_cert_chain(pair)


def _text(of: dict[str, str], key: str) -> str:
    """Return a credential of a kubeconfig, which is in it or in a file."""
    if key in of:
        return Path(of[key]).read_text()
    return base64.b64decode(of[f"{key}-data"]).decode()
