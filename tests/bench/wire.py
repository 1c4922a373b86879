"""The minimal way to an API server: a session and one request.

It imports nothing of the operator, so that the minimal controller can use it.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from base64 import b64decode
from http import HTTPStatus
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import aiohttp
import yaml

BUFFER_BYTES = 2**24
"""Buffer of a watch: the API server closes one whose reader is slow, so the data is received before it is read."""
NO_LIMIT = aiohttp.ClientTimeout(total=None)
JSON_PATCH = {"Content-Type": "application/json-patch+json"}
STRATEGIC_PATCH = {"Content-Type": "application/strategic-merge-patch+json"}

JsonObject = dict[str, Any]


def session(kubeconfig: Path) -> aiohttp.ClientSession:
    """Return a session with the API server of a kubeconfig of our test clusters, with its user's certificate or token."""
    config = yaml.safe_load(kubeconfig.read_text())
    server, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    context = ssl.create_default_context(cadata=_pem(server, "certificate-authority"))
    headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
    if any(key.startswith("client-certificate") for key in user):
        with NamedTemporaryFile() as pair:  # OpenSSL reads a certificate and its key from files only.
            pair.write("\n".join(_pem(user, part) for part in ("client-certificate", "client-key")).encode())
            pair.flush()
            context.load_cert_chain(pair.name)
    connector = aiohttp.TCPConnector(limit=0, ssl=context)
    return aiohttp.ClientSession(
        server["server"],
        connector=connector,
        headers=headers,
        timeout=NO_LIMIT,
        read_bufsize=BUFFER_BYTES,
        middlewares=(retry_when_asked,),
    )


def _pem(entry: JsonObject, field: str) -> str:
    """Return what a kubeconfig has in a field: kind's is in the file, ours names a file."""
    embedded = entry.get(f"{field}-data")
    return b64decode(embedded).decode() if embedded else Path(entry[field]).read_text()


async def retry_when_asked(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Repeat a request after a 429 and its Retry-After: the API server sends one while the storage of a new CRD begins."""
    while (answer := await handler(request)).status == HTTPStatus.TOO_MANY_REQUESTS:
        answer.release()
        await asyncio.sleep(int(answer.headers.get("Retry-After", "1")))
    return answer


async def call(http: aiohttp.ClientSession, method: str, path: str, body: Any = None, **more: Any) -> JsonObject:
    """Send one request and return its answer. Raises ClientResponseError on an error status."""
    async with http.request(method, path, json=body, raise_for_status=True, **more) as answer:
        found: JsonObject = json.loads(await answer.read())
        return found
