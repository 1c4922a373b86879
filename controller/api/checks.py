"""Reads a Run's spec and checks the spec and its pod templates for faults that the schema cannot refuse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from controller.api.base import parse
from controller.api.fitting import misfits
from controller.api.run import Agent, RunSpec
from controller.api.template import REMEDIES, RESERVED_DIR, TEMPLATE, is_reserved, plain
from controller.api.violations import Refused, Violation, from_pydantic, limited, violation

AGENT_CONTAINER = "agent"
"""Name of the container whose end is the agent's end, unless a template has only one container."""


def parse_run_spec(obj: object) -> RunSpec:
    """Return the spec that a Run object (`{spec: ...}`) holds.

    Raises Refused for any fault in it, and no other exception.
    """
    given = obj.get("spec") if isinstance(obj, dict) else None
    try:
        return parse(RunSpec, given)
    except ValidationError as error:
        raise Refused(from_pydantic(error, "spec")) from error
    except (ValueError, RecursionError) as error:
        raise Refused([violation("spec", None, f"cannot be read: {error}")]) from error


def check_run(spec: RunSpec) -> tuple[Violation, ...]:
    """Return the first violations, templates included, that the operator refuses in a spec although the schema accepts it."""
    return limited(_check(spec), "spec")


def _check(spec: RunSpec) -> Iterator[Violation]:
    yield from _check_names(spec)
    for index, agent in enumerate(spec.agents):
        yield from _check_agent(agent, f"spec.agents[{index}]")


def _check_names(spec: RunSpec) -> Iterator[Violation]:
    names = [agent.name for agent in spec.agents]
    if len(set(names)) < len(names):
        yield violation("spec.agents", None, "agents' names must be unique")
    if not any(agent.required for agent in spec.agents):
        yield violation("spec.agents", None, "at least one agent must be required")


def _check_agent(agent: Agent, path: str) -> Iterator[Violation]:
    if (agent.image is None) == (agent.template is None):
        yield violation(path, None, "set exactly one of image, template")
    for index, env in enumerate(agent.env or ()):
        if env.name.startswith("RUNWARDEN_"):
            yield violation(f"{path}.env[{index}].name", env.name, "names that begin with RUNWARDEN_ are reserved for the operator")
    mount = agent.workspace.mount_path if agent.workspace else "/workspace"
    if plain(mount) == "/" or is_reserved(mount):
        yield violation(
            f"{path}.workspace.mountPath", mount, f"may be neither / nor in {RESERVED_DIR}, which is reserved for the operator"
        )
    if agent.template is not None:
        yield from _check_template(agent.template, f"{path}.template", mount)


def _check_template(template: dict[str, Any], path: str, workspace: str) -> Iterator[Violation]:
    fits = True
    for misfit in misfits(template, TEMPLATE, path, REMEDIES):
        fits = False
        yield misfit
    if fits:
        yield from _check_containers(template.get("spec"), f"{path}.spec", workspace)


def _check_containers(pod: Any, path: str, workspace: str) -> Iterator[Violation]:
    containers = pod.get("containers") if isinstance(pod, dict) else None
    if not containers:
        yield violation(f"{path}.containers", None, "a template needs at least one container")
        return
    for index, container in enumerate(containers):
        for field in ("name", "image"):
            if not container.get(field):
                yield violation(f"{path}.containers[{index}].{field}", None, "this field is required")
    if len(containers) > 1 and not any(c.get("name") == AGENT_CONTAINER for c in containers):
        yield violation(
            f"{path}.containers",
            None,
            f"one of several containers must be named {AGENT_CONTAINER}: its end is the agent's end",
        )
    yield from _check_mounts(containers, path, workspace)


def _check_mounts(containers: list[Any], path: str, workspace: str) -> Iterator[Violation]:
    judged = next((i for i, c in enumerate(containers) if c.get("name") == AGENT_CONTAINER), 0)
    for index, mount in enumerate(containers[judged].get("volumeMounts", ())):
        if str(mount.get("mountPath", "")).rstrip("/") == workspace.rstrip("/"):
            where = f"{path}.containers[{judged}].volumeMounts[{index}].mountPath"
            yield violation(where, workspace, "is where the workspace is mounted: use another path or workspace.mountPath")
