"""A loopback endpoint for notifications: it records its messages, and answers as configured."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from controller.api.base import JsonObject


class Endpoint:
    """An HTTP server that answers each request with `code`: at once, after `release` if it is `held`, or never if it `hangs`."""

    def __init__(
        self,
        code: int = 200,
        headers: dict[str, str] | None = None,
        *,
        held: bool = False,
        hangs: bool = False,
        drops: bool = False,
    ) -> None:
        self.messages: list[JsonObject] = []
        self.arrived, self._release = threading.Event(), threading.Event()
        if not (hangs or held):
            self._release.set()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                endpoint.messages.append(json.loads(body))
                endpoint.arrived.set()
                endpoint._release.wait()
                if drops or hangs:
                    self.close_connection = True
                    return
                self.send_response(code)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
                """Log no requests."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._release.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def release(self) -> None:
        """Answer what is held, and everything after it at once."""
        self._release.set()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return self._server.server_port

    @property
    def titles(self) -> list[str]:
        """The titles of the received messages, in order."""
        return [message["title"] for message in self.messages]
