"""The pages about many Runs: the inbox, policies, limits and the fleet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controller.cli.rw.kubectl_errors import Denied
from controller.cli.rw.objects import JsonObject, namespace_of
from controller.cli.rw.reason_text import sentence
from controller.cli.rw.session import CLUSTER_HALTS, HALTS, POLICIES, PROVIDERS
from controller.cli.web.api_access import collection
from controller.cli.web.pages.fleet_page import fleet_page
from controller.cli.web.pages.inbox_page import inbox_page
from controller.cli.web.pages.limits_page import limits_page
from controller.cli.web.pages.policies_page import policies_page
from controller.cli.web.pages.run_figures import RunFigures
from controller.cli.web.pages.unreadable import Unread
from controller.cli.web.related_reads import Found, listed
from controller.cli.web.run_view import follow, names_of
from controller.cli.web.visit import Page, Visit

SHARED_SECONDS = 5.0
"""Time for which all tabs share a list of halts, providers or policies, which have no watch."""


def wanted_space(visit: Visit) -> str:
    """Return the namespace that the address names, or the only one in view; empty for all."""
    return visit.space or visit.query.get("namespace", "")


async def _escalations(visit: Visit) -> tuple[list[JsonObject], list[Unread]]:
    """Return the escalations in view, and those that cannot be shown."""
    space, entries = wanted_space(visit), (await visit.escalations()).entries.values()
    mine = [entry for entry in entries if space in ("", namespace_of(entry.obj))]
    return [entry.obj for entry in mine if not entry.unread], [entry.unread for entry in mine if entry.unread]


async def _figures(visit: Visit) -> list[RunFigures]:
    space, rows = wanted_space(visit), (await visit.runs()).entries.values()
    return [row.figures for row in rows if space in ("", row.namespace)]


async def _listed(visit: Visit, resource: str) -> Found:
    """Return the objects in view. Who may not list those of all namespaces gets those of the context's."""
    if resource == CLUSTER_HALTS:
        return await _recent(visit, collection(resource))
    space = wanted_space(visit)
    found = await _recent(visit, collection(resource, space))
    if isinstance(found, Denied) and not space and visit.home:
        return await _recent(visit, collection(resource, visit.home))
    return found


async def _recent(visit: Visit, path: str) -> Found:
    return await visit.caller.recent.get(path, SHARED_SECONDS, lambda: listed(visit.api, path))


async def _objects(visit: Visit, *resources: str) -> tuple[list[JsonObject], list[Denied]]:
    """Return the objects of some kinds, and which of them the caller may not list."""
    found: list[JsonObject] = []
    denied: list[Denied] = []
    for resource in resources:
        answer = await _listed(visit, resource)
        if isinstance(answer, Denied):
            denied.append(answer)
        else:
            found += answer
    return found, denied


def _values(visit: Visit, model: object) -> Mapping[str, Any]:
    return {"model": model, "csrf": visit.csrf, "sent": visit.query.get("sent", ""), "wanted": wanted_space(visit)}


async def inbox(visit: Visit) -> Mapping[str, Any]:
    """Return what waits for a human."""
    found, unread = await _escalations(visit)
    return _values(visit, inbox_page(found, (), await names_of(visit), unread, visit.now))


async def policies(visit: Visit) -> Mapping[str, Any]:
    """Return the RunPolicies with their values."""
    found, denied = await _objects(visit, POLICIES)
    return _values(visit, policies_page(found, await _figures(visit), denied))


async def limits(visit: Visit) -> Mapping[str, Any]:
    """Return the halts, the providers and the slots of policies."""
    halts, denied = await _objects(visit, CLUSTER_HALTS, HALTS)
    providers, more = await _objects(visit, PROVIDERS)
    found, rest = await _objects(visit, POLICIES)
    missing = [*denied, *more, *rest]
    return _values(visit, limits_page(halts, providers, await _figures(visit), found, missing, visit.now))


async def fleet(visit: Visit) -> Mapping[str, Any]:
    """Return the figures of all Runs. Who may not list the questions sees the others."""
    denied = await follow(visit.escalations())
    asked, unread = ([], []) if denied else await _escalations(visit)
    return _values(visit, fleet_page(await _figures(visit), asked, sentence, [denied] if denied else unread, visit.now))


PAGES = (
    Page("/inbox", "Inbox", "body.html", "inbox_live.html", inbox),
    Page("/policies", "Policies", "body.html", "policies_live.html", policies),
    Page("/limits", "Limits", "body.html", "limits_live.html", limits),
    Page("/fleet", "Fleet", "body.html", "fleet_live.html", fleet),
)
