"""The transport of requests: through a proxy where one is set, to a server with a valid certificate, with unchanged bodies."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from controller.kube.client import Client
from controller.kube.codec import json_bytes
from controller.kube.connection import connect
from controller.kube.errors import Unavailable
from controller.kube.resources import PODS
from tests.cluster.certificates import make_certificates
from tests.unit.kube.conftest import write_kubeconfig

LOCAL = "https://127.0.0.1:{port}"


async def found(request: web.Request) -> web.Response:
    return web.json_response({"path": request.path, "caller": request.headers["Authorization"]})


def any_path() -> web.Application:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", found)
    return app


@asynccontextmanager
async def serving_tls(folder: Path) -> AsyncIterator[int]:
    """Serve with the API server's certificate in a folder; yield the port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "apiserver.crt", folder / "apiserver.key")
    server = TestServer(any_path(), scheme="https")
    await server.start_server(ssl=context)
    try:
        yield server.port or 0
    finally:
        await server.close()


def trusting(path: Path, server: str, **more: str) -> Path:
    """Write a kubeconfig that trusts the authority in the same folder."""
    config = yaml.safe_load(write_kubeconfig(path, server).read_text())
    config["clusters"][0]["cluster"] |= {"certificate-authority": f"{path.parent}/ca.crt", **more}
    path.write_text(yaml.safe_dump(config))
    return path


async def test_requests_go_by_the_proxy(tmp_path: Path) -> None:
    """With a proxy, the proxy resolves the server's name."""
    async with TestServer(any_path()) as proxy:
        connection = await connect(write_kubeconfig(tmp_path / "kubeconfig", "http://not.anywhere.invalid"))
        connection.configuration.proxy = str(proxy.make_url(""))
        async with Client(connection) as client:
            answer = await client.get(PODS, "ns", "x")
    assert answer == {"path": "/api/v1/namespaces/ns/pods/x", "caller": "Bearer s3cret"}


@pytest.mark.parametrize(
    ("more", "good"),
    [
        ({}, True),
        ({"tls-server-name": "kubernetes.default"}, True),
        ({"tls-server-name": "somebody.else"}, False),
        ({"certificate-authority": "another"}, False),
    ],
    ids=["its own", "a name of it", "another name", "another authority"],
)
async def test_only_a_good_certificate_is_believed(tmp_path: Path, more: dict[str, str], good: bool) -> None:
    """The client trusts only the authority of the kubeconfig, for the server's address or the name that the kubeconfig gives."""
    make_certificates(tmp_path)
    if "certificate-authority" in more:
        (tmp_path / "another").mkdir()
        make_certificates(tmp_path / "another")
        more = {"certificate-authority": f"{tmp_path}/another/ca.crt"}
    async with serving_tls(tmp_path) as port:
        kubeconfig = trusting(tmp_path / "kubeconfig", LOCAL.format(port=port), **more)
        async with Client(await connect(kubeconfig)) as client:
            if good:
                assert (await client.get(PODS, "ns", "x"))["caller"] == "Bearer s3cret"
                return
            with pytest.raises(Unavailable, match=r"(?i)certificate"):
                await client.get(PODS, "ns", "x")


def test_a_body_that_utf_8_cannot_hold_is_sent_all_the_same() -> None:
    """Half a character, as at the end of a cut text, does not fail the pass: JSON escapes it, and the API server reads U+FFFD."""
    assert json_bytes({"message": "cut \ud83d"}) == b'{"message": "cut \\ud83d"}'
    assert json_bytes({"message": "whole ü", "count": 2**60}) == '{"message":"whole ü","count":1152921504606846976}'.encode()
