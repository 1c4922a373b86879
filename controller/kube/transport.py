"""HTTP to the API server on a plain aiohttp session, with TLS, proxy and host names as `kubernetes` configures them."""

from __future__ import annotations

from typing import Any

import aiohttp
from kubernetes.aio.client.rest import RESTClientObject
from yarl import URL

from controller import __version__

BUFFER_BYTES = 2**21
"""Buffered bytes of a response before aiohttp stops reading its socket."""
HEADERS = {"Accept": "application/json", "User-Agent": f"runwatchman/{__version__}"}


class Transport:
    """Connections to one API server, opened when needed.

    kubernetes' own client would wrap every request, at twice the CPU, for features that nothing here uses.
    """

    def __init__(self, configuration: Any) -> None:
        self._configuration = configuration
        self._session: aiohttp.ClientSession | None = None
        self._host = str(configuration.host)
        self._more = _only_what_is_set(
            server_hostname=configuration.tls_server_name, proxy=configuration.proxy, proxy_headers=configuration.proxy_headers
        )

    async def close(self) -> None:
        """Close every connection."""
        if self._session:
            await self._session.close()

    async def request(
        self, method: str, target: str, headers: dict[str, str], body: bytes | None, limit: aiohttp.ClientTimeout
    ) -> aiohttp.ClientResponse:
        """Send one request to a path with its query; return the response once its headers arrived."""
        if self._session is None:
            self._session = self._open()
        url = URL(self._host + target, encoded=True)
        return await self._session.request(method, url, headers=headers, data=body, timeout=limit, **self._more)

    def _open(self) -> aiohttp.ClientSession:
        tls = RESTClientObject(self._configuration).ssl_context
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._configuration.connection_pool_maxsize, ssl=tls),
            headers=HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),  # The API server sets no cookies.
            read_bufsize=BUFFER_BYTES,
        )


def _only_what_is_set(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value}
