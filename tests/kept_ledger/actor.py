"""One Run of the kept ledger: what its kubelet, its agent's reporter and the people around it do."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

from controller.api.base import JsonObject
from controller.api.names import API_VERSION, REPORTER_CONTAINER, pod_name, report_name, task_pod_name
from tests.cluster import Cluster
from tests.support import answer, apply, await_phase, await_that, get, items

REPORTED: JsonObject = {
    "intervalSeconds": 60,
    "activityAgeSeconds": 0,
    "questions": [],
    "delivered": [],
    "read": [],
    "parked": False,
}
"""What an agent that works reports."""
FIELD_MANAGER = f"--field-manager={REPORTER_CONTAINER}"


@dataclass(frozen=True, slots=True)
class Actor:
    """A Run in a namespace, by its name."""

    cluster: Cluster
    namespace: str
    run: str
    _numbers: Any = field(default_factory=lambda: count(1))

    def in_phase(self, *phases: str) -> JsonObject:
        """Wait until the Run is in one of the phases and return its status."""
        return await_phase(self.cluster, self.namespace, self.run, *phases)

    def has_reason(self, reason: str) -> None:
        """Wait until the Run has a reason."""
        await_that(lambda: self._found().get("status", {}).get("reason") == reason, f"{self.run} to have the reason {reason}")

    def works(self, attempt: int, agent: str = "coder") -> JsonObject:
        """Wait until the pod of an attempt runs, and return it."""
        return self._running(pod_name(self.run, agent, attempt))

    def ends(self, attempt: int, code: int, agent: str = "coder", **ended: str) -> None:
        """End the container of an attempt with an exit code, a `reason` and a `message`."""
        self._end(pod_name(self.run, agent, attempt), "agent", code, ended)

    def task_ends(self, attempt: int, code: int, number: int = 0, kind: str = "Verify", **ended: str) -> None:
        """End the command of a task."""
        self._end(task_pod_name(self.run, "coder", attempt, kind, number), kind.lower(), code, ended)

    def is_ready(self, attempt: int, *, ready: bool) -> None:
        """Have the readiness probe of an attempt succeed or fail."""
        pod = self.works(attempt)
        state = {"type": "Ready", "status": str(ready), "lastTransitionTime": _now()}
        shown = [each | {"ready": ready} for each in pod["status"]["containerStatuses"]]
        self._patch_status("pod", pod["metadata"]["name"], {"conditions": [state], "containerStatuses": shown})

    def reports(self, attempt: int, agent: str = "coder", **status: Any) -> None:
        """Write the report of an attempt's agent, as its reporter does."""
        self._report(self.works(attempt, agent), attempt, agent, status)

    def _report(self, pod: JsonObject, attempt: int, agent: str, status: JsonObject) -> None:
        if not get(self.cluster, self.namespace, "agentreport", report_name(self.run, agent)):
            apply(self.cluster, self.namespace, self._new_report(agent))
        told = {"attempt": attempt, "podUID": pod["metadata"]["uid"], "seq": next(self._numbers), **REPORTED, **status}
        self._patch_status("agentreport", report_name(self.run, agent), told, "--type=merge", FIELD_MANAGER)

    def reports_until(self, phase: str, status: Callable[[int], JsonObject]) -> None:
        """Report attempt 0, with the seconds since now as the age, until another attempt begins or the Run comes to a phase."""
        began = datetime.now(UTC)

        def over() -> bool:
            now = self._found().get("status", {})
            if now.get("phase") in (phase, "Stopping") or any(agent.get("attempt") for agent in now.get("agents", ())):
                return True
            pod = get(self.cluster, self.namespace, "pod", pod_name(self.run, "coder", 0))
            if pod.get("status", {}).get("phase") == "Running":
                self._report(pod, 0, "coder", status(int((datetime.now(UTC) - began).total_seconds())))
            return False

        await_that(over, f"{self.run} to be judged by its reports")

    def asked(self, number: int = 1) -> str:
        """Wait until the Run has its n-th question to people, and return its name."""

        def there() -> str | None:
            found = [each for each in items(self.cluster, self.namespace, "escalations") if each["spec"]["runName"] == self.run]
            named = sorted(found, key=lambda each: str(each["metadata"]["creationTimestamp"]))
            return str(named[number - 1]["metadata"]["name"]) if len(named) >= number else None

        return str(await_that(there, f"question {number} of {self.run}"))

    def answers(self, decision: str, number: int = 1, **fields: str) -> None:
        """Answer the Run's n-th question."""
        answer(self.cluster, self.namespace, self.asked(number), decision, **fields)

    def change(self, **spec: Any) -> None:
        """Change the Run's spec."""
        self._kubectl("patch", "run", self.run, "--type=merge", "-p", json.dumps({"spec": spec}))

    def delete(self, attempt: int, *options: str) -> None:
        """Delete an attempt's pod."""
        self._kubectl("delete", "pod", pod_name(self.run, "coder", attempt), "--wait=false", *options)

    def evict(self, attempt: int) -> None:
        """Evict an attempt's pod, as a drain of its node does."""
        name = pod_name(self.run, "coder", attempt)
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": self.namespace}}
        path = f"/api/v1/namespaces/{self.namespace}/pods/{name}/eviction"
        self.cluster.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))

    def leave(self) -> None:
        """Delete the Run."""
        self._kubectl("delete", "run", self.run, "--wait=false")

    def _found(self) -> JsonObject:
        return get(self.cluster, self.namespace, "run", self.run)

    def _running(self, name: str) -> JsonObject:
        def there() -> JsonObject | None:
            found = get(self.cluster, self.namespace, "pod", name)
            return found if found.get("status", {}).get("phase") == "Running" else None

        found: JsonObject = await_that(there, f"pod {name} to run")
        return found

    def _end(self, name: str, container: str, code: int, ended: dict[str, str]) -> None:
        self._running(name)
        state = {"exitCode": code, "reason": "Error" if code else "Completed", "startedAt": _now(), "finishedAt": _now(), **ended}
        shown = {"name": container, "image": "x", "imageID": "", "ready": False, "restartCount": 0, "state": {"terminated": state}}
        self._patch_status("pod", name, {"phase": "Failed" if code else "Succeeded", "containerStatuses": [shown]})

    def _new_report(self, agent: str) -> JsonObject:
        uid = self._found()["metadata"]["uid"]
        owner = {"apiVersion": API_VERSION, "kind": "Run", "name": self.run, "uid": uid, "controller": True}
        meta = {"name": report_name(self.run, agent), "ownerReferences": [owner]}
        spec = {"runName": self.run, "runUID": uid, "agent": agent}
        return {"apiVersion": API_VERSION, "kind": "AgentReport", "metadata": meta, "spec": spec}

    def _patch_status(self, kind: str, name: str, status: JsonObject, *options: str) -> None:
        self._kubectl("patch", kind, name, "--subresource=status", *options, "-p", json.dumps({"status": status}))

    def _kubectl(self, *args: str) -> None:
        self.cluster.kubectl("-n", self.namespace, *args)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
