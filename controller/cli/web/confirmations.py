"""The pages that ask before something is done: what it is, and what it will do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controller.cli.rw.objects import name_of, phase_of, status_of
from controller.cli.rw.user_error import Problem
from controller.cli.web.pages.steering import Action, find, lifted, to_halt
from controller.cli.web.run_view import address, using_run
from controller.cli.web.visit import Page, Visit

VERBS = ("pause", "resume", "restart", "stop", "rerun")


def _of_run(verb: str) -> Page:
    """Return the page that asks before an action on a Run."""

    async def model(visit: Visit) -> Mapping[str, Any]:
        async with using_run(visit) as run:
            action = find(run, verb)
            if action is None:
                state = f"{phase_of(run)} ({status_of(run).get('reason', '')})".removesuffix(" ()")
                message = f"Run {name_of(run)} does not accept {verb}: it is {state}"
                raise Problem(message, "see the Run's page for what would change it")
        where, uid = address(run), run["metadata"]["uid"]
        values = {"action": action, "what": f"Run {name_of(run)}", "uid": uid, "to": f"{where}/{verb}"}
        return {**values, "back": f"{where}#do-{verb}", "csrf": visit.csrf, "reason": False}

    return Page(f"/runs/{{namespace}}/{{name}}/{verb}", verb.capitalize(), "confirm.html", "confirm_live.html", model)


def _of_halt(verb: str) -> Page:
    """Return the page that asks before a halt, or before it is lifted. An empty namespace stands for the cluster."""

    async def model(visit: Visit) -> Mapping[str, Any]:
        space = visit.query.get("namespace", "")
        what = f"namespace {space}" if space else "the cluster"
        action: Action = to_halt(what) if verb == "halt" else lifted(what)
        back = f"/limits#do-lift-{space}" if verb == "lift" else "/limits#do-halt" + ("" if space else "-cluster")
        values = {"action": action, "what": what, "uid": space, "to": f"/limits/{verb}", "back": back}
        return {**values, "csrf": visit.csrf, "reason": verb == "halt"}

    return Page(f"/limits/{verb}", verb.capitalize(), "confirm.html", "confirm_live.html", model)


PAGES = (*map(_of_run, VERBS), *map(_of_halt, ("halt", "lift")))
