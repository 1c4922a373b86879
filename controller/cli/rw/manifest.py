"""Pure: builds a Run from command line options, or from an old Run."""

from __future__ import annotations

import copy
import re
from collections.abc import Collection
from dataclasses import dataclass

from controller.api.names import API_VERSION
from controller.cli.rw.after_work import publish_of, verify_of
from controller.cli.rw.objects import JsonObject, name_of
from controller.cli.rw.repository import source_of
from controller.cli.rw.user_error import Problem

ORDERS = ("desiredState", "restartedAt", "newSessionAt", "requestedBy")
"""Spec fields that are about one Run: what controls it, and who asked for it. A new Run starts without them."""

OURS = ("kubectl.kubernetes.io/last-applied-configuration", "runwatchman.dev/")
"""Prefixes of annotations that are not copied to a new Run."""

MAX_RUN_NAME = 40
"""Maximum length of a Run's name, as in the Run's CEL rule. The API's own constant is in a module that is slow to import."""

DURATION = re.compile(r"(\d+)([smhd]?)")
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class Wanted:
    """The options of `run`."""

    name: str
    image: str | None = None
    cli: str | None = None
    agent: str = "coder"
    command: tuple[str, ...] = ()
    brief: str | None = None
    env: tuple[str, ...] = ()
    env_from: tuple[str, ...] = ()
    secret: tuple[str, ...] = ()
    policy: str | None = None
    workspace: str | None = None
    repo: str | None = None
    repo_secret: str | None = None
    verify: str | None = None
    verify_image: str | None = None
    publish: str | None = None
    publish_secret: str | None = None
    deadline: str | None = None
    token_budget: int | None = None


def manifest(wanted: Wanted) -> JsonObject:
    """Return the Run. Raises Problem for an invalid option."""
    agent: JsonObject = {"name": wanted.agent, "image": wanted.image}
    agent |= {"command": list(wanted.command)} if wanted.command else {}
    agent |= {"env": [_variable(text) for text in wanted.env]} if wanted.env else {}
    sources = [*(f"secret/{name}" for name in wanted.secret), *wanted.env_from]
    agent |= {"envFrom": [_source(text) for text in sources]} if sources else {}
    source = source_of(wanted.repo, wanted.repo_secret)
    tasks = verify_of(wanted.verify, wanted.verify_image) | publish_of(wanted.publish, wanted.publish_secret, wanted.repo)
    size = {"size": wanted.workspace} if wanted.workspace else {}
    agent |= {"workspace": size | source} if source or tasks or wanted.workspace is not None else {}
    agent |= tasks
    spec: JsonObject = {"agents": [agent]}
    spec |= {"brief": wanted.brief} if wanted.brief is not None else {}
    spec |= {"policyRef": {"name": wanted.policy}} if wanted.policy else {}
    spec |= {"activeDeadlineSeconds": seconds(wanted.deadline, "--deadline")} if wanted.deadline else {}
    spec |= {"tokenBudget": wanted.token_budget} if wanted.token_budget else {}
    return {"apiVersion": API_VERSION, "kind": "Run", "metadata": {"name": wanted.name}, "spec": spec}


def copy_of(run: JsonObject, name: str) -> JsonObject:
    """Return a new Run with an old one's spec, labels and annotations."""
    meta = run["metadata"]
    kept: JsonObject = {"name": name, "labels": meta.get("labels"), "annotations": _annotations(meta.get("annotations", {}))}
    spec = {key: copy.deepcopy(value) for key, value in run["spec"].items() if key not in ORDERS}
    return {
        "apiVersion": API_VERSION,
        "kind": "Run",
        "metadata": {key: value for key, value in kept.items() if value},
        "spec": spec,
    }


def next_name(run: JsonObject, taken: Collection[str]) -> str:
    """Return a name for an old Run's successor: `fix-2`, `fix-3` and so on, the first one after the newest."""
    stem = re.sub(r"-\d+$", "", name_of(run))
    pattern = re.compile(re.escape(stem) + r"-(\d+)")
    numbers = [int(match[1]) for name in taken if (match := pattern.fullmatch(name))]
    suffix = f"-{max([1, *numbers]) + 1}"
    return stem[: MAX_RUN_NAME - len(suffix)] + suffix


def seconds(text: str, option: str) -> int:
    """Return the seconds of a duration such as 90, 90s, 30m, 2h or 1h30m. Raises Problem."""
    parts = DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise Problem(f"{option} {text} is not a duration", "use seconds or a form such as 90s, 30m, 2h, 1h30m")
    return sum(int(number) * UNITS[unit] for number, unit in parts)


def _variable(text: str) -> JsonObject:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise Problem(f"--env {text} is not a variable", "use --env NAME=VALUE; for a Secret's keys use --env-from secret/NAME")
    return {"name": name, "value": value}


def _source(text: str) -> JsonObject:
    kind, _, name = text.partition("/")
    fields = {"secret": "secretRef", "configmap": "configMapRef", "cm": "configMapRef"}
    if kind not in fields or not name:
        raise Problem(f"--env-from {text} names no source", "use --env-from secret/NAME or configmap/NAME")
    return {fields[kind]: {"name": name}}


def _annotations(found: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in found.items() if not key.startswith(OURS)}
