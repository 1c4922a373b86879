"""Runs Anthropic's claude headless, with all tools and actions disabled. Written for version 2.1.331."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.adapter.command import CommandResult, Invocation
from controller.adapter.contract import Consumption, Ended, Request
from controller.adapter.presets.output_parsing import (
    MICRO_USD,
    SYSTEM,
    UNAUTHORIZED,
    ended_with,
    events,
    failed,
    model_option,
    text_of,
)

CREDENTIALS = frozenset(
    {"ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CONFIG_DIR"}
)
"""Variables with an API key, a token of `claude setup-token` or the folder of a login, and with the URL of another API."""

HYGIENE = (
    *("-p", "--verbose", "--output-format", "stream-json", "--include-partial-messages", "--max-turns", "1"),
    *("--no-session-persistence", "--strict-mcp-config", "--setting-sources", "", "--tools", "", "--disable-slash-commands"),
    *("--restricted", "--safe-mode", "--permission-prompts", "none", "--system-prompt", SYSTEM),
)
"""Options for a single turn without tools and without anybody's settings.

With one turn, claude does not ask again for an answer that breaks the schema, because the gate is to judge it. Only its stream of
partial messages has the model's exact words.
"""

QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_TELEMETRY": "1",
    # Thinking counts against the limit of output tokens, and its smallest budget is larger than most limits.
    "MAX_THINKING_TOKENS": "0",
    # Its ten retries would take longer than the adapter's own pause, which all consultations share.
    "CLAUDE_CODE_MAX_RETRIES": "2",
}

ANSWER_TOOL = "StructuredOutput"
"""The tool without effect that claude gives the model to enforce a schema."""


@dataclass(frozen=True, slots=True)
class Claude:
    """`claude -p`. `args` come before the preset's own options."""

    name: str
    args: tuple[str, ...] = ()
    kept_environment: frozenset[str] = CREDENTIALS

    def invocation(self, request: Request, folder: Path) -> Invocation:
        """Return the invocation. The prompt goes to stdin."""
        schema = ("--json-schema", json.dumps(request.schema))
        argv = ("claude", *self.args, *HYGIENE, *schema, *model_option("--model", request.model))
        limit = {"CLAUDE_CODE_MAX_OUTPUT_TOKENS": str(request.max_tokens)}
        return Invocation(argv, request.prompt.encode(), {**QUIET, **limit, "HOME": str(folder)})

    def read(self, code: int, stdout: bytes, stderr: bytes, folder: Path) -> CommandResult:
        """Return the content of the model's only message. The last event decides how it ended, not the exit code."""
        events_read = events(stdout)
        if not events_read or events_read[-1].get("type") != "result":
            return failed(_local_failure(text_of(stderr)), text_of(stderr), Consumption(), code)
        result, consumption = events_read[-1], _consumption(events_read[-1])
        stream = [event["event"] for event in events_read if event.get("type") == "stream_event"]
        answer = _answer(stream)
        if (status := result.get("api_error_status")) is None and answer:
            return CommandResult(answer.encode(), _model(stream), consumption)
        words = str(result.get("result") or "; ".join(map(str, result.get("errors", ()))) or text_of(stderr))
        return failed(ended_with(status) if status is not None else _local_failure(words), words, consumption, code)


def _answer(stream: list[dict[str, Any]]) -> str:
    """Return the exact answer of the last message: the arguments of its calls of the tool, one document each, else its text."""
    blocks: dict[int, dict[str, Any]] = {}
    parts: dict[int, list[str]] = {}
    for event in stream:
        match event["type"]:
            case "message_start":
                blocks, parts = {}, {}
            case "content_block_start":
                blocks[event["index"]] = event["content_block"]
            case "content_block_delta":
                delta = event["delta"]
                parts.setdefault(event["index"], []).append(delta.get("partial_json") or delta.get("text") or "")
    calls = ["".join(parts.get(index, ())) for index, block in blocks.items() if block.get("name") == ANSWER_TOOL]
    return "\n".join(calls) or "".join("".join(parts.get(index, ())) for index, block in blocks.items() if block["type"] == "text")


def _model(stream: list[dict[str, Any]]) -> str:
    started = [event["message"] for event in stream if event["type"] == "message_start"]
    return str(started[-1].get("model", "")) if started else ""


def _local_failure(words: str) -> Ended:
    """Return the end of a consultation that failed before any request to the provider."""
    return ended_with(UNAUTHORIZED) if "Not logged in" in words or "/login" in words else Ended.FAILED


def _consumption(result: dict[str, Any]) -> Consumption:
    """Return the consumption. Cached input counts as input."""
    usage, cost = result.get("usage", {}), result.get("total_cost_usd")
    read = [usage.get(f"{kind}input_tokens") for kind in ("", "cache_creation_", "cache_read_")]
    return Consumption(
        input_tokens=sum(one for one in read if one) if any(one is not None for one in read) else None,
        output_tokens=usage.get("output_tokens"),
        cost_micro_usd=round(cost * MICRO_USD) if isinstance(cost, int | float) else None,
    )
