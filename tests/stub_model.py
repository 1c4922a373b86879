"""A stub model behind an OpenAI-compatible API on loopback: it advises the rules' action, with a reason."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TARGET = re.compile(r'"target_run": "([^"]+)"')
WANTED = re.compile(r'"rules_want": \{\s*"intent": "([^"]+)"')


def _advice(prompt: str) -> dict[str, Any]:
    target, wanted = TARGET.search(prompt), WANTED.search(prompt)
    return {
        "intent": wanted.group(1) if wanted else "noop",
        "target_run": target.group(1) if target else "",
        "reason": "the log ends with a dropped connection, which a new attempt may not meet",
        "confidence": 0.8,
        "needs_human": False,
        "diagnosis": "a flaky network while dependencies were fetched" if "connection reset" in prompt else None,
        "suggested_answer": None,
    }


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:  # the library's name
        """Answer one chat completion."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        said = json.dumps(_advice(asked["messages"][-1]["content"]))
        body = json.dumps({"choices": [{"message": {"role": "assistant", "content": said}}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log no requests: the demo's terminal is for the demo."""


@contextmanager
def stub_model() -> Iterator[str]:
    """Serve it while the context lasts; yields the URL of its chat completions."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1/chat/completions"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
