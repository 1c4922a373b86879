"""A client of the API server that uses the standard library: one connection per request; the token is read from its file each
time.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

Json = dict[str, Any]

CONNECT_SECONDS = 5.0
MAX_ANSWER = 4 * 1024 * 1024
"""Maximum bytes of a response that are read; etcd holds objects of 1.5 MiB."""

MERGE_PATCH = "application/merge-patch+json"
JSON = "application/json"
FAILURES = (OSError, http.client.HTTPException, ValueError)
"""Errors of a request: sockets, TLS, HTTP, and a response that is not JSON."""


class Refused(Exception):
    """The API server refused the request. `code` is HTTP's, 0 without a response."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Api:
    """Requests to one API server with the pod's own token."""

    def __init__(self, host: str, port: int, credentials: Path, timeout: float = CONNECT_SECONDS) -> None:
        self._host, self._port, self._credentials, self._timeout = host, port, credentials, timeout

    def request(self, method: str, path: str, body: Json | None = None, kind: str = JSON) -> Json:
        """Return the object in the response. Raises Refused."""
        try:
            with closing(self._send(method, path, body, kind, self._timeout)) as connection:
                return self._answer(connection.getresponse())
        except FAILURES as error:
            raise Refused(0, f"{method} {path}: {type(error).__name__}: {error}") from error

    def watch(self, path: str, seconds: int) -> Iterator[Json]:
        """Yield each version of the objects until the API server ends the watch. Raises Refused."""
        try:
            patience = seconds + self._timeout
            with closing(self._send("GET", f"{path}&watch=true&timeoutSeconds={seconds}", None, JSON, patience)) as connection:
                response = connection.getresponse()
                if response.status != http.client.OK:
                    self._answer(response)
                while line := response.readline(MAX_ANSWER):
                    yield _changed(json.loads(line))
        except FAILURES as error:
            raise Refused(0, f"watch of {path}: {type(error).__name__}: {error}") from error

    def _send(self, method: str, path: str, body: Json | None, kind: str, timeout: float) -> http.client.HTTPConnection:
        # Both may be rotated while we run; a missing CA or token fails the request, never the process.
        context = ssl.create_default_context(cafile=str(self._credentials / "ca.crt"))
        token = (self._credentials / "token").read_text().strip()
        connection = http.client.HTTPSConnection(self._host, self._port, timeout=timeout, context=context)
        headers = {"Authorization": f"Bearer {token}", "Accept": JSON, "Content-Type": kind, "User-Agent": "runwatchman-reporter"}
        with ExitStack() as stack:
            stack.callback(connection.close)
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            stack.pop_all()  # The request was sent: the reader of the response closes the connection.
        return connection

    def _answer(self, response: http.client.HTTPResponse) -> Json:
        text = response.read(MAX_ANSWER)
        if response.status >= http.client.BAD_REQUEST:
            raise Refused(response.status, text[:512].decode(errors="replace"))
        answer = json.loads(text)
        if not isinstance(answer, dict):
            raise Refused(0, "the response is not an object")
        return answer


def _changed(event: Json) -> Json:
    """Return the object of a watch event. Raises Refused for an error and for a deletion."""
    if event.get("type") not in ("ADDED", "MODIFIED"):
        raise Refused(event.get("object", {}).get("code", http.client.GONE), f"the watch reported {event.get('type')}")
    found = event.get("object")
    return found if isinstance(found, dict) else {}
