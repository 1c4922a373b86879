"""Pure: which container the API server's refusal of a pod is about, and which setting changes it.

The words are those of Kubernetes' LimitRanger, quota and validation, of OpenShift's security context constraints, of Gatekeeper and
Kyverno. A refusal in other words gets no hint.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from enum import Enum

from controller.api.base import JsonObject
from controller.api.names import COPY_CONTAINER, PUSH_CONTAINER, REPORTER_CONTAINER, SOURCE_CONTAINER
from controller.api.quantity import amount
from controller.resources.publishing_pod import PUSH


class Subject(Enum):
    """A part of a container that admission may refuse: the words of a refusal, and the settings for our container and a Run's."""

    RESOURCES = (
        r"usage per (Container|Pod)|limit to request ratio|must specify (limits|requests)\."
        r"|exceeded quota: .*\b(cpu|memory|storage)="
        r"|resources[./](limits|requests)|\b(cpu|memory|storage) (limit|request)|resource (limits|requests)",
        "set `reporterResources` in the policy, or reporter.resources in the chart (--reporter-resources)",
        "set its resources in the Run, or `resources` in the policy",
    )
    USERS = (
        r"runAsUser|runAsGroup|fsGroup|supplementalGroups|allowed group|must be in the ranges",
        "set `podSecurity.reporterRunAsUser` in the policy, or agents.podSecurity in the chart (--agents-pod-security)",
        "set users and groups in the Run's template, `podSecurity` in the policy, or agents.podSecurity in the chart",
    )
    IMAGE = (
        r"\bimages?\b|\bregistr(y|ies)\b",
        "set reporter.image in the chart (--reporter-image)",
        "set another image in the Run",
    )
    LABELS = (
        r"\b(labels?|annotations?)\b",
        "",
        "set labels and annotations with `podMetadata` in the policy, or in template.metadata of the Run",
    )
    OTHER = (r"", "", "set it in the Run's template")

    def __init__(self, words: str, ours: str, theirs: str) -> None:
        self.words, self.ours, self.theirs = re.compile(words, re.IGNORECASE | re.DOTALL), ours, theirs


_BOUND = re.compile(r"(?:minimum|maximum) (\S+) usage per Container is [^,\s]+, but (request|limit) is ([\w.]+)")
_RATIO = re.compile(r"(\S+) max limit to request ratio per Container is ([\w.]+), but provided ratio")
_UNBOUND = re.compile(r"(?:minimum|maximum) (\S+) usage per Container is \S+\s+No (request|limit) is specified")
_UNNAMED = re.compile(r"must specify [\w.-]+ for: ([\w,-]+)|; [\w.-]+ for: ([\w,-]+)")
_TOTAL = re.compile(r"usage per Pod|exceeded quota")
_PATH = re.compile(r"\b(containers|initContainers)[\[/](\d{1,3})")
_RANGE = re.compile(r"(?:ranges?|between)\D{0,20}\[?(\d+)\D{1,5}(\d+)")


def with_hint(message: str, pod: JsonObject, limit: int) -> str:
    """Return the API server's refusal of a pod, cut so that it and the hint have at most `limit` characters."""
    hint = " ".join(_hints(message, pod["spec"]))
    return f"{message[: limit - len(hint) - 2].rstrip('. ')}. {hint}" if hint else message[:limit]


def _hints(message: str, spec: JsonObject) -> Iterator[str]:
    subject = next(subject for subject in Subject if subject.words.search(message))
    if subject is Subject.LABELS:
        yield f"{subject.theirs[0].upper()}{subject.theirs[1:]}."
        return
    named = set(_containers(message, spec))
    if subject is Subject.RESOURCES and _TOTAL.search(message) and _has_reporter(spec):
        yield f"Those of container {REPORTER_CONTAINER} count as well: {subject.ours}."
    elif REPORTER_CONTAINER in named and subject.ours:
        yield f"Container {REPORTER_CONTAINER} is the operator's: {subject.ours}."
    if subject is Subject.IMAGE and (ours := sorted(named & _with_git(spec))):
        named -= set(ours)
        yield f"Container {', '.join(ours)} is the operator's: set git.image in the chart (--git-image)."
    if others := sorted(named - {REPORTER_CONTAINER}):
        yield f"Container {', '.join(others)} is the Run's: {subject.theirs}."


def _with_git(spec: JsonObject) -> set[str]:
    """Return the names of the containers with the operator's image with git, by their names or by their command."""
    pushing = {box["name"] for box in spec["containers"] if box.get("command") == PUSH}
    return {SOURCE_CONTAINER, COPY_CONTAINER, PUSH_CONTAINER, *pushing}


def _has_reporter(spec: JsonObject) -> bool:
    return any(box["name"] == REPORTER_CONTAINER for box in spec.get("initContainers", []))


def _containers(message: str, spec: JsonObject) -> Iterator[str]:
    """Yield the names of the containers that a refusal is about, by its names, paths and values."""
    boxes = [*spec["containers"], *spec.get("initContainers", [])]
    for field, index in _PATH.findall(message):
        yield from (box["name"] for box in spec.get(field, [])[int(index) : int(index) + 1])
    listed = {name for found in _UNNAMED.findall(message) for part in found for name in part.split(",")}
    for box in boxes:
        name = re.escape(box["name"])
        by_name = box["name"] in listed or re.search(rf"[\"'<`]{name}[\"'>`]|[Cc]ontainer {name}\b", message)
        if by_name or _has_refused_resources(message, box.get("resources") or {}) or _has_refused_user(message, box, spec):
            yield box["name"]


def _has_refused_resources(message: str, resources: JsonObject) -> bool:
    """Whether a LimitRange's message names one of a container's values, a value that it lacks, or a ratio that it exceeds."""
    refused = any(_equal(resources, kind, name, value) for name, kind, value in _BOUND.findall(message))
    lacks = any(resources and name not in (resources.get(f"{kind}s") or {}) for name, kind in _UNBOUND.findall(message))
    return refused or lacks or any(_ratio(resources, name) > _number(most) for name, most in _RATIO.findall(message))


def _equal(resources: JsonObject, kind: str, name: str, value: str) -> bool:
    own = (resources.get(f"{kind}s") or {}).get(name)
    return own is not None and _number(own) == _number(value.rstrip("."))


def _ratio(resources: JsonObject, name: str) -> Decimal:
    """Return a container's limit by its request, 0 without one of them."""
    limit, request = (_number((resources.get(kind) or {}).get(name, "0")) for kind in ("limits", "requests"))
    return limit / request if limit > 0 and request > 0 else Decimal(0)


def _number(quantity: object) -> Decimal:
    """Return a quantity's value, -1 for a text that is none."""
    try:
        return amount(str(quantity))
    except ArithmeticError:
        return Decimal(-1)


def _has_refused_user(message: str, box: JsonObject, spec: JsonObject) -> bool:
    """Whether a container's user is outside of the range in a message about users."""
    ranges = [(int(first), int(last)) for first, last in _RANGE.findall(message)] if "unAsUser" in message else []
    user = (box.get("securityContext") or {}).get("runAsUser", spec["securityContext"]["runAsUser"])
    return bool(ranges) and not any(first <= user <= last for first, last in ranges)
