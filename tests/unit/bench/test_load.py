"""Requests that the API server wants repeated, and the certificates of kubeconfigs."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiohttp.typedefs import Handler

from controller.kube.resources import PODS
from tests.bench.load import delete_all
from tests.bench.wire import _pem, call, retry_when_asked


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


async def test_a_request_that_comes_too_early_is_repeated_with_its_body() -> None:
    codes, bodies = iter((429, 429, 201)), []

    async def answer(request: web.Request) -> web.Response:
        bodies.append(await request.json())
        return web.json_response({"made": True}, status=next(codes), headers={"Retry-After": "0"})

    app = web.Application()
    app.router.add_post(PODS.path("ns"), answer)
    async with (
        TestServer(app) as server,
        aiohttp.ClientSession(server.make_url("/"), middlewares=(retry_when_asked,)) as http,
    ):
        assert await call(http, "POST", PODS.path("ns"), {"kind": "Pod"}) == {"made": True}
    assert bodies == [{"kind": "Pod"}] * 3


def test_a_certificate_may_be_in_the_kubeconfig_or_in_a_file(tmp_path: Path) -> None:
    """A kubeconfig of kind contains its certificates, one of our control plane names their files."""
    (tmp_path / "ca.crt").write_text("in a file")
    assert _pem({"certificate-authority": str(tmp_path / "ca.crt")}, "certificate-authority") == "in a file"
    assert _pem({"certificate-authority-data": b64encode(b"embedded").decode()}, "certificate-authority") == "embedded"
