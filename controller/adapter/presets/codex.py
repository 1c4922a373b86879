"""Runs OpenAI's codex headless, with all tools and actions disabled. Written for version 0.169."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from controller.adapter.command import CommandResult, Invocation
from controller.adapter.contract import MAX_OUTPUT_BYTES, Consumption, Ended, Request
from controller.adapter.presets.output_parsing import SYSTEM, ended_with, events, failed, model_option, text_of

CREDENTIALS = frozenset({"CODEX_API_KEY", "OPENAI_API_KEY", "CODEX_HOME"})
"""Variables with an API key or the home of a `codex login`. Other providers are configured in `args`."""

FEATURES_OFF = (
    *("shell_tool", "unified_exec", "multi_agent", "goals", "view_image", "image_generation", "browser_use", "computer_use"),
    *("apps", "plugins", "hooks", "tool_suggest", "skill_search", "memories"),
)
SETTINGS = (
    "web_search=disabled",
    "project_doc_max_bytes=0",
    "skills.include_instructions=false",
    "include_environment_context=false",
    "check_for_update_on_startup=false",
    "analytics.enabled=false",
)
HYGIENE = (
    *("--json", "--ephemeral", "--ignore-user-config", "--ignore-rules", "--skip-git-repo-check", "-s", "read-only"),
    *(word for feature in FEATURES_OFF for word in ("--disable", feature)),
    *(word for setting in SETTINGS for word in ("-c", setting)),
)
"""Options that disable tools and settings. apply_patch cannot be disabled; the read-only sandbox refuses it."""

SCHEMA, INSTRUCTIONS, ANSWER = "schema.json", "instructions.md", "answer"

STATUS = re.compile(r"\bstatus:? (\d{3})\b")
SOON = re.compile(r"high demand|at capacity|rate limit|usage limit|quota exceeded", re.IGNORECASE)
NO_KEY = re.compile(r"Missing environment variable|not logged in", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Codex:
    """`codex exec`. `args` come before the preset's own options, for example to configure another provider."""

    name: str
    args: tuple[str, ...] = ()
    kept_environment: frozenset[str] = CREDENTIALS

    def invocation(self, request: Request, folder: Path) -> Invocation:
        """Return the invocation, with the prompt on stdin. codex cannot limit output tokens: MAX_OUTPUT_BYTES bounds its answer."""
        (folder / SCHEMA).write_text(json.dumps(request.schema))
        (folder / INSTRUCTIONS).write_text(SYSTEM)
        own = ("-c", f"model_instructions_file={json.dumps(str(folder / INSTRUCTIONS))}", "-C", str(folder))
        files = ("--output-schema", str(folder / SCHEMA), "-o", str(folder / ANSWER))
        argv = ("codex", "exec", *self.args, *HYGIENE, *own, *files, *model_option("--model", request.model), "-")
        # Without a CODEX_HOME, codex writes to HOME, which is deleted after this run.
        return Invocation(argv, request.prompt.encode(), {**_key(os.environ), "HOME": str(folder)})

    def read(self, code: int, stdout: bytes, stderr: bytes, folder: Path) -> CommandResult:
        """Return the content of the file with the last message. The events decide how the turn ended."""
        events_read = events(stdout)
        consumption = _consumption(events_read)
        if code == 0 and events_read and events_read[-1].get("type") == "turn.completed":
            if answer := _answer(folder / ANSWER):
                return CommandResult(answer, consumption=consumption)
            return failed(Ended.FAILED, "the model gave no answer", consumption, code)
        words = _words(events_read) or text_of(stderr)
        return failed(_ended(words), words, consumption, code)


def _key(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the API key's variable. Headless codex reads only CODEX_API_KEY; OPENAI_API_KEY is the usual name in Secrets."""
    key = environment.get("CODEX_API_KEY") or environment.get("OPENAI_API_KEY")
    return {"CODEX_API_KEY": key} if key else {}


def _answer(path: Path) -> bytes:
    """Return the file's exact bytes, at most one more than allowed, which marks the answer as too long."""
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        return file.read(MAX_OUTPUT_BYTES + 1)


def _words(events_read: list[dict[str, Any]]) -> str:
    """Return the message of the last failure: a failed turn or an error."""
    errors = [event.get("error") if event.get("type") == "turn.failed" else event for event in events_read]
    errors = [one for event, one in zip(events_read, errors, strict=True) if event.get("type") in ("turn.failed", "error")]
    return str(errors[-1].get("message", "")) if errors and isinstance(errors[-1], dict) else ""


def _ended(words: str) -> Ended:
    status = STATUS.search(words)
    if NO_KEY.search(words):
        return Ended.AUTH_FAILED
    return Ended.TEMPORARY if SOON.search(words) else ended_with(int(status[1]) if status else None)


def _consumption(events_read: list[dict[str, Any]]) -> Consumption:
    used = [
        event["usage"] for event in events_read if event.get("type") == "turn.completed" and isinstance(event.get("usage"), dict)
    ]
    return Consumption(used[-1].get("input_tokens"), used[-1].get("output_tokens")) if used else Consumption()
