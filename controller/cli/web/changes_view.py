"""The changes in the workspace of an agent that runs, on demand: each look starts a process in the agent's container."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from controller.cli.rw.agent_choice import chosen
from controller.cli.rw.changes import base_of, diff_words
from controller.cli.rw.containers import judged
from controller.cli.rw.kubectl_errors import EXEC_ENDED
from controller.cli.rw.live_pod import live_pod, of_agent, own_pods
from controller.cli.rw.objects import JsonObject, items_of, name_of, namespace_of
from controller.cli.rw.session import Session
from controller.cli.rw.user_error import Problem
from controller.cli.web.executing import SECONDS, Ended, Target
from controller.cli.web.pages.changes_page import changes_of
from controller.cli.web.related_reads import core
from controller.cli.web.run_view import address, using_run
from controller.cli.web.visit import Page, Visit


async def model(visit: Visit) -> Mapping[str, Any]:
    """Return the page that asks before. Raises Problem if there is no commit to compare with."""
    async with using_run(visit) as run:
        return _values(visit, run)


async def show(visit: Visit, uid: str) -> Mapping[str, Any]:
    """Return the page with the changes, or with the reason why there are none. Raises Problem for another Run than `uid`."""
    async with using_run(visit) as run:
        if uid != run["metadata"]["uid"]:
            raise Problem(f"Run {name_of(run)} is another one than that on your page", "open its page again")
        values = _values(visit, run)
        try:
            found = await _ended(visit, run)
        except Problem as problem:
            return {**values, "refused": problem.message}
    return {**values, "changes": await asyncio.to_thread(changes_of, found.out, cut=found.cut)}


def _values(visit: Visit, run: JsonObject) -> dict[str, Any]:
    agent = chosen(run, visit.names["agent"])
    names = {"agent": agent["name"], "base": base_of(run, agent), "uid": run["metadata"]["uid"], "run": name_of(run)}
    where = {"back": address(run), "command": _command(run, "diff", name_of(run), agent["name"])}
    return {**names, **where, "csrf": visit.csrf, "seconds": int(SECONDS), "refused": "", "changes": None}


def _command(run: JsonObject, *words: str) -> str:
    return Session(namespace=namespace_of(run)).command(*words)


async def _ended(visit: Visit, run: JsonObject) -> Ended:
    """Return how the comparison has ended. Raises Problem if there are no changes to show."""
    agent = chosen(run, visit.names["agent"])
    command = _command(run, "diff", name_of(run), agent["name"])
    target, words = await _target(visit, run, agent["name"], command), diff_words(agent, base_of(run, agent), "--no-color")
    try:
        async with visit.caller.commands, asyncio.timeout(SECONDS):
            found = await visit.execute(visit.caller, target, words)
    except TimeoutError as error:
        raise Problem(f"the container has not answered within {SECONDS:.0f} seconds", f"use {command}") from error
    if found.code:
        raise _failure(found, command)
    return found


async def _target(visit: Visit, run: JsonObject, agent: str, command: str) -> Target:
    """Return the container in which the agent runs. Raises Problem if it does not run: the page makes no pod."""
    path = core(namespace_of(run), "pods")
    pods = own_pods(run, items_of(await visit.api.get(path, {"labelSelector": of_agent(run, agent)})))
    pod = live_pod(run, agent, pods, _command(run, "explain", name_of(run)))
    if pod is None:
        raise Problem(f"agent {agent} does not run", f"use {command}, which starts a pod with its workspace for you")
    return Target(namespace_of(run), name_of(pod), judged(run, pod))


def _failure(found: Ended, command: str) -> Problem:
    """Return the failure in the last line of the messages, which are git's or the shell's in the container."""
    lines = [line for line in found.errors.decode(errors="replace").split("\n") if line and not EXEC_ENDED.fullmatch(line)]
    words = lines[-1] if lines else "no message"
    return Problem(f"the command in the container has failed with exit code {found.code}: {words}", f"see {command}")


PAGE = Page("/runs/{namespace}/{name}/diff/{agent}", "Changes", "changes.html", "changes_live.html", model)
