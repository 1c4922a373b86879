"""A server on loopback that answers each POST of a JSON object with another."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from controller.api.base import JsonObject

Answer = Callable[[JsonObject], JsonObject]
"""Returns the answer to a request's body."""


@contextmanager
def json_server(answer: Answer, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve while the context lasts, over TLS with a server's context; yields the port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(answer))
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    (thread := threading.Thread(target=server.serve_forever, daemon=True)).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(answer: Answer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the library's name
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps(answer(asked)).encode()
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log no requests: the output is the demo's or the tests'."""

    return Handler
