"""Records Kubernetes Events, one for each phase change, each lifted halt and each failed verification of a Run. Names are digests
of the content, so a crash never posts one twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import structlog

from controller.api.base import JsonObject
from controller.api.names import API_VERSION, CONDITION_WRITES_ACCEPTED
from controller.api.phases import Phase
from controller.api.timestamps import format_time
from controller.api.verification import VerificationResult
from controller.kube.client import Client
from controller.kube.errors import AlreadyExists, ApiError
from controller.kube.resources import EVENTS

log = structlog.get_logger(__name__)

TYPES = {
    Phase.COMPLETED: "Normal",
    Phase.STOPPED: "Normal",
    Phase.HALTED: "Normal",
    Phase.FAILED: "Warning",
    Phase.BLOCKED: "Warning",
}
"""The phases that are recorded, and the type of their Event."""

NAME_DIGEST = 16
"""Hex digits of the digest in an Event's name."""


MESSAGE_LIMIT = 1024
"""Maximum characters of an Event's message (events.k8s.io's limit)."""


def event_for(run: JsonObject) -> JsonObject | None:
    """Return the Event for a Run's status, or None if its phase needs none."""
    status, meta = run.get("status", {}), run["metadata"]
    phase = status.get("phase")
    if phase not in TYPES:
        return None
    reason, message = status.get("reason", ""), status.get("message", "")
    digest = _digest(meta["uid"], phase, reason, message)
    about = {"name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]}
    message = "; ".join(filter(None, (f"{phase}: {message}" if message else phase, *_results(status), *_requester(status))))
    return _event(about, digest, TYPES[phase], reason or phase, message[:MESSAGE_LIMIT])


def _results(status: JsonObject) -> Iterator[str]:
    """Return the agents' reported results, with their outputs."""
    for agent in status.get("agents", ()):
        result = agent.get("result") or {}
        outputs = ", ".join(f"{name}={value}" for name, value in sorted((result.get("outputs") or {}).items()))
        parts = " ".join(filter(None, (result.get("summary"), f"({outputs})" if outputs else "")))
        if parts:
            yield f"{agent['name']}: {parts}"


def _requester(status: JsonObject) -> Iterator[str]:
    """Return the user who asked for the Run, and whether anybody has checked that."""
    if found := status.get("requestedBy"):
        yield f"requested by {found['name']}{'' if found['checked'] else ' (unchecked)'}"


def _event(about: JsonObject, digest: str, kind: str, reason: str, message: str) -> JsonObject:
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{about['name']}.{digest}", "namespace": about["namespace"]},
        "involvedObject": {"apiVersion": API_VERSION, "kind": "Run"} | about,
        "type": kind,
        "reason": reason,
        "message": message,
        "source": {"component": "runwatchman"},
        "count": 1,
    }


async def record_phase_event(client: Client, before: str | None, run: JsonObject) -> None:
    """Post the Event for a phase that was just written. Events are history only: a failed post is logged and not retried."""
    if run.get("status", {}).get("phase") == before:
        return
    event = event_for(run)
    if event is not None:
        await _post(client, event)


def lift_event(before: JsonObject, run: JsonObject) -> JsonObject | None:
    """Return the Event for a Run that was Halted in the status before and goes on now; None for any other, or one that ends."""
    phase, meta = run.get("status", {}).get("phase"), run["metadata"]
    if before.get("phase") != Phase.HALTED or phase == Phase.STOPPING or phase in TYPES:
        return None
    about = {"name": meta["name"], "namespace": meta["namespace"], "uid": meta["uid"]}
    message = f"the halt is lifted: {before.get('message', '').replace(' is halted by ', ' was halted by ', 1)}"
    return _event(about, _digest(meta["uid"], HALT_LIFTED, message), "Normal", HALT_LIFTED, message[:MESSAGE_LIMIT])


async def record_lift_event(client: Client, before: JsonObject, run: JsonObject) -> None:
    """Post the Event for a lifted halt."""
    if event := lift_event(before, run):
        await _post(client, event)


async def record_refusal_event(client: Client, before: JsonObject, run: JsonObject) -> None:
    """Post a Warning when the condition WritesAccepted of a Run becomes False, or has another reason than in the status before."""
    refusal = _refusal(run.get("status", {}))
    if refusal and _refusal(before).get("reason") != refusal["reason"]:
        meta = run["metadata"]
        key = (meta["namespace"], meta["name"], meta["uid"])
        await record_warning(client, key, refusal["reason"], refusal.get("message", ""))


async def record_failed_verifications(client: Client, before: JsonObject, run: JsonObject) -> None:
    """Post a Warning for each verification that has failed since the status before."""
    known = [agent.get("verification") for agent in before.get("agents", ())]
    meta = run["metadata"]
    for agent in run.get("status", {}).get("agents", ()):
        found = agent.get("verification") or {}
        if found.get("result") == VerificationResult.FAILED and found not in known:
            code = f"exit code {found['exitCode']}" if "exitCode" in found else "ended at its time limit"
            words = f"agent {agent['name']}, attempt {found['attempt']}: {code}: {found.get('message', '')[-OUTPUT_LIMIT:]}"
            await record_warning(client, (meta["namespace"], meta["name"], meta["uid"]), VERIFICATION_FAILED, words)


OUTPUT_LIMIT = 900
"""Characters of a verification's output that an Event shows: its end."""

HALT_LIFTED = "HaltLifted"
"""The reason of the Event for a lifted halt, as in the status of a Run that awaits its turn."""

VERIFICATION_FAILED = "VerificationFailed"
"""The reason of these Warnings, as in the agent's status."""


def _refusal(status: JsonObject) -> JsonObject:
    """Return the condition WritesAccepted if it is False, else an empty object."""
    found = (c for c in status.get("conditions", ()) if (c["type"], c["status"]) == (CONDITION_WRITES_ACCEPTED, "False"))
    return next(found, {})


async def record_warning(
    client: Client, run: tuple[str, str, str], reason: str, message: str, *, pod: bool = False, kind: str = "Run"
) -> None:
    """Post a Warning about a Run, another kind of ours, or a pod, given as namespace, name and UID. Each text is posted once."""
    namespace, name, uid = run
    about = {"name": name, "namespace": namespace, "uid": uid, "kind": kind} | ({"apiVersion": "v1", "kind": "Pod"} if pod else {})
    await _post(client, _event(about, _digest(uid, reason, message), "Warning", reason, message[:MESSAGE_LIMIT]))


async def record_provider_event(client: Client, about: JsonObject, state: str, message: str, *, warning: bool) -> None:
    """Post the Event for a state of a provider that was just written. Each change is posted once."""
    digest = _digest(about["uid"], state, message, format_time(client.server_now()))
    event = _event({**about, "kind": "Provider"}, digest, "Warning" if warning else "Normal", state, message[:MESSAGE_LIMIT])
    await _post(client, event)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:NAME_DIGEST]


async def _post(client: Client, event: JsonObject) -> None:
    stamp = format_time(client.server_now())
    try:
        await client.create(EVENTS, event["metadata"]["namespace"], event | {"firstTimestamp": stamp, "lastTimestamp": stamp})
    except AlreadyExists:
        return
    except ApiError as error:
        log.warning("event not posted", error=str(error))
