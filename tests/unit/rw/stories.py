"""The stories for the plugin's views: objects as kubectl prints them, one file per story."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from controller.api.policy import RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.cli.plan import load
from controller.cli.rw.kubectl_errors import Denied
from controller.cli.rw.objects import JsonObject
from controller.cli.rw.related_objects import Around

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
CASES = Path(__file__).parent / "cases"
NAMES = sorted(path.stem for path in CASES.glob("*.yaml"))


@dataclass(frozen=True)
class Story:
    """A Run and its related objects."""

    run: JsonObject
    around: Around


def story(name: str) -> Story:
    """Read a story; the digest `defaults` stands for that of the built-in policy."""
    found = load((CASES / f"{name}.yaml").read_text())
    lists = {key: tuple(found.get(key, ())) for key in ("pods", "escalations", "reports", "events")}
    policy = found["run"].get("status", {}).get("policy", {})
    if policy.get("digest") == "defaults":
        policy["digest"] = ResolvedPolicy.of(policy["name"], RunPolicySpec()).digest
    denied = tuple(Denied(**said) for said in found.get("denied", ()))
    return Story(found["run"], Around(**lists, policy=found.get("policy"), denied=denied))


def escalation(name: str, kind: str, **spec: object) -> JsonObject:
    """Return an open escalation."""
    fields = {"runName": "r", "runUID": "u", "agent": "coder", "type": kind, "summary": "coder: well?", "responders": {}, **spec}
    meta = {"name": name, "namespace": "default", "creationTimestamp": "2026-01-01T11:00:00Z"}
    return {"metadata": meta, "spec": fields}
