"""An API server over HTTPS that holds one AgentReport and misbehaves on request; tests/api/test_reporter.py uses the real one."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from controller.reporter.settings import Settings, settings_from

Json = dict[str, Any]

ENVIRONMENT = {
    "RUNWATCHMAN_RUN": "demo",
    "RUNWATCHMAN_RUN_UID": "run-uid",
    "RUNWATCHMAN_AGENT": "coder",
    "RUNWATCHMAN_ATTEMPT": "3",
    "RUNWATCHMAN_POD_UID": "pod-uid",
    "RUNWATCHMAN_NAMESPACE": "ns",
    "RUNWATCHMAN_REPORT_INTERVAL_SECONDS": "60",
}
SETTINGS: Settings = settings_from(ENVIRONMENT)


class Server:
    """The state that the handlers share. `trouble` is a status code for every request, or "hang", or None for no trouble."""

    def __init__(self) -> None:
        self.report: Json | None = None
        self.trouble: int | str | None = None
        self.token = "t0ken"  # noqa: S105  # of a test
        self.requests: list[str] = []
        self.changed = threading.Condition()
        self.released = threading.Event()
        self._version = 0

    @property
    def status(self) -> Json:
        """The report's status, empty if absent."""
        return (self.report or {}).get("status") or {}

    def writes(self) -> list[str]:
        """The write requests."""
        return [request for request in self.requests if not request.startswith("GET")]

    def put(self, report: Json | None) -> None:
        """Replace the object, as another writer would."""
        with self.changed:
            self._version += 1
            self.report = report
            if report is not None:
                report.setdefault("metadata", {})["resourceVersion"] = str(self._version)
            self.changed.notify_all()

    def deliver(self, question: str, answer: str) -> None:
        """Put an answer into the spec, as the operator does."""
        assert self.report
        spec = {**self.report["spec"], "deliveries": [{"questionID": question, "answer": answer, "by": "alice"}]}
        self.put({**self.report, "metadata": dict(self.report["metadata"]), "spec": spec})


class Handler(BaseHTTPRequestHandler):
    """Answers for the server that a subclass names."""

    told: Server

    def log_message(self, *_: object) -> None:
        """Log no requests."""

    def do_GET(self) -> None:
        if self._well():
            if "watch=true" in self.path:
                self._watch()
            else:
                self._say(200, self.told.report) if self.told.report else self._say(404)

    def do_POST(self) -> None:
        body = self._body()
        if self._well():
            if self.told.report:
                return self._say(409)
            self.told.put({**body, "metadata": {**body["metadata"]}})
            self._say(201, self.told.report)
        return None

    def do_PATCH(self) -> None:
        body = self._body()
        if self._well():
            if self.told.report is None:
                return self._say(404)
            if body["metadata"]["resourceVersion"] != self.told.report["metadata"]["resourceVersion"]:
                return self._say(409)
            status = {k: v for k, v in {**self.told.status, **body["status"]}.items() if v is not None}
            self.told.put({**self.told.report, "metadata": dict(self.told.report["metadata"]), "status": status})
            self._say(200, self.told.report)
        return None

    def _well(self) -> bool:
        self.told.requests.append(f"{self.command} {self.path}")
        if self.headers["Authorization"] != f"Bearer {self.told.token}":
            self._say(401)
            return False
        if self.told.trouble == "hang":
            self.told.released.wait()
        if isinstance(self.told.trouble, int):
            self._say(self.told.trouble)
        return self.told.trouble is None

    def _body(self) -> Json:
        found: Json = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        return found

    def _say(self, code: int, body: Json | None = None) -> None:
        text = json.dumps(body if body is not None else {"kind": "Status", "code": code}).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def _watch(self) -> None:
        self.send_response(200)
        self.end_headers()
        shown = None
        while not self.told.released.is_set():
            with self.told.changed:
                if self.told.report is shown:
                    self.told.changed.wait(0.2)
                    continue
                shown = self.told.report
            try:
                self.wfile.write(json.dumps({"type": "MODIFIED", "object": shown}).encode() + b"\n")
            except OSError:
                return


@contextmanager
def serving(certificates: Path) -> Iterator[tuple[Server, int]]:
    """Serve while the context lasts, with the API server's certificate of a folder."""
    told = Server()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates / "apiserver.crt", certificates / "apiserver.key")
    listening = ThreadingHTTPServer(("127.0.0.1", 0), type("Told", (Handler,), {"told": told}))
    listening.socket = context.wrap_socket(listening.socket, server_side=True, do_handshake_on_connect=False)
    listening.daemon_threads = True
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield told, listening.server_address[1]
    finally:
        told.released.set()
        listening.shutdown()
        thread.join()
        listening.server_close()
