"""The pages of a port, by path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

Page = Callable[[web.BaseRequest], Awaitable[web.Response]]
Pages = Mapping[str, Page]
"""Path -> handler of GET requests."""


def add_pages(app: web.Application, pages: Pages) -> None:
    """Add pages to an application."""
    for path, page in pages.items():
        app.router.add_get(path, page)
