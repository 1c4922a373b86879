"""The log of one pod of a Run: its end, and new lines as they come."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from typing import Any

from aiohttp import ClientResponse, web

from controller.api.names import LABEL_RUN
from controller.cli.rw.containers import with_the_log
from controller.cli.rw.describe_model import Attempt, attempt_of
from controller.cli.rw.kubectl_errors import Refused
from controller.cli.rw.objects import JsonObject, label
from controller.cli.rw.user_error import Problem
from controller.cli.web.api_access import Away
from controller.cli.web.event_stream import EventStream
from controller.cli.web.live import LOOK_SECONDS, Alive
from controller.cli.web.log_lines import LogLines
from controller.cli.web.related_reads import core
from controller.cli.web.run_view import follow, using_run
from controller.cli.web.visit import Page, Visit

TAIL = 500
"""Lines before the new ones."""

PAUSE_SECONDS = 0.2
"""Shortest time between two deliveries."""

Params = dict[str, str | int]


async def _pod(visit: Visit) -> JsonObject:
    """Return the Run's pod. Raises Problem for a pod of something else: this page shows no other logs."""
    name = visit.names["pod"]
    try:
        pod = await visit.api.get(core(visit.names["namespace"], "pods", name))
    except Refused as refused:
        if refused.reason != "NotFound":
            raise
        raise Refused(f"pod {name} is gone, and its log with it", "logs last as long as their pods", "NotFound") from refused
    if label(pod, LABEL_RUN) != visit.names["name"]:
        raise Problem(f"pod {name} does not belong to Run {visit.names['name']}", "choose an attempt on the Run's page")
    return pod


def _source(run: JsonObject, pod: JsonObject) -> tuple[str, Params]:
    meta = pod["metadata"]
    return core(meta["namespace"], "pods", meta["name"], "log"), {"container": with_the_log(run, pod), "tailLines": TAIL}


async def model(visit: Visit) -> Mapping[str, Any]:
    """Return what the pod does."""
    await follow(visit.runs())
    async with using_run(visit) as run:
        pod = await _pod(visit)
        found: Attempt = attempt_of(run, pod)
        return {"attempt": found, "container": with_the_log(run, pod), "csrf": visit.csrf, "run": visit.names, "now": visit.now}


async def stream(request: web.Request, visit: Visit, alive: Alive) -> web.StreamResponse:
    """Send the end of the log, and new lines until it ends, the browser is gone, or the session ends.

    What keeps the log from being read is sent as well: a browser does not show the body of a refused stream.
    """
    events = EventStream(request)
    with contextlib.suppress(ConnectionError):
        await events.begin()
        try:
            async with using_run(visit) as run:
                path, params = _source(run, await _pod(visit))
            async with visit.api.open("GET", path, {**params, "follow": "true"}) as log:
                await events.send("begin", [""])
                await _pass_on(log, events, alive)
        except Away as away:
            await events.send("away", [away.message])
        except Problem as problem:
            await events.send("refused", [problem.message])
    return events.response


async def _pass_on(log: ClientResponse, events: EventStream, alive: Alive) -> None:
    lines, last = LogLines(), 0.0
    while events.connected and alive():
        part = await _next(log, PAUSE_SECONDS if lines.pending else LOOK_SECONDS)
        if part:
            lines.feed(part)
        elif part is not None:
            lines.finish()
            await _deliver(events, lines)
            await events.send("end", [""])
            return
        if part is None or time.monotonic() - last >= PAUSE_SECONDS:
            await _deliver(events, lines)
            last = time.monotonic()


async def _next(log: ClientResponse, seconds: float) -> bytes | None:
    """Return what comes next, empty at the end, None if nothing comes for some seconds."""
    try:
        async with asyncio.timeout(seconds):
            return await log.content.readany()
    except TimeoutError:
        return None


async def _deliver(events: EventStream, lines: LogLines) -> None:
    left_out, found = lines.take()
    if left_out:
        await events.send("gap", [str(left_out)])
    if found:
        await events.send("lines", found)
    else:
        await events.beat()


PAGE = Page("/runs/{namespace}/{name}/logs/{pod}", "Log", "log.html", "log_live.html", model)
