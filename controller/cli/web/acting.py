"""The forms of pages: each does one thing and leads to the page that shows it, or says why nothing was done."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

from controller.cli.rw.objects import JsonObject
from controller.cli.rw.user_error import Problem
from controller.cli.web import orders
from controller.cli.web.confirmations import VERBS
from controller.cli.web.orders import Order
from controller.cli.web.rendering import rendered
from controller.cli.web.responding import respond
from controller.cli.web.run_view import follow
from controller.cli.web.visit import Visit

BACK = re.compile(r"/inbox|/limits|/runs/[a-z0-9.-]+/[a-z0-9.-]+")
"""Pages that a form may lead back to."""

SEEN_SECONDS = 1.0
"""How long an answer waits for the watch to bring it, so that the next page shows it."""


async def answer(visit: Visit, form: Mapping[str, str]) -> str:
    """Write a response, and return the page that it came from."""
    await follow(visit.escalations())
    written = await respond(visit, form)
    await _seen(visit, written)
    return f"{_back(form)}?sent=1"


async def _seen(visit: Visit, written: JsonObject) -> None:
    """Wait until the watch knows an escalation's new version, or a moment."""
    watched = visit.watches.get("escalations")
    meta = written["metadata"]
    key = meta["namespace"], meta["name"]
    try:
        async with asyncio.timeout(SEEN_SECONDS):
            while watched and key in watched.entries and watched.entries[key].whole:
                await watched.change_after(watched.version)
    except TimeoutError:
        pass


def _back(form: Mapping[str, str]) -> str:
    found = form.get("back", "")
    return found if BACK.fullmatch(found) else "/inbox"


ORDERS: Mapping[str, Order] = {
    "/inbox/{namespace}/{name}": answer,
    **{f"/runs/{{namespace}}/{{name}}/{verb}": orders.of_run(verb) for verb in VERBS},
    "/limits/halt": orders.halt,
    "/limits/lift": orders.lift,
}
"""What is done, by the address of its form."""


async def act(visit: Visit, order: Order, form: Mapping[str, str]) -> web.Response:
    """Do what a form asks for. A person who is refused gets the reason and the text that was typed."""
    try:
        location = await order(visit, form)
        visit.caller.recent.forget()
        return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": location})
    except Problem as problem:
        texts = [form.get(key, "").strip() for key in ("answer", "comment", "reason")]
        values = {"message": problem.message, "text": "\n\n".join(filter(None, texts)), "back": _back(form)}
        return web.Response(status=HTTPStatus.CONFLICT, text=rendered("refused.html", values), content_type="text/html")
