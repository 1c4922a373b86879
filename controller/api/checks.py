"""Reads a Run's spec and checks the spec and its pod templates for faults that the schema cannot refuse."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from pydantic import ValidationError

from controller.api.base import parse
from controller.api.fitting import misfits
from controller.api.run import Agent, RunSpec
from controller.api.task_checks import check_branches, check_tasks
from controller.api.template import TEMPLATE, template_hint
from controller.api.template_values import RESERVED_DIR, is_reserved, plain
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
        raise Refused(limited(chain(from_pydantic(error, "spec"), _check_templates(given)), "spec")) from error
    except (ValueError, RecursionError) as error:
        raise Refused([violation("spec", None, f"cannot be read: {error}")]) from error


def check_run(spec: RunSpec, namespace: str = "", name: str = "") -> tuple[Violation, ...]:
    """Return the first violations, templates included, that the operator refuses in a spec although the schema accepts it.

    `namespace` and `name` are the Run's, if they are known.
    """
    return limited(_check(spec, namespace, name), "spec")


def _check(spec: RunSpec, namespace: str, name: str) -> Iterator[Violation]:
    yield from _check_names(spec)
    for index, agent in enumerate(spec.agents):
        yield from _check_agent(agent, f"spec.agents[{index}]", namespace)
    yield from check_branches(spec, namespace, name)


def _check_templates(spec: Any) -> Iterator[Violation]:
    """Check the templates of a spec that cannot be read, so that its author sees all faults at once."""
    agents = spec.get("agents") if isinstance(spec, dict) else None
    for index, agent in enumerate(agents if isinstance(agents, list) else ()):
        template = agent.get("template") if isinstance(agent, dict) else None
        if isinstance(template, dict):
            yield from _check_template(template, f"spec.agents[{index}].template", "/workspace")


def _check_names(spec: RunSpec) -> Iterator[Violation]:
    names = [agent.name for agent in spec.agents]
    if len(set(names)) < len(names):
        yield violation("spec.agents", None, "agents' names must be unique")
    if not any(agent.required for agent in spec.agents):
        yield violation("spec.agents", None, "at least one agent must be required")


def _check_agent(agent: Agent, path: str, namespace: str) -> Iterator[Violation]:
    if (agent.image is None) == (agent.template is None):
        yield violation(path, None, "set exactly one of image, template")
    for index, env in enumerate(agent.env or ()):
        if env.name.startswith("RUNWATCHMAN_"):
            yield violation(
                f"{path}.env[{index}].name", env.name, "names that begin with RUNWATCHMAN_ are reserved for the operator"
            )
    mount = agent.workspace.mount_path if agent.workspace else "/workspace"
    if plain(mount) == "/" or is_reserved(mount):
        yield violation(
            f"{path}.workspace.mountPath", mount, f"may be neither / nor in {RESERVED_DIR}, which is reserved for the operator"
        )
    yield from check_tasks(agent, path)
    if agent.template is not None:
        yield from _check_template(agent.template, f"{path}.template", mount)
        yield from _check_namespace(agent.template.get("metadata"), f"{path}.template.metadata.namespace", namespace)


def _check_template(template: dict[str, Any], path: str, workspace: str) -> Iterator[Violation]:
    yield from misfits(template, TEMPLATE, path, template_hint)
    yield from _check_containers(template.get("spec"), f"{path}.spec", workspace)


def _check_namespace(metadata: Any, path: str, namespace: str) -> Iterator[Violation]:
    given = metadata.get("namespace") if isinstance(metadata, dict) else None
    if namespace and isinstance(given, str) and given not in ("", namespace):
        yield violation(path, given, f"pods run in the Run's namespace, {namespace}: leave it out, or create the Run there")


def _check_containers(pod: Any, path: str, workspace: str) -> Iterator[Violation]:
    """Check the containers together. A part that does not fit its shape was reported before and is left out here."""
    containers = pod.get("containers") if isinstance(pod, dict) else None
    if not containers:
        yield violation(f"{path}.containers", None, "a template needs at least one container")
        return
    found = [(i, each) for i, each in enumerate(containers) if isinstance(each, dict)] if isinstance(containers, list) else []
    for index, container in found:
        for field in ("name", "image"):
            if not container.get(field):
                yield violation(f"{path}.containers[{index}].{field}", None, "this field is required")
    if len(found) > 1 and not any(each.get("name") == AGENT_CONTAINER for _, each in found):
        yield violation(
            f"{path}.containers",
            None,
            f"one of several containers must be named {AGENT_CONTAINER}: its end is the agent's end",
        )
    judged = next((pair for pair in found if pair[1].get("name") == AGENT_CONTAINER), next(iter(found), None))
    if judged:
        yield from _check_mounts(judged[1].get("volumeMounts"), f"{path}.containers[{judged[0]}].volumeMounts", workspace)


def _check_mounts(mounts: Any, path: str, workspace: str) -> Iterator[Violation]:
    for index, mount in enumerate(mounts if isinstance(mounts, list) else ()):
        if isinstance(mount, dict) and str(mount.get("mountPath", "")).rstrip("/") == workspace.rstrip("/"):
            fault = "is where the workspace is mounted: use another path or workspace.mountPath"
            yield violation(f"{path}[{index}].mountPath", workspace, fault)
