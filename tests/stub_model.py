"""A stub model behind an OpenAI-compatible API on loopback: it advises the rules' action, with a reason."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager

from controller.api.base import JsonObject
from tests.json_server import json_server

TARGET = re.compile(r'"target_run": "([^"]+)"')
WANTED = re.compile(r'"rules_want": \{\s*"intent": "([^"]+)"')


def _advice(prompt: str) -> JsonObject:
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


def _completion(asked: JsonObject) -> JsonObject:
    """Return a chat completion with the advice."""
    said = json.dumps(_advice(asked["messages"][-1]["content"]))
    return {"choices": [{"message": {"role": "assistant", "content": said}}]}


@contextmanager
def stub_model() -> Iterator[str]:
    """Serve it while the context lasts; yields the URL of its chat completions."""
    with json_server(_completion) as port:
        yield f"http://127.0.0.1:{port}/v1/chat/completions"
