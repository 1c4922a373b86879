"""Objects of the watched resources from an attacker who wants to stop the operator: generated, as the API server's bytes.

Each begins as a valid object. Some of its fields, at any depth, are then removed or replaced. The fields that the API server sets
itself stay: namespace, name, UID and resourceVersion; metadata keeps its types. Deep nesting is inserted as text, since no encoder
of Python's would produce it.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from controller.api.base import JsonObject
from controller.api.names import API_VERSION
from tests.cluster import Cluster
from tests.support import run_of

COLLECTIONS = "/apis/runwatchman.dev/v1alpha1/namespaces"
DEEP_LEVELS = 1_200
"""More than Python's own decoder accepts: it fails at a thousand."""


def deep_run(name: str) -> str:
    """Return a Run that is nested too deeply, in the open part of the template's schema."""
    return run_with(name, '{"spec":{"x":' + nested(DEEP_LEVELS) + "}}")


def nested(levels: int) -> str:
    """Return JSON that is nested this deeply, as text: no encoder of Python's would produce it."""
    return '{"a":' * levels + "1" + "}" * levels


def run_with(name: str, template: str) -> str:
    """Return a Run whose template is this text of JSON."""
    run = run_of(name, {"template": {"marker": 0}})
    return json.dumps(run).replace('{"marker": 0}', template)


def post(cluster: Cluster, namespace: str, plural: str, body: str, path: Path) -> str:
    """Create an object from its bytes, without kubectl's own decoder."""
    path.write_text(body)
    return cluster.kubectl("create", "--raw", f"{COLLECTIONS}/{namespace}/{plural}", "-f", str(path), check=False)


RESOURCES = ("runs", "pods", "agentreports", "escalations", "runpolicies")
DEEP = "@deep@"
"""Placeholder for a deeply nested value."""
OPEN = {("runs", "spec"), ("runpolicies", "spec"), ("agentreports", "status")}
"""Parts whose types may be wrong, too. The API server checks those of the others, by Go's types or by a CRD's schema."""
REQUIRED = {"name", "containers", "exitCode", "type", "runName", "runUID", "agent", "questionID", "decision"}
"""Fields without which the API server stores no object."""
GOOD_ONE_IN = 20
"""One object in this many is left unchanged."""

TIMES = ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-01-01T00:00:00+14:00", "2026-01-01", "never", "")
NUMBERS = (-1, 0, 2**31, 2**63 - 1, -(2**63), 10**30, 1e308, -0.0, 0.1)
TEXTS = ("", "\x00", "\u202e\u2066", "\ud7ff\ufffd", "💥" * 500, "x" * 70_000, "a/b", "²", "%s{}", "'; --")
WHOLE_NUMBERS = (-1, 0, 2**31, 2**63 - 1, -(2**63))
LIES: tuple[Any, ...] = (None, True, [], {}, [None], [[]], {"": ""}, {"name": None}, [{}], DEEP)


class Hostile(NamedTuple):
    """An object of a resource as bytes, and whether it was left unchanged."""

    resource: str
    data: bytes
    good: bool


def _meta(resource: str, number: int) -> JsonObject:
    owner = {"apiVersion": API_VERSION, "kind": "Run", "name": f"run-{number}", "uid": f"runs-{number}", "controller": True}
    labels = {"run": f"run-{number}", "run-uid": f"runs-{number}", "agent": "coder", "attempt": "0", "question": "q1"}
    stamp = {"manager": "runwatchman-reporter", "operation": "Update", "subresource": "status", "time": "2026-01-01T11:59:00Z"}
    return {
        "namespace": f"tenant-{number % 7}",
        "name": f"run-{number}" if resource == "runs" else f"run-{number}-coder",
        "uid": f"{resource}-{number}",
        "resourceVersion": str(number + 1),
        "generation": 1,
        "creationTimestamp": "2026-01-01T11:00:00Z",
        "labels": {f"runwatchman.dev/{key}": value for key, value in labels.items()},
        "annotations": {"runwatchman.dev/ending-at": "2026-01-01T11:30:00Z"},
        "finalizers": ["runwatchman.dev/outcome"],
        "managedFields": [stamp],
    } | ({} if resource in ("runs", "runpolicies") else {"ownerReferences": [owner]})


def _run(number: int) -> JsonObject:
    template = {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "agent", "image": "x"}], "affinity": {}}}
    agents = [{"name": "coder", "template": template, "workspace": {"size": "1Gi"}}, {"name": "other", "image": "x", "env": []}]
    return {
        "spec": {"agents": agents, "brief": "do", "activeDeadlineSeconds": 60, "restartedAt": {"coder": "2026-01-01T11:00:00Z"}}
    }


def _pod(number: int) -> JsonObject:
    ended = {"exitCode": 1, "reason": "Error", "message": "m", "startedAt": TIMES[0], "finishedAt": "2026-01-01T11:20:00Z"}
    reporter = {"name": "runwatchman-reporter", "state": {"terminated": ended | {"message": '{"attempt":0}'}}}
    running = {"name": "agent", "ready": True, "state": {"running": {"startedAt": "2026-01-01T11:10:00Z"}, "terminated": ended}}
    conditions = [{"type": kind, "status": "True", "lastTransitionTime": TIMES[2]} for kind in ("PodScheduled", "Ready")]
    return {
        "spec": {
            "containers": [{"name": "agent", "image": "x", "readinessProbe": {}}],
            "initContainers": [{"name": "runwatchman-reporter"}],
            "nodeName": "node",
            "terminationGracePeriodSeconds": 30,
            "schedulingGates": [{"name": "runwatchman.dev/admitted"}],
        },
        "status": {
            "phase": "Running",
            "conditions": conditions,
            "containerStatuses": [running],
            "initContainerStatuses": [reporter],
        },
    }


def _report(number: int) -> JsonObject:
    question = {"id": "q1", "text": "may I?", "options": ["yes", "no"]}
    usage = {"inputTokens": 1, "outputTokens": 1, "costMicroUSD": 1}
    said: JsonObject = {
        "attempt": 0,
        "podUID": f"pods-{number}",
        "seq": 1,
        "intervalSeconds": 60,
        "activityAgeSeconds": 1,
        "usage": usage,
    }
    said |= {
        "usage": usage,
        "progressAgeSeconds": 5,
        "questions": [question],
        "result": {"outcome": "Succeeded", "summary": "s", "outputs": {}},
    }
    deliveries = [{"questionID": "q0", "answer": "yes", "by": "rex"}]
    return {
        "spec": {"runName": f"run-{number}", "runUID": f"runs-{number}", "agent": "coder", "deliveries": deliveries},
        "status": said,
    }


def _escalation(number: int) -> JsonObject:
    spec: JsonObject = {
        "runName": f"run-{number}",
        "runUID": f"runs-{number}",
        "agent": "coder",
        "type": "Question",
        "summary": "s",
    }
    response = {"decision": "Answer", "answer": "yes", "by": "rex"}
    spec |= {"summary": "s", "text": "t", "expiresAt": "2026-01-01T13:00:00Z", "response": response}
    return {"spec": spec, "status": {"phase": "Open", "deliveredAt": "2026-01-01T11:00:00Z"}}


def _policy(_: int) -> JsonObject:
    spec = {"restartBudget": 3, "health": {"activityStalledSeconds": 60}, "outcomes": [{"exitCodes": [1], "action": "Fail"}]}
    return {"spec": spec | {"responders": {"users": ["rex"]}, "llm": {"mode": "Auto"}, "maxActiveRuns": 2}}


KINDS: dict[str, Callable[[int], JsonObject]] = {
    "runs": _run,
    "pods": _pod,
    "agentreports": _report,
    "escalations": _escalation,
    "runpolicies": _policy,
}


def objects(count: int, seed: int) -> Iterator[Hostile]:
    """Return this many objects, the resources in turn; the same for the same seed."""
    rng = random.Random(seed)  # noqa: S311  # reproducible, and no secret
    for number in range(count):
        resource, of_it = RESOURCES[number % len(RESOURCES)], number // len(RESOURCES)
        obj = {"apiVersion": API_VERSION, "kind": "X", "metadata": _meta(resource, of_it), **KINDS[resource](of_it)}
        good = rng.randrange(GOOD_ONE_IN) == 0
        for _ in range(0 if good else rng.choice((1, 1, 2, 5))):
            _spoil(resource, obj, rng)
        yield Hostile(resource, _text(obj, rng).encode(errors="replace"), good)


def _spoil(resource: str, obj: JsonObject, rng: random.Random) -> None:
    """Remove a field, or replace its value: by one of another type where only the operator checks types."""
    part = rng.choice([part for part in ("metadata", "spec", "status") if obj.get(part)])
    if part == "metadata":
        _spoil_metadata(obj["metadata"], rng)
        return
    holder, key = rng.choice(_places(obj[part]))
    if (resource, part) in OPEN:
        _replace(holder, key, rng.choice(rng.choice((TIMES, NUMBERS, TEXTS, LIES))), rng)
    elif isinstance(holder[key], str):
        _replace(holder, key, rng.choice(TIMES[:3] if holder[key].endswith("Z") else TEXTS), rng)
    elif type(holder[key]) is int:
        _replace(holder, key, rng.choice(WHOLE_NUMBERS), rng)


def _replace(holder: Any, key: Any, value: object, rng: random.Random) -> None:
    if rng.randrange(4) == 0 and key not in REQUIRED:
        del holder[key]
    else:
        holder[key] = copy.deepcopy(value)


def _spoil_metadata(meta: JsonObject, rng: random.Random) -> None:
    for stamp in meta.get("managedFields", ()):
        stamp["time"] = rng.choice(TIMES[:3])
    optional = [field for field in ("labels", "annotations", "finalizers", "ownerReferences", "managedFields") if field in meta]
    match rng.choice(optional or ["none"]):
        case "labels" | "annotations" as field:
            key = rng.choice(list(meta[field]))
            meta[field][key] = rng.choice(TEXTS)
        case "ownerReferences":
            meta["ownerReferences"][0][rng.choice(("kind", "name", "uid"))] = rng.choice(TEXTS)
        case field:
            meta.pop(field, None)


def _places(part: JsonObject) -> list[tuple[Any, Any]]:
    """Return every field and item of a part, with its container."""
    found: list[tuple[Any, Any]] = []
    holders: list[Any] = [part]
    while holders:
        holder = holders.pop()
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        found += [(holder, key) for key in keys]
        holders += [holder[key] for key in keys if isinstance(holder[key], dict | list)]
    return found


def _text(obj: JsonObject, rng: random.Random) -> str:
    levels = rng.choice((100, 254, 1_100, 5_000))
    opening, closing = rng.choice((('{"a":', "}"), ("[", "]"), ('[{"\\"]":', "}]")))
    return json.dumps(obj).replace(f'"{DEEP}"', opening * levels + "0" + closing * levels)
