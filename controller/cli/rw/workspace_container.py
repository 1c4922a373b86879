"""The container with an agent's workspace: the agent's own while it runs, otherwise one of a pod that is made for the caller."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from controller.api.names import workspace_name
from controller.cli.rw.containers import judged
from controller.cli.rw.kubectl_errors import Refused
from controller.cli.rw.live_pod import live_pod, of_agent, own_pods
from controller.cli.rw.objects import TERMINAL, JsonObject, items_of, name_of, phase_of, status_of
from controller.cli.rw.session import Session
from controller.cli.rw.shell_pod import CONTAINER, shell_pod
from controller.cli.rw.throw_away_pod import throw_away
from controller.cli.rw.user_error import Problem

RANDOM_BYTES = 3


class Container(NamedTuple):
    """A running container, by its pod's name and its own."""

    pod: str
    name: str

    def exec_words(self, words: tuple[str, ...], *, terminal: bool) -> tuple[str, ...]:
        """Return the words for kubectl that run a command in it, with the caller's stdin."""
        return ("exec", "-i", *(("-t",) if terminal else ()), self.pod, "-c", self.name, "--", *words)


class OwnPod(NamedTuple):
    """How a pod is made if the agent does not run: its image, the agent's by default, and the longest time for its start."""

    image: str | None
    timeout: str


@contextmanager
def workspace_container(session: Session, run: JsonObject, agent: JsonObject, own: OwnPod) -> Iterator[Container]:
    """Yield the container with an agent's workspace. Raises Problem if there is none."""
    pods = _pods(session, run, agent["name"])
    live = live_pod(run, agent["name"], pods, session.command("explain", name_of(run)))
    if live is not None:
        yield Container(name_of(live), judged(run, live))
        return
    claim = _claim(session, run, agent)
    name = f"{name_of(run)}-{agent['name']}-{os.urandom(RANDOM_BYTES).hex()}-shell"
    made = shell_pod(run, agent, name, claim, pods[-1] if pods else None, own.image)
    session.hint(*_announcement(session, run, agent["name"], name))
    with throw_away(session, made, own.timeout) as pod:
        yield Container(pod, CONTAINER)


def _pods(session: Session, run: JsonObject, agent: str) -> list[JsonObject]:
    """Return the pods of the agent's attempts, the newest last."""
    return own_pods(run, items_of(session.kubectl.json("get", "pods", "-l", of_agent(run, agent))))


def _claim(session: Session, run: JsonObject, agent: JsonObject) -> str:
    """Return the name of the claim of the agent's workspace. Raises Problem if there is none."""
    name = workspace_name(name_of(run), agent["name"])
    if agent.get("workspace") is None:
        remedy = "its files went with its pod: `workspace: {}` of the agent keeps them"
        raise Problem(f"agent {agent['name']} does not run, and keeps no workspace", remedy)
    why = "somebody has deleted it" if "startTime" in status_of(run) else "the agent has not been started yet"
    try:
        claim = session.kubectl.json("get", "persistentvolumeclaim", name)
    except Refused as refused:
        if refused.reason != "NotFound":
            raise
        raise Problem(f"the workspace of agent {agent['name']} is not there (claim {name})", why) from refused
    if "deletionTimestamp" in claim["metadata"]:
        raise Problem(f"the workspace of agent {agent['name']} is being deleted (claim {name})", why)
    return name


def _announcement(session: Session, run: JsonObject, agent: str, pod: str) -> list[str]:
    lines = [f"agent {agent} does not run: pod {pod} is started with its workspace, and removed at the end"]
    if phase_of(run) not in (*TERMINAL, "Paused", "Halted"):
        pause = session.command("pause", name_of(run))
        lines.append(f"the agent may start meanwhile and work in the same files, or wait for the volume: {pause} prevents it")
    return lines
