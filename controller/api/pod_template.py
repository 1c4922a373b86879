"""An agent's pod template, and its judged container: the one whose end is the agent's end."""

from __future__ import annotations

import copy

from controller.api.base import JsonObject
from controller.api.checks import AGENT_CONTAINER
from controller.api.run import Agent


def pod_template(agent: Agent) -> JsonObject:
    """Return the agent's pod template. The short form becomes a template with one container."""
    if agent.template is not None:
        return copy.deepcopy(dict(agent.template))
    fields = {"image", "command", "args", "env", "env_from", "resources", "image_pull_policy"}
    container = agent.model_dump(mode="json", by_alias=True, include=fields, exclude_none=True)
    return {"spec": {"containers": [{"name": AGENT_CONTAINER, **container}]}}


def container_name(agent: Agent) -> str:
    """Return the name of an agent's judged container."""
    name: str = judged_container(pod_template(agent)["spec"])["name"]
    return name


def judged_container(spec: JsonObject) -> JsonObject:
    """Return the container whose end is the agent's end: the one named `agent`, or the only one."""
    containers: list[JsonObject] = spec["containers"]
    return next((c for c in containers if c["name"] == AGENT_CONTAINER), containers[0])
