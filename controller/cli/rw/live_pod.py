"""Pure: the pod in which an agent runs now, among those of its attempts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from controller.api.names import LABEL_AGENT, LABEL_ATTEMPT, LABEL_RUN, LABEL_RUN_UID, pod_name
from controller.cli.rw.agent_choice import standing
from controller.cli.rw.containers import judged_state
from controller.cli.rw.objects import JsonObject, label, name_of, status_of
from controller.cli.rw.task_text import task_of
from controller.cli.rw.user_error import Problem

OVER = ("Failed", "Succeeded")
"""Phases of a pod that has terminated."""


def of_agent(run: JsonObject, agent: str) -> str:
    """Return the selector of an agent's pods; it also selects those of a Run of the same name before."""
    return f"{LABEL_RUN}={name_of(run)},{LABEL_AGENT}={agent}"


def own_pods(run: JsonObject, listed: Iterable[JsonObject]) -> list[JsonObject]:
    """Return the pods of attempts of this very Run, the newest last."""
    own = (pod for pod in listed if label(pod, LABEL_RUN_UID) == run["metadata"]["uid"] and not task_of(pod))
    return sorted(own, key=lambda pod: int(label(pod, LABEL_ATTEMPT)))


def live_pod(run: JsonObject, agent: str, pods: Sequence[JsonObject], explain: str) -> JsonObject | None:
    """Return the pod in which the agent runs, None if there is none. Raises Problem for a pod that has not started.

    `explain` is the command that says what it waits for.
    """
    wanted = pod_name(name_of(run), agent, standing(run, agent).get("attempt", 0))
    pod = next((pod for pod in pods if name_of(pod) == wanted), None)
    if pod is None or status_of(pod).get("phase") in OVER or "terminated" in judged_state(run, pod):
        return None
    if "running" not in judged_state(run, pod):
        phase = status_of(pod).get("phase", "Pending")
        raise Problem(f"agent {agent} is starting: its pod {wanted} is {phase}", f"see {explain}")
    return pod
