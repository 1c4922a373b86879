"""What a Run's schema cannot refuse: reading a spec, and checking it and its pod templates."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from controller.api.base import parse
from controller.api.run import Agent, RunSpec
from controller.api.template import REMEDIES, RESERVED_DIR, TEMPLATE, Items, Leaf, Values, is_reserved, plain
from controller.api.violations import Refused, Violation, from_pydantic, violation

AGENT_CONTAINER = "agent"
"""The name of the container that is judged, unless a template has only one."""

MAX_DEPTH = 40
"""Levels of nesting that are looked into; Kubernetes objects have fewer."""

TYPE_NAMES = {str: "a text", int: "a whole number", bool: "true or false", dict: "an object", list: "a list"}


def parse_run_spec(obj: object) -> RunSpec:
    """Return the spec that a Run object (`{spec: ...}`) holds.

    Raises Refused for whatever is wrong with it, and nothing else.
    """
    given = obj.get("spec") if isinstance(obj, dict) else None
    try:
        return parse(RunSpec, given)
    except ValidationError as error:
        raise Refused(from_pydantic(error, "spec")) from error
    except (ValueError, RecursionError) as error:
        raise Refused([violation("spec", None, f"cannot be read: {error}")]) from error


def check_run(spec: RunSpec) -> tuple[Violation, ...]:
    """Return what the operator refuses in a spec that the schema lets pass, templates included."""
    found = [*_check_names(spec)]
    for index, agent in enumerate(spec.agents):
        found += _check_agent(agent, f"spec.agents[{index}]")
    return tuple(found)


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
            yield violation(f"{path}.env[{index}].name", env.name, "names that begin with RUNWARDEN_ are the operator's")
    mount = agent.workspace.mount_path if agent.workspace else "/workspace"
    if plain(mount) == "/" or is_reserved(mount):
        yield violation(f"{path}.workspace.mountPath", mount, f"may be neither / nor in {RESERVED_DIR}, the operator's")
    if agent.template is not None:
        yield from _check_template(agent.template, f"{path}.template", mount)


def _check_template(template: dict[str, Any], path: str, workspace: str) -> Iterator[Violation]:
    findings = list(_walk(template, TEMPLATE, path, 0))
    yield from findings
    if not findings:
        yield from _check_containers(template.get("spec"), f"{path}.spec", workspace)


def _walk(value: Any, shape: Any, path: str, depth: int) -> Iterator[Violation]:
    """Hold a value against its allowed shape."""
    if depth > MAX_DEPTH:
        yield violation(path, None, f"nested deeper than {MAX_DEPTH} levels")
    elif isinstance(shape, Leaf):
        yield from _leaf(value, shape, path)
    elif isinstance(shape, Items):
        if not isinstance(value, list):
            yield violation(path, value, "must be a list")
            return
        for index, item in enumerate(value):
            yield from _walk(item, shape.shape, f"{path}[{index}]", depth + 1)
    elif not isinstance(value, dict):
        yield violation(path, value, "must be an object")
    elif isinstance(shape, Values):
        yield from _map(value, shape, path, depth)
    else:
        yield from _fields(value, shape, path, depth)


def _leaf(value: Any, shape: Leaf, path: str) -> Iterator[Violation]:
    # bool is an int to Python, but not to JSON.
    fits = type(value) in shape.types
    if not fits:
        yield violation(path, value, "must be " + " or ".join(TYPE_NAMES[kind] for kind in shape.types))
    elif wrong := shape.check(value):
        yield violation(path, value, wrong)


def _map(value: dict[str, Any], shape: Values, path: str, depth: int) -> Iterator[Violation]:
    for key, item in value.items():
        if wrong := shape.check(key):
            yield violation(f"{path}[{key}]", None, wrong)
        yield from _walk(item, shape.shape, f"{path}[{key}]", depth + 1)


def _fields(value: dict[str, Any], shape: dict[str, Any], path: str, depth: int) -> Iterator[Violation]:
    for key, item in value.items():
        if key in shape:
            yield from _walk(item, shape[key], f"{path}.{key}", depth + 1)
        else:
            yield violation(f"{path}.{key}", item, _not_allowed(key, shape))


def _not_allowed(key: str, shape: dict[str, Any]) -> str:
    if remedy := REMEDIES.get(key):
        return f"this field is not allowed: {remedy}"
    near = difflib.get_close_matches(key, shape, n=1)
    hint = f"did you mean {near[0]}?" if near else f"allowed here: {', '.join(sorted(shape))}"
    return f"this field is not allowed: {hint}"


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
            f"of several containers one must be named {AGENT_CONTAINER}: it is the one that is judged",
        )
    yield from _check_mounts(containers, path, workspace)


def _check_mounts(containers: list[Any], path: str, workspace: str) -> Iterator[Violation]:
    judged = next((i for i, c in enumerate(containers) if c.get("name") == AGENT_CONTAINER), 0)
    for index, mount in enumerate(containers[judged].get("volumeMounts", ())):
        if str(mount.get("mountPath", "")).rstrip("/") == workspace.rstrip("/"):
            where = f"{path}.containers[{judged}].volumeMounts[{index}].mountPath"
            yield violation(where, workspace, "is where the workspace is mounted: use another path or workspace.mountPath")
