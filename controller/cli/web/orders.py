"""Does what a confirmed form asks for: pause, resume, stop, restart or rerun a Run, halt and lift."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from controller.api.names import API_VERSION, HALT_NAME
from controller.cli.rw.kubectl_errors import Refused
from controller.cli.rw.manifest import copy_of, next_name
from controller.cli.rw.objects import JsonObject, items_of, name_of, namespace_of
from controller.cli.rw.session import CLUSTER_HALTS, HALTS, RUNS
from controller.cli.rw.user_error import Problem
from controller.cli.web.api_access import collection, path_of
from controller.cli.web.pages.steering import DESIRED, find
from controller.cli.web.responding import MERGE
from controller.cli.web.run_view import address, using_run
from controller.cli.web.visit import Visit

TRIES = 3
"""How often a new Run gets another name, if somebody takes the one that was free."""

AGENT = "agent-"
"""Prefix of the fields that name the agents to restart."""

Order = Callable[[Visit, Mapping[str, str]], Awaitable[str]]
"""Does something, and returns the address of the page that shows it."""


def shown(run: JsonObject) -> str:
    """Return the address of a Run's page at its state, which gets the focus."""
    return f"{address(run)}#run-why"


def of_run(verb: str) -> Order:
    """Return the order for an action on a Run."""

    async def order(visit: Visit, form: Mapping[str, str]) -> str:
        async with using_run(visit) as run:
            return shown(await _done(visit, verb, run, form))

    return order


async def _done(visit: Visit, verb: str, run: JsonObject, form: Mapping[str, str]) -> JsonObject:
    """Do it and return the Run that shows it. Raises Problem."""
    if form.get("uid") != run["metadata"]["uid"]:
        raise Problem(f"Run {name_of(run)} is another one than that on your page", "go back, reload the page, and look again")
    action = find(run, verb)
    if action is None:
        raise Problem(f"Run {name_of(run)} does not accept {verb} now", "see the Run's page for what would change it")
    if verb == "rerun":
        return await _rerun(visit, run)
    spec = {"desiredState": DESIRED[verb]} if verb in DESIRED else _restart(visit, form, action.agents)
    path = f"{collection(RUNS, namespace_of(run))}{path_of(name_of(run))}"
    await visit.api.send("PATCH", path, {"metadata": {"uid": run["metadata"]["uid"]}, "spec": spec}, MERGE)
    return run


def _restart(visit: Visit, form: Mapping[str, str], agents: tuple[str, ...]) -> JsonObject:
    chosen = [agent for agent in agents if AGENT + agent in form]
    if not chosen:
        raise Problem("no agent is chosen", "go back and choose at least one")
    stamps = dict.fromkeys(chosen, visit.now.strftime("%Y-%m-%dT%H:%M:%SZ"))
    return {"restartedAt": stamps} | ({"newSessionAt": stamps} if "new-session" in form else {})


async def _rerun(visit: Visit, run: JsonObject) -> JsonObject:
    """Create a Run with the same spec, in the caller's name."""
    path, user = collection(RUNS, namespace_of(run)), (await visit.caller.me()).get("username", "")
    for _ in range(TRIES):
        taken = [name_of(other) for other in items_of(await visit.api.get(path))]
        made = copy_of(run, next_name(run, taken))
        made["spec"] |= {"requestedBy": user} if user.strip() else {}
        try:
            return await visit.api.send("POST", path, made)
        except Refused as refused:
            if refused.reason != "AlreadyExists":
                raise
    raise Problem(f"no name is free for a Run after {name_of(run)}", "try again")


async def halt(visit: Visit, form: Mapping[str, str]) -> str:
    """Halt a namespace, or the cluster. The first halt stands, with its author and its reason."""
    space, reason = form.get("uid", ""), form.get("reason", "").strip()
    if not reason:
        raise Problem("a reason is missing", "say why, for those whose Runs do not continue")
    by = (await visit.caller.me())["username"]
    kind = "Halt" if space else "ClusterHalt"
    made = {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": HALT_NAME}, "spec": {"reason": reason, "by": by}}
    await visit.api.send("POST", _halts(space), made)
    return "/limits#halts"


async def lift(visit: Visit, form: Mapping[str, str]) -> str:
    """Lift a halt. One that somebody else has lifted meanwhile is no failure."""
    try:
        await visit.api.send("DELETE", f"{_halts(form.get('uid', ''))}{path_of(HALT_NAME)}", {})
    except Refused as refused:
        if refused.reason != "NotFound":
            raise
    return "/limits#halts"


def _halts(space: str) -> str:
    return collection(HALTS, space) if space else collection(CLUSTER_HALTS)
