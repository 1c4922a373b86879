"""One object, or one page, with a fault does not stop the others."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from controller.cli.rw.objects import JsonObject
from controller.cli.web import local_server, page_server
from controller.cli.web.api_access import ApiServer
from controller.cli.web.visit import View
from controller.cli.web.watched import Watched


class Listing:
    """An API server that lists objects once."""

    def __init__(self, *names: str) -> None:
        self.names = names

    async def get(self, _: str, __: Any) -> JsonObject:
        """Return the list."""
        return {"metadata": {"resourceVersion": "1"}, "items": [{"metadata": {"namespace": "a", "name": n}} for n in self.names]}


def name_unless_odd(obj: JsonObject) -> str:
    """Return the name; an odd object fails as code does that expects another type."""
    return str(obj["metadata"]["name"] if obj["metadata"]["name"] != "odd" else obj["metadata"]["name"].items())


async def test_an_object_that_cannot_be_read_does_not_hide_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged with its name and left out."""
    watched = Watched(Listing("one", "odd", "two"), "/runs", name_unless_odd)  # type: ignore[arg-type]
    await asyncio.wait_for(watched._list(), 5)
    assert watched.entries == {("a", "one"): "one", ("a", "two"): "two"}
    assert "a/odd" in caplog.text


async def test_a_fault_in_a_page_is_logged_and_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """The person reads a page of ours, with its headers; the traceback is in the log only."""

    async def broken(_: web.Request) -> web.StreamResponse:
        raise ZeroDivisionError("a secret of the traceback")

    monkeypatch.setattr(page_server, "_healthy", broken)
    app = local_server.application(ApiServer("http://localhost:1"), 1, "key", View())
    async with TestClient(TestServer(app)) as client:
        response = await client.get("/healthz")
        text = await response.text()
    assert (response.status, "its server has logged why" in text, "secret" in text) == (500, True, False)
    assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"]
    assert [record.exc_info is not None for record in caplog.records if record.levelno == logging.ERROR] == [True]
