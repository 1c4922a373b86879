"""One request to a local port."""

from __future__ import annotations

import aiohttp

PATIENCE = aiohttp.ClientTimeout(total=60)


async def ask(
    port: int, path: str, host: str = "127.0.0.1", *, scheme: str = "http", token: str | None = None, method: str = "GET"
) -> tuple[int, str]:
    """Return the status and text of an answer; the certificate is not verified."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        aiohttp.ClientSession(timeout=PATIENCE) as session,
        session.request(method, f"{scheme}://{host}:{port}{path}", headers=headers, ssl=False) as answer,
    ):
        return answer.status, await answer.text()
