"""Requests to the API server with one caller's rights: through `kubectl proxy`, or with the caller's bearer token."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import orjson
from yarl import URL

from controller.api.names import GROUP, VERSION
from controller.cli.rw.kubectl_errors import Refused, fault
from controller.cli.rw.objects import JsonObject
from controller.cli.rw.user_error import Problem

ANSWER_SECONDS = 20.0
"""Time that a request may take, except a watch and a followed log."""

MAX_ANSWER = 64 << 20
"""Maximum bytes of one answer. A list asks for less when its page has more."""

CONNECTIONS = 256
"""Connections to the API server, of all callers together. A caller's watches hold two of them, and each followed log holds one."""

CLOSE_SECONDS = 1.0
"""Time for the other side of a websocket to close it, too."""

Params = Mapping[str, str | int]


class Away(Problem):
    """The API server did not answer."""


class TooLarge(Problem):
    """An answer has more than MAX_ANSWER bytes."""


@dataclass(frozen=True, slots=True)
class ApiServer:
    """Where the API server is: a URL, for kubectl's proxy with the path of its socket, else with the file of its authority."""

    url: str
    socket: str = ""
    authority: str = ""

    def client(self) -> aiohttp.ClientSession:
        """Return connections that follow no redirect, keep no cookie and read no proxy from the environment."""
        jar = aiohttp.DummyCookieJar()
        return aiohttp.ClientSession(connector=self._connector(), cookie_jar=jar, trust_env=False, auto_decompress=False)

    def _connector(self) -> aiohttp.BaseConnector:
        if self.socket:
            return aiohttp.UnixConnector(self.socket, limit=CONNECTIONS)
        trusted = ssl.create_default_context(cafile=self.authority) if self.authority else True
        return aiohttp.TCPConnector(limit=CONNECTIONS, ssl=trusted)


def path_of(*segments: str) -> str:
    """Return a path of the API whose segments cannot become others. Raises Problem for an empty one or a step upwards."""
    for segment in segments:
        if segment in ("", ".", ".."):
            raise Problem(f"{segment!r} is not a name", "use the name of an object")
    return "/" + "/".join(quote(segment, safe="") for segment in segments)


def collection(resource: str, namespace: str = "") -> str:
    """Return the path of a kind of runwatchman, named as `runs.runwatchman.dev`, in a namespace or in all."""
    where = ("namespaces", namespace) if namespace else ()
    return path_of("apis", GROUP, VERSION, *where, resource.removesuffix(f".{GROUP}"))


@dataclass(frozen=True, slots=True)
class Api:
    """The API server for one caller. `token` is empty if kubectl's proxy adds the credentials."""

    client: aiohttp.ClientSession
    url: str
    token: str = ""

    async def get(self, path: str, params: Params | None = None) -> JsonObject:
        """Return an object or a list. Raises Refused with the API server's reason, Away, or TooLarge."""
        return await self._json("GET", path, params)

    async def send(self, method: str, path: str, body: JsonObject, kind: str = "application/json") -> JsonObject:
        """Create or change an object and return it. Raises like `get`."""
        return await self._json(method, path, None, orjson.dumps(body), kind)

    async def _json(self, method: str, path: str, params: Params | None, body: bytes | None = None, kind: str = "") -> JsonObject:
        async with asyncio.timeout(ANSWER_SECONDS) as limit:
            try:
                async with self.open(method, path, params, body, kind) as response:
                    found = orjson.loads(await _bounded(response))
            except TimeoutError as error:
                if not limit.expired():
                    raise
                raise Away("the API server did not answer in time", "wait, or check it with `kubectl get --raw /readyz`") from error
            except orjson.JSONDecodeError as error:
                raise Problem("the API server's answer is not JSON", "check that its address is right") from error
        return found if isinstance(found, dict) else {}

    @asynccontextmanager
    async def open(
        self,
        method: str,
        path: str,
        params: Params | None = None,
        body: bytes | None = None,
        kind: str = "",
        silence: float | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Open an answer whose body the caller reads as it comes. Raises Refused, Away, or TimeoutError after a `silence`."""
        limits = aiohttp.ClientTimeout(total=None, sock_connect=ANSWER_SECONDS, sock_read=silence)
        url = URL(f"{self.url}{path}{'?' + urlencode(params) if params else ''}", encoded=True)
        try:
            async with self.client.request(
                method, url, data=body, headers=self._headers(kind), allow_redirects=False, timeout=limits
            ) as response:
                if response.status >= HTTPStatus.MULTIPLE_CHOICES:
                    raise refusal(response.status, await response.content.read(MAX_STATUS))
                yield response
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise Away("the API server cannot be reached", "the page goes on when it answers again") from error

    @asynccontextmanager
    async def websocket(
        self, path: str, params: Sequence[tuple[str, str]], protocols: Sequence[str]
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """Open a websocket in one of some protocols. Raises Refused without the API server's words, or Away."""
        url, limit = URL(f"{self.url}{path}?{urlencode(params)}", encoded=True), aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS)
        headers = self._headers("") | {"Accept": "*/*"}  # A stream is no JSON, and the API server refuses to send it as such.
        try:
            async with self.client.ws_connect(url, protocols=protocols, headers=headers, timeout=limit) as socket:
                yield socket
        except aiohttp.WSServerHandshakeError as error:
            raise refusal(error.status, b"") from error
        except (aiohttp.ClientError, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise Away("the API server cannot be reached", "try again when it answers") from error

    def _headers(self, kind: str) -> dict[str, str]:
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "runwatchman-web"}
        if kind:
            headers["Content-Type"] = kind
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        return headers


MAX_STATUS = 1 << 20
"""Maximum bytes of a refusal that are read."""


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    parts, size = [], 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > MAX_ANSWER:
            raise TooLarge("an answer of the API server is too large", "ask for less")
        parts.append(part)
    return b"".join(parts)


REASONS = {status.value: status.phrase.replace(" ", "") for status in HTTPStatus}


def refusal(code: int, body: bytes) -> Refused:
    """Return the failure that an answer with an error's code describes, in the words of `kubectl rw`."""
    try:
        status: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        status = {}
    found = status if isinstance(status, dict) else {}
    reason = str(found.get("reason") or REASONS.get(code, "Unknown"))
    message = str(found.get("message") or f"the API server answers with code {code}")
    refused = fault(f"Error from server ({reason}): {message}")
    return Refused(refused.message, reason=refused.reason or reason, denied=refused.denied)
