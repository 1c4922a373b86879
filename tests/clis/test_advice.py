"""The real CLIs as advisors: consulted through the real presets and the adapter, with models on loopback that answer anything."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from controller.adapter.adapter import Limits, LocalAdapter
from controller.adapter.command import Command
from controller.adapter.contract import Ended, Request
from controller.adapter.contract import Reply as Advice
from controller.adapter.metrics import AdapterMetrics
from controller.adapter.presets.claude import CREDENTIALS as CLAUDE_KEYS
from controller.adapter.presets.claude import Claude
from controller.adapter.presets.codex import CREDENTIALS as CODEX_KEYS
from controller.adapter.presets.codex import Codex
from controller.api.base import JsonObject
from tests.clis.cli import KEY
from tests.clis.model import INPUT_TOKENS, OUTPUT_TOKENS, End, Messages, Model, Reply, Responses

PATIENCE = 60
LONG_ENOUGH = 15
"""Seconds in which a CLI has sent its request, on a busy machine too."""
MAX_TOKENS = 777
MODEL = {"codex": "gpt-5.5", "claude": "claude-opus-4-5"}
SCHEMA: JsonObject = {
    "type": "object",
    "additionalProperties": False,
    "required": ["intent"],
    "properties": {"intent": {"type": "string", "enum": ["noop", "auto_restart"]}},
}
GOOD = '{ "intent":"noop" }'
"""In a form that no serializer would write, so that a repaired answer is visible."""

HARMLESS = {"codex": {"request_user_input", "apply_patch"}, "claude": {"StructuredOutput"}}
"""The only tools that a model may be offered: a question that no user sees, a patch that the sandbox refuses, the answer itself."""


@dataclass(frozen=True)
class Tool(Reply):
    """A model that calls a tool; `command` is the tool's input."""

    name: str = "StructuredOutput"


class ToolMessages(Messages):
    """A Messages API whose model calls any tool, with exactly this input."""

    def events(self, reply: Reply, number: int) -> list[JsonObject]:
        """Return the events of a message."""
        events = super().events(reply, number)
        if isinstance(reply, Tool):
            events[1]["content_block"]["name"] = reply.name
            events[2]["delta"]["partial_json"] = reply.command
        return events


class ToolResponses(Responses):
    """A Responses API whose model applies a patch, which is a tool of free text."""

    def events(self, reply: Reply, number: int) -> list[JsonObject]:
        """Return the events of a response."""
        events = super().events(reply, number)
        if isinstance(reply, Tool):
            call = {"type": "custom_tool_call", "call_id": f"call_{number}", "name": reply.name, "input": reply.command}
            events[1]["item"] = {"id": f"item_{number}", **call}
        return events


SERVERS: dict[str, type[Model]] = {"codex": ToolResponses, "claude": ToolMessages}
Ask = Callable[..., Awaitable[Advice]]


@pytest.fixture
def ask(clis: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Return a function that consults a CLI whose model is on loopback, in folders that are not under /tmp."""
    monkeypatch.setenv("PATH", str(clis), prepend=":")
    monkeypatch.setattr("tempfile.tempdir", str(place))
    for name in CODEX_KEYS | CLAUDE_KEYS:
        monkeypatch.delenv(name, raising=False)

    async def asked(cli: str, model: Model, prompt: str = "What now?", key: str = KEY, **more: Any) -> Advice:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", model.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", key)
        monkeypatch.setenv("TEST_KEY", key)
        whose: Any = {"tenant": "team", "key": "uid"}
        limits: Any = {"timeout_seconds": more.get("seconds", PATIENCE), "max_tokens": MAX_TOKENS}
        request = Request(command=cli, model=MODEL[cli], document={}, prompt=prompt, schema=SCHEMA, **whose, **limits)
        registered = {cli: command(cli, more.get("args") or provider(model))}
        async with LocalAdapter(registered, Limits(), AdapterMetrics(CollectorRegistry())) as adapter:
            return await adapter.consult(request)

    return asked


def provider(model: Model) -> tuple[str, ...]:
    """Return the arguments that configure a custom provider for codex, with few retries."""
    retries = "request_max_retries=1, stream_max_retries=1"
    told = f'{{name="test", base_url="{model.url}", env_key="TEST_KEY", wire_api="responses", {retries}}}'
    return ("-c", "model_provider=test", "-c", f"model_providers.test={told}")


def command(cli: str, args: tuple[str, ...]) -> Command:
    """Return the preset as an installer would register it."""
    return Claude("claude") if cli == "claude" else Codex("codex", args, CODEX_KEYS | {"TEST_KEY"})


def answer(cli: str, text: str) -> Reply:
    """Return a model that answers as its API does with a schema."""
    return Tool(command=text) if cli == "claude" else Reply(text=text)


both = pytest.mark.parametrize("cli", ["codex", "claude"])


@both
async def test_good_answer_arrives_to_the_letter(ask: Ask, cli: str) -> None:
    """The model's answer and its cost arrive; it is asked once, by name, within the limit, with the schema, without a tool that
    acts.
    """
    async with SERVERS[cli](answer(cli, GOOD)).serve() as model:
        advice = await ask(cli, model)
    assert (advice.ended, advice.output, advice.detail) == (Ended.ANSWERED, GOOD.encode(), "")
    used = advice.consumption
    assert (used.input_tokens, used.output_tokens) == (INPUT_TOKENS, OUTPUT_TOKENS)
    assert (used.cost_micro_usd is not None) == (cli == "claude")
    assert len(model.requests) == 1
    (request,) = model.requests
    assert request["model"] == MODEL[cli]
    assert {tool.get("name", tool.get("type")) for tool in request["tools"]} <= HARMLESS[cli]
    assert KEY in model.keys[0]
    assert json.dumps(SCHEMA["properties"]) in json.dumps(request)
    assert request.get("thinking", {}).get("type") in (None, "disabled")
    assert request.get("max_tokens") == (MAX_TOKENS if cli == "claude" else None)


ODD = [
    "I would restart it.",
    '{"intent": "rm -rf"}',
    GOOD + GOOD,
    '{"intent": "noop", "intent": "auto_restart"}',
    "```json\n" + GOOD + "\n```\n",
]


@pytest.mark.parametrize("text", ODD)
@both
async def test_answer_that_breaks_the_schema_arrives_to_the_letter(ask: Ask, cli: str, text: str) -> None:
    """Neither the CLI nor the preset repairs, drops or repeats it: the gate has to judge it."""
    async with SERVERS[cli](Reply(text=text)).serve() as model:
        advice = await ask(cli, model)
    assert (advice.ended, advice.output) == (Ended.ANSWERED, text.encode())
    assert len(model.requests) == 1


@pytest.mark.parametrize(
    "text", ['{"intent": "rm -rf"}', '{"intent": "noop", "intent": "auto_restart"}', '{"intent": 1e400}', '{"intent']
)
async def test_tool_input_that_breaks_the_schema_arrives_to_the_letter(ask: Ask, text: str) -> None:
    """The same for claude's model, which answers by the tool: a duplicate key stays duplicate on the way."""
    async with ToolMessages(Tool(command=text)).serve() as model:
        advice = await ask("claude", model)
    assert (advice.ended, advice.output) == (Ended.ANSWERED, text.encode())
    assert len(model.requests) == 1


FAILURES = [
    (401, "authentication_error", Ended.AUTH_FAILED),
    (403, "permission_error", Ended.AUTH_FAILED),
    (429, "rate_limit_error", Ended.TEMPORARY),
    (500, "api_error", Ended.TEMPORARY),
    (529, "overloaded_error", Ended.TEMPORARY),
    (400, "invalid_request_error", Ended.FAILED),
]


@pytest.mark.parametrize(("status", "error", "ended"), FAILURES)
@both
async def test_failure_of_the_provider_is_told(ask: Ask, cli: str, status: int, error: str, ended: Ended) -> None:
    """The error shows whether a key, some time or a change is needed, in the CLI's words and without the key."""
    async with SERVERS[cli](Reply(status=status, error=error)).serve() as model:
        advice = await ask(cli, model)
    assert (advice.ended, advice.output) == (ended, b"")
    assert advice.detail
    assert KEY not in advice.detail


@both
async def test_missing_key_is_told(ask: Ask, cli: str) -> None:
    """A forgotten Secret needs a human, as a wrong one does; no model is asked."""
    async with SERVERS[cli](Reply(text=GOOD)).serve() as model:
        advice = await ask(cli, model, key="")
    assert advice.ended is Ended.AUTH_FAILED, advice.detail
    assert model.requests == []


@pytest.mark.parametrize("name", ["CODEX_API_KEY", "OPENAI_API_KEY"])
async def test_codex_takes_the_key_by_either_name(ask: Ask, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """With its own provider, the usual case, the Secret may name the key as the provider does, or as codex does."""
    monkeypatch.setenv(name, KEY)
    async with ToolResponses(Reply(text=GOOD)).serve() as model:
        advice = await ask("codex", model, args=("-c", f'openai_base_url="{model.url}"'))
    assert (advice.ended, advice.output) == (Ended.ANSWERED, GOOD.encode())
    assert model.keys == [f"Bearer {KEY}"]


@both
async def test_long_prompt_arrives_whole(ask: Ask, cli: str) -> None:
    """60 KiB arrive in one piece, from the first word to the last."""
    prompt = "first " + "0123456789abcde " * (60 * 1024 // 16) + "last"
    async with SERVERS[cli](answer(cli, GOOD)).serve() as model:
        advice = await ask(cli, model, prompt)
    assert advice.ended is Ended.ANSWERED
    assert prompt in model.said()


@both
async def test_model_that_hangs_meets_the_deadline(ask: Ask, cli: str) -> None:
    """The CLI is ended in the middle of its stream, and the consultation has timed out."""
    async with SERVERS[cli](Reply(text=GOOD, end=End.HELD)).serve() as model:
        advice = await ask(cli, model, seconds=LONG_ENOUGH)
        assert model.holding.is_set()
    assert (advice.ended, advice.output) == (Ended.TIMED_OUT, b"")


def acts(canary: Path) -> list[tuple[str, str, list[Reply]]]:
    """Return models that want to act first, and answer if they are asked again."""
    patch = f"*** Begin Patch\n*** Add File: {canary}\n+caught\n*** End Patch"
    touch = f"touch {canary}"
    return [
        ("codex", "shell", [Reply(command=touch), Reply(text=GOOD)]),
        ("codex", "patch", [Tool(command=patch, name="apply_patch"), Reply(text=GOOD)]),
        ("claude", "shell", [Reply(command=touch), Reply(text=GOOD)]),
        ("claude", "write", [Tool(command=json.dumps({"file_path": str(canary), "content": "x"}), name="Write"), Reply(text=GOOD)]),
    ]


@pytest.mark.parametrize("number", range(len(acts(Path()))), ids=[f"{cli}-{how}" for cli, how, _ in acts(Path())])
async def test_model_that_wants_to_act_cannot(ask: Ask, place: Path, number: int) -> None:
    """No command runs and no file is written, for any tool that it calls."""
    canary = place / "canary"
    cli, _, replies = acts(canary)[number]
    async with SERVERS[cli](*replies).serve() as model:
        advice = await ask(cli, model)
    assert model.requests
    assert not canary.exists()
    # codex gets a refusal and asks again; claude has one turn.
    assert advice.ended is (Ended.ANSWERED if cli == "codex" else Ended.FAILED), advice.detail
