"""Requests to an API server over connections that are kept: polls, and what each test does.

Most of a test is polls, and one by kubectl takes a process and a handshake: 50 ms of CPU in place of 2, on cores that the test's
cluster needs, too.
"""

from __future__ import annotations

import base64
import json
import ssl
import tempfile
from pathlib import Path
from typing import Any

import urllib3
import yaml

from tests.cluster.progress import ClusterError

TIMEOUT = urllib3.Timeout(connect=30, read=60)
"""Seconds; the API server shares two cores with all the tests."""
THREADS = 4
"""Threads that wait at once, in one test; more of them open connections that are not kept."""
NOT_FOUND = 404
FIRST_ERROR = 400


CERTIFICATE, KEY = "client-certificate", "client-key"
UNDERSTOOD = {CERTIFICATE, f"{CERTIFICATE}-data", KEY, f"{KEY}-data"}


def reader_of(kubeconfig: Path) -> Reader | None:
    """Return a reader for the user of a kubeconfig, None if that is one with other credentials than a certificate."""
    config = yaml.safe_load(kubeconfig.read_text())
    (cluster,), (user,) = ([each[kind] for each in config[f"{kind}s"]] for kind in ("cluster", "user"))
    return Reader(cluster, user) if user and user.keys() <= UNDERSTOOD else None


class Reader:
    """Reads, creates and deletes as one user with a certificate."""

    def __init__(self, cluster: dict[str, str], user: dict[str, str]) -> None:
        """Both are parts of a kubeconfig."""
        at = urllib3.util.parse_url(cluster["server"])
        assert at.host
        context = ssl.create_default_context(cadata=_text(cluster, "certificate-authority"))
        with tempfile.TemporaryDirectory() as scratch:
            pair = Path(scratch) / "pair.pem"
            pair.touch(mode=0o600)
            pair.write_text(_text(user, CERTIFICATE) + _text(user, KEY))
            context.load_cert_chain(pair)
        self._pool = urllib3.HTTPSConnectionPool(at.host, at.port, ssl_context=context, maxsize=THREADS, timeout=TIMEOUT)

    def read(self, path: str) -> dict[str, Any] | None:
        """Return the object or list at a path, None if there is none. Raises ClusterError with the API server's message."""
        return self._request("GET", path)

    def create(self, path: str, obj: dict[str, Any]) -> None:
        """Create an object in the collection at a path. Raises ClusterError with the API server's message."""
        self._request("POST", path, obj)

    def delete(self, path: str) -> None:
        """Delete the object at a path, if there is one, without waiting for its end. Raises ClusterError as the others do."""
        self._request("DELETE", path)

    def _request(self, method: str, path: str, obj: dict[str, Any] | None = None) -> dict[str, Any] | None:
        try:
            answer = self._pool.request(method, path, json=obj) if obj else self._pool.request(method, path)
        except urllib3.exceptions.HTTPError as error:
            raise ClusterError(f"{method} {path}: {error}") from error
        if answer.status == NOT_FOUND and method != "POST":
            return None
        if answer.status >= FIRST_ERROR:
            raise ClusterError(f"{method} {path}: {answer.data.decode(errors='replace')}")
        found: dict[str, Any] = json.loads(answer.data)
        return found


def _text(of: dict[str, str], key: str) -> str:
    """Return a credential of a kubeconfig, which is in it or in a file."""
    if key in of:
        return Path(of[key]).read_text()
    return base64.b64decode(of[f"{key}-data"]).decode()
