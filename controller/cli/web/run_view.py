"""The page of one Run, which is made again when the Run or its questions change."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

from controller.cli.rw.kubectl_errors import Denied, Refused
from controller.cli.rw.objects import TERMINAL, JsonObject, name_of, namespace_of, phase_of, used
from controller.cli.rw.reason_text import sentence
from controller.cli.rw.related_objects import Around
from controller.cli.rw.session import RUNS
from controller.cli.web.api_access import collection, path_of
from controller.cli.web.pages.run_page import run_page
from controller.cli.web.pages.unreadable import blaming
from controller.cli.web.pages.usage_line import Sample
from controller.cli.web.related_reads import read_related
from controller.cli.web.visit import Page, Visit

SHARED_SECONDS = 2.0
"""Time for which all tabs share what was read about one version of a Run."""


async def read_run(visit: Visit) -> JsonObject:
    """Return the Run that the address names. Raises Problem."""
    space, name = visit.names["namespace"], visit.names["name"]
    try:
        return await visit.api.get(f"{collection(RUNS, space)}{path_of(name)}")
    except Refused as refused:
        if refused.reason == "NotFound":
            remedy = "it may have been deleted; see the list of all Runs"
            raise Refused(f"there is no Run {name} in namespace {space}", remedy, "NotFound") from refused
        raise


@asynccontextmanager
async def using_run(visit: Visit) -> AsyncIterator[JsonObject]:
    """Read the Run that the address names, for code that needs it. Raises Problem, also about a Run that violates the API."""
    run = await read_run(visit)
    with blaming(("Run", run)):
        yield run


def address(run: JsonObject) -> str:
    """Return the address of a Run's page."""
    return f"/runs/{quote(namespace_of(run), safe='')}/{quote(name_of(run), safe='')}"


async def names_of(visit: Visit) -> set[str]:
    """Return the names of the caller and of the caller's groups."""
    me = await visit.caller.me()
    return {me.get("username", ""), *me.get("groups", ())}


async def model(visit: Visit) -> Mapping[str, Any]:
    """Return the Run's page. The watches of all Runs and questions wake it."""
    await follow(visit.runs())
    await follow(visit.escalations())
    run, around = await visit.caller.recent.get(("run", *stamp(visit)), SHARED_SECONDS, lambda: _read(visit))
    with blaming(("Run", run), *_shown_with(around)):
        page = run_page(run, around, sentence, await names_of(visit), visit.now, _samples(visit, run, around))
    return {"model": page, "csrf": visit.csrf, "sent": visit.query.get("sent", "")}


def _shown_with(around: Around) -> Iterator[tuple[str, JsonObject]]:
    """Yield the objects on a Run's page that people and agents write, with their kinds."""
    yield from (("Escalation", escalation) for escalation in around.escalations)
    yield from (("AgentReport", report) for report in around.reports)
    yield from (("RunPolicy", policy) for policy in [around.policy] if policy)


def _samples(visit: Visit, run: JsonObject, around: Around) -> tuple[Sample, ...]:
    """Keep how many tokens an unfinished Run has used by now, and return what is kept of it."""
    if phase_of(run) in TERMINAL:
        return ()
    found = used(run, around.reports)
    tokens = found.get("inputTokens", 0) + found.get("outputTokens", 0)
    return visit.caller.usage.add((namespace_of(run), name_of(run), run["metadata"]["uid"]), Sample(visit.now, tokens))


async def _read(visit: Visit) -> tuple[JsonObject, Around]:
    async with using_run(visit) as run:
        return run, await read_related(visit.api, run)


async def follow(watch: Awaitable[object]) -> Denied | None:
    """Watch something too. Who may not list it sees the rest of the page, and what is missing. Raises Problem."""
    try:
        await watch
    except Refused as refused:
        if refused.denied is None:
            raise
        return refused.denied
    return None


def stamp(visit: Visit) -> tuple[object, ...]:
    """Return the Run, and its version and those of its questions."""
    key = visit.names["namespace"], visit.names["name"]
    runs, asked = visit.watches.get("runs"), visit.watches.get("escalations")
    row = runs.entries.get(key) if runs else None
    entries = asked.entries.values() if asked else ()
    mine = [entry.version for entry in entries if (namespace_of(entry.obj), entry.obj["spec"].get("runName")) == key]
    return *key, row.version if row else "", *sorted(mine)


PAGE = Page("/runs/{namespace}/{name}", "Run", "run.html", "run_live.html", model, stamp)
