"""A client of the page that is logged in, for the page over some objects."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer, unused_port

from controller.cli.rw.objects import JsonObject
from controller.cli.web.api_access import ApiServer
from controller.cli.web.local_server import application
from controller.cli.web.visit import View
from tests.browser.recorded import KEY, Control, api

Client = TestClient[web.Request, web.Application]


@asynccontextmanager
async def logged_in(objects: dict[str, list[JsonObject]]) -> AsyncIterator[Client]:
    """Serve the page over some objects, and open a session."""
    async with TestServer(api(objects, b"", Control(objects))) as upstream:
        port = unused_port()
        app = application(ApiServer(f"http://127.0.0.1:{upstream.port}"), port, KEY, View("", "default"))
        async with TestClient(TestServer(app, port=port)) as client:
            await client.get(f"/start/{KEY}")
            yield client
