"""Reads the objects related to a Run, all at once. Objects without read permission are listed, and the rest is shown."""

from __future__ import annotations

from dataclasses import dataclass

from controller.api.names import LABEL_RUN, report_name
from controller.cli.rw.kubectl import Call
from controller.cli.rw.kubectl_errors import Denied
from controller.cli.rw.objects import JsonObject, items_of, name_of, status_of
from controller.cli.rw.related_objects import Around
from controller.cli.rw.session import ESCALATIONS, POLICIES, REPORTS, Session


@dataclass(frozen=True, slots=True)
class Reading:
    """Reads in progress; the command does other work meanwhile, such as imports."""

    run: JsonObject
    calls: dict[str, Call]

    def finish(self) -> Around:
        """Wait for all reads. Raises Refused for a failure other than a missing permission."""
        found = {what: call.json_if_allowed() for what, call in self.calls.items()}
        uid = self.run["metadata"]["uid"]
        pods = [pod for pod in _items(found["pods"]) if _owner(pod) == uid]
        mine = {uid, *(pod["metadata"]["uid"] for pod in pods)}
        return Around(
            pods=tuple(sorted(pods, key=name_of)),
            escalations=tuple(e for e in _items(found["escalations"]) if e["spec"]["runUID"] == uid),
            reports=tuple(r for r in _items(found["reports"]) if r["spec"]["runUID"] == uid),
            events=tuple(e for e in _items(found["events"]) if e.get("involvedObject", {}).get("uid") in mine),
            policy=next((policy for policy in _items(found["policies"]) if name_of(policy) == _policy_name(self.run)), None),
            denied=tuple(answer for answer in found.values() if isinstance(answer, Denied)),
        )


def begin(session: Session, run: JsonObject) -> Reading:
    """Start to read the objects related to a Run."""
    kubectl, name = session.kubectl, name_of(run)
    reports = [report_name(name, agent["name"]) for agent in run["spec"]["agents"]]
    asked = {
        "pods": ("pods", "-l", f"{LABEL_RUN}={name}"),
        "escalations": (ESCALATIONS, "-l", f"{LABEL_RUN}={name}"),
        "reports": (REPORTS, *reports, "--ignore-not-found", "--show-managed-fields"),
        "events": ("events",),
        "policies": (POLICIES,),
    }
    return Reading(run, {what: kubectl.start("get", *args, "-o", "json") for what, args in asked.items()})


def _items(found: JsonObject | Denied) -> list[JsonObject]:
    return [] if isinstance(found, Denied) else items_of(found)


def _owner(obj: JsonObject) -> str:
    owners = obj["metadata"].get("ownerReferences", ())
    return next((owner["uid"] for owner in owners if owner.get("controller")), "")


def _policy_name(run: JsonObject) -> str:
    found: str = status_of(run).get("policy", {}).get("name", "")
    return found
