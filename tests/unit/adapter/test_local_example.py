"""docs/examples/advisor-local.py, run through the raw preset and the adapter against a model server on loopback."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from controller.adapter.adapter import Limits, LocalAdapter
from controller.adapter.contract import Ended, Reply
from controller.adapter.metrics import AdapterMetrics
from controller.adapter.presets.raw import Raw
from controller.api.base import JsonObject
from tests.unit.adapter.scripts import request

EXAMPLE = Path(__file__).parents[3] / "docs/examples/advisor-local.py"
VARIABLES = frozenset({"ADVISOR_URL", "ADVISOR_MODEL", "ADVISOR_KEY"})
GOOD = '{ "intent":"noop" }'


@asynccontextmanager
async def model(status: int, content: str | None, requests: list[JsonObject]) -> AsyncIterator[str]:
    """Serve chat completions; yields their URL."""

    async def answer(asked: web.Request) -> web.Response:
        requests.append({**await asked.json(), "key": asked.headers["Authorization"]})
        return web.json_response({"choices": [{"message": {"content": content}}]}, status=status)

    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1/chat/completions"
    finally:
        await runner.cleanup()


async def ask(url: str, monkeypatch: pytest.MonkeyPatch, name: str = "") -> Reply:
    """Run the example as an installer registers it."""
    for variable, value in {"ADVISOR_URL": url, "ADVISOR_MODEL": "of-the-environment", "ADVISOR_KEY": "key-of-the-model"}.items():
        monkeypatch.setenv(variable, value)
    command = Raw("local", (sys.executable, str(EXAMPLE)), VARIABLES)
    async with LocalAdapter({"local": command}, Limits(), AdapterMetrics(CollectorRegistry())) as adapter:
        return await adapter.consult(request("local", model=name, prompt="Whät now?"))


CASES = [
    (200, GOOD, Ended.ANSWERED),
    (200, "I would rather talk.\n", Ended.ANSWERED),
    (200, None, Ended.ABSTAINED),
    (401, "", Ended.AUTH_FAILED),
    (429, "", Ended.TEMPORARY),
    (503, "", Ended.TEMPORARY),
    (400, "", Ended.MISUSED),
]


@pytest.mark.parametrize(("status", "content", "ended"), CASES)
async def test_example_asks_once_and_maps_what_comes(
    monkeypatch: pytest.MonkeyPatch, status: int, content: str | None, ended: Ended
) -> None:
    """An answer arrives unchanged, and every failure has its exit code and a reason."""
    requests: list[JsonObject] = []
    async with model(status, content, requests) as url:
        reply = await ask(url, monkeypatch)
    answered = ended is Ended.ANSWERED
    assert (reply.ended, reply.output) == (ended, (content or "").encode() if answered else b"")
    assert bool(reply.detail) != answered
    (asked,) = requests
    assert (asked["model"], asked["max_tokens"], asked["key"]) == ("of-the-environment", 10, "Bearer key-of-the-model")
    assert asked["messages"] == [{"role": "user", "content": "Whät now?"}]
    assert asked["response_format"]["json_schema"]["schema"] == {"type": "object"}


async def test_example_asks_for_the_policys_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy's model takes precedence over the installer's."""
    requests: list[JsonObject] = []
    async with model(200, GOOD, requests) as url:
        await ask(url, monkeypatch, name="of-the-policy")
    assert requests[0]["model"] == "of-the-policy"


async def test_example_tells_that_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model server that is down is reported as a temporary failure."""
    async with model(200, GOOD, []) as url:
        pass
    reply = await ask(url, monkeypatch)
    assert reply.ended is Ended.TEMPORARY
    assert "cannot be reached" in reply.detail


def test_example_is_short_enough_to_be_read() -> None:
    """The example is documentation, so it has forty lines at most."""
    assert len(EXAMPLE.read_text().splitlines()) <= 40
