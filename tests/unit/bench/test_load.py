"""Tidying up after thousands of objects."""

from __future__ import annotations

from collections.abc import Iterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Handler

from controller.cluster.resources import PODS
from tests.bench.load import delete_all


@pytest.mark.parametrize(("answers", "asked"), [((200,), 1), ((504, 504, 200), 3)], ids=["few", "thousands"])
async def test_a_deletion_that_takes_more_than_a_minute_goes_on(answers: tuple[int, ...], asked: int) -> None:
    left, seen = iter(answers), 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal seen
        seen += 1
        return web.json_response({}, status=next(left))

    await _deleting(answer)
    assert seen == asked


async def test_a_deletion_that_is_refused_is_not_tried_again() -> None:
    codes: Iterator[int] = iter((403,))

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({}, status=next(codes))

    with pytest.raises(aiohttp.ClientResponseError, match="403"):
        await _deleting(answer)


async def _deleting(answer: Handler) -> None:
    app = web.Application()
    app.router.add_delete(PODS.path("ns"), answer)
    async with TestServer(app) as server, aiohttp.ClientSession(server.make_url("/")) as http:
        await delete_all(http, PODS, "ns")
