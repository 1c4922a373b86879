"""What a port answers: a page for each path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

Page = Callable[[web.BaseRequest], Awaitable[web.Response]]
Pages = Mapping[str, Page]
"""By path, what answers a GET of it."""


def add_pages(app: web.Application, pages: Pages) -> None:
    """Have an application answer these pages beside what it is for."""
    for path, page in pages.items():
        app.router.add_get(path, page)
