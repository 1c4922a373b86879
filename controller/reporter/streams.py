"""What a known CLI says in its own stream, as events of ours."""

from __future__ import annotations

from typing import Any


def parse(line: str) -> list[dict[str, Any]]:
    """Return the events that a line of out/stream.jsonl stands for: those of docs/agents.md, and `{"type": "turn"}`."""
    del line
    return []
