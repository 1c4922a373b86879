"""Pure: the containers of the pod of an attempt or a task: the judged one, and the init container that failed."""

from __future__ import annotations

from collections.abc import Iterator

from controller.api.names import LABEL_AGENT
from controller.cli.rw.objects import JsonObject, label, status_of
from controller.cli.rw.task_text import task_of

JUDGED = "agent"
"""Name of the judged container of a template with several containers, as in `controller.api.checks`."""


def judged(run: JsonObject, pod: JsonObject) -> str:
    """Return the name of the judged container by the Run's spec: the one named so, or the only one of the template.

    That of a task's pod is named as the task.
    """
    if task := task_of(pod):
        return task
    agent: JsonObject = next((a for a in run["spec"]["agents"] if a["name"] == label(pod, LABEL_AGENT)), {})
    names = [c["name"] for c in agent.get("template", {}).get("spec", {}).get("containers", ()) if "name" in c]
    return JUDGED if JUDGED in names or not names else names[0]


def judged_state(run: JsonObject, pod: JsonObject) -> JsonObject:
    """Return the state of the judged container, empty before it exists."""
    return _state(status_of(pod).get("containerStatuses", ()), judged(run, pod))


def with_the_log(run: JsonObject, pod: JsonObject) -> str:
    """Return the name of the container whose log shows what an attempt does: an init container until the agent has run."""
    if judged_state(run, pod).keys() & {"running", "terminated"}:
        return judged(run, pod)
    own = (name for name, state in _init_states(pod) if "running" in state or _failed(state))
    return next(own, judged(run, pod))


def ending(run: JsonObject, pod: JsonObject) -> str:
    """Return how an attempt ended, in the kubelet's terms; empty if it has not ended."""
    status = status_of(pod)
    over = status.get("phase") in ("Failed", "Succeeded")
    if ended := judged_state(run, pod).get("terminated"):
        return _words(ended, status.get("reason", "") if over else "")
    if over and (failed := failed_init(pod)):
        name, end = failed
        return f"init container {name}: {_words(end, status.get('reason', ''))}"
    return status.get("reason", "") if over else ""


def failed_init(pod: JsonObject) -> tuple[str, JsonObject] | None:
    """Return the init container that failed, with its end; None without one. Native sidecars fail no pod."""
    return next(((name, state["terminated"]) for name, state in _init_states(pod) if _failed(state)), None)


def _init_states(pod: JsonObject) -> Iterator[tuple[str, JsonObject]]:
    """Yield the init containers that run before the agent, with their states."""
    statuses = status_of(pod).get("initContainerStatuses", ())
    for container in pod["spec"].get("initContainers", ()):
        if container.get("restartPolicy") != "Always":
            yield container["name"], _state(statuses, container["name"])


def _state(statuses: list[JsonObject], name: str) -> JsonObject:
    found: JsonObject = next((c for c in statuses if c["name"] == name), {}).get("state", {})
    return found


def _failed(state: JsonObject) -> bool:
    return bool(state.get("terminated", {}).get("exitCode"))


def _words(ended: JsonObject, reason: str) -> str:
    words = [f"exit code {ended['exitCode']}", ended.get("reason", ""), reason]
    return ", ".join(dict.fromkeys(word for word in words if word))
