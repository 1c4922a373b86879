"""An agent's pod template, and its judged container: the one whose end is the agent's end."""

from __future__ import annotations

from typing import Any, TypeGuard

from controller.api.base import JsonObject
from controller.api.checks import AGENT_CONTAINER
from controller.api.run import Agent, RunSpec
from controller.api.shapes import without_unset
from controller.api.template import TEMPLATE


def pod_template(agent: Agent) -> JsonObject:
    """Return the agent's pod template without the fields that only repeat Kubernetes' defaults.

    The short form becomes a template with one container.
    """
    if agent.template is not None:
        template: JsonObject = without_unset(agent.template, TEMPLATE)
        return template
    fields = {"image", "command", "args", "env", "env_from", "resources", "image_pull_policy"}
    container = agent.model_dump(mode="json", by_alias=True, include=fields, exclude_none=True)
    return {"spec": {"containers": [{"name": AGENT_CONTAINER, **container}]}}


def container_name(spec: RunSpec | None, agent: str) -> str:
    """Return the name of an agent's judged container by the Run's spec, which is immutable; an empty text where it names none.

    The name never comes from a pod: admission may add, reorder or rename containers. The spec may be one that the operator refuses.
    """
    found = next((a for a in spec.agents if a.name == agent), None) if spec else None
    if found is None:
        return ""
    if found.template is None:
        return AGENT_CONTAINER
    pod = found.template.get("spec")
    containers = pod.get("containers") if isinstance(pod, dict) else None
    name = judged_container({"containers": containers}).get("name") if _are_containers(containers) else None
    return name if isinstance(name, str) else ""


def _are_containers(found: Any) -> TypeGuard[list[JsonObject]]:
    return isinstance(found, list) and bool(found) and all(isinstance(container, dict) for container in found)


def judged_container(spec: JsonObject) -> JsonObject:
    """Return the container whose end is the agent's end: the one named `agent`, or the only one."""
    containers: list[JsonObject] = spec["containers"]
    return next((c for c in containers if c.get("name") == AGENT_CONTAINER), containers[0])
