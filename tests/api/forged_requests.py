"""The requests of test_admission.py, by user, with the words of their refusals. `$POD` in a body stands for the UID of the pod POD,
`$run` for that of Run r.

People: alice (of group devs), bob and the bridge bot have runwatchman-edit and may create pods, bot may also name others as those
who asked for a Run, ruth has runwatchman-edit alone, vera runwatchman-view, pat Kubernetes' own edit; eve may write everything of
runwatchman's but update escalations/status, so that only admission is between her and a forgery; so may `collector`, which is the
controller-manager. `coder-0` is the pod of attempt 0 of the agent whose report is r-coder, and so on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

API = "runwatchman.dev/v1alpha1"
STATE = "runwatchman.dev/operator-state"
ROBOT = "system:serviceaccount:admission:robot"


@dataclass(frozen=True)
class Try:
    """A user's command, and words of its refusal; none if it must succeed."""

    who: str
    args: tuple[str, ...]
    says: str = ""
    stdin: str | None = None

    def __str__(self) -> str:
        """Name the case as its test id."""
        return f"{self.who} {' '.join(self.args[:2])}: {self.says}"


def patch(who: str, target: str, body: dict[str, Any], says: str = "", *flags: str) -> Try:
    """A merge patch."""
    return Try(who, ("patch", target, "--type=merge", "-p", json.dumps(body), *flags), says)


def create(who: str, obj: dict[str, Any], says: str = "", verb: str = "create") -> Try:
    """A create, or another verb that takes a file."""
    return Try(who, (*verb.split(), "-f", "-"), says, json.dumps(obj))


def meta(who: str, target: str, says: str = "", **metadata: Any) -> Try:
    """A change of metadata."""
    return patch(who, target, {"metadata": metadata}, says)


def delete(who: str, pod: str, seconds: int, says: str = "") -> Try:
    """A deletion of a pod with a grace period."""
    force = ("--force",) if not seconds else ()
    return Try(who, ("delete", "pod", pod, f"--grace-period={seconds}", "--wait=false", *force), says)


def evict(who: str, pod: str, seconds: int, says: str = "") -> Try:
    """An eviction of a pod with a grace period, as a drain sends it."""
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}}
    path = f"/api/v1/namespaces/admission/pods/{pod}/eviction"
    body = eviction | {"deleteOptions": {"gracePeriodSeconds": seconds, "dryRun": ["All"]}}
    return Try(who, ("create", "--raw", path, "-f", "-"), says, json.dumps(body))


def respond(who: str, escalation: str, says: str = "", by: str = "", **fields: Any) -> Try:
    """An answer to a question, in the user's own name unless `by` is given."""
    response = {"decision": "Answer", "answer": "yes", "by": by or who} | fields
    return patch(who, f"escalation/{escalation}", {"spec": {"response": response}}, says)


def phase(who: str, escalation: str, to: str, says: str = "") -> Try:
    """A write of an escalation's phase."""
    return patch(who, f"escalation/{escalation}", {"status": {"phase": to}}, says, "--subresource=status")


def appoint(who: str, escalation: str, responders: dict[str, list[str]], says: str = "") -> Try:
    """A write of the responders of a question that was asked under no policy."""
    return patch(who, f"escalation/{escalation}", {"status": {"responders": responders}}, says, "--subresource=status")


def report(who: str, attempt: int, pod: str, says: str = "", name: str = "r-coder") -> Try:
    """A report of an attempt, identified by the name of its pod."""
    status = {"attempt": attempt, "podUID": f"${pod}", "seq": 1, "intervalSeconds": 60, "activityAgeSeconds": 0}
    return patch(who, f"agentreport/{name}", {"status": status}, says, "--subresource=status")


def escalation(name: str, responders: dict[str, list[str]] | None = None, **spec: Any) -> dict[str, Any]:
    """A question."""
    asked = {"runName": "r", "runUID": "u", "type": "Question", "summary": "s", "text": "t", "responders": responders or {}}
    return {"apiVersion": API, "kind": "Escalation", "metadata": {"name": name}, "spec": asked | spec}


def new_report(agent: str, metadata: dict[str, Any] | None = None, /, **spec: Any) -> dict[str, Any]:
    """The report of an agent of Run r, as its reporter creates it."""
    named = {"name": f"r-{agent}"} | (metadata or {})
    return {
        "apiVersion": API,
        "kind": "AgentReport",
        "metadata": named,
        "spec": {"runName": "r", "runUID": "$run", "agent": agent} | spec,
    }


def run(name: str, annotations: dict[str, str] | None = None, *, desired: str = "Running") -> dict[str, Any]:
    """A Run."""
    spec = {"agents": [{"name": "coder", "image": "x"}], "desiredState": desired}
    return {"apiVersion": API, "kind": "Run", "metadata": {"name": name, "annotations": annotations or {}}, "spec": spec}


def requested(by: str) -> dict[str, Any]:
    """A Run that names the user who asked for it."""
    made = run("wanted")
    return made | {"spec": made["spec"] | {"requestedBy": by}}


def owner(uid: str, kind: str = "Run") -> list[dict[str, str]]:
    """An owner named r."""
    return [{"apiVersion": API, "kind": kind, "name": "r", "uid": uid}]


DELIVERY = [{"questionID": "q", "answer": "yes", "by": "alice"}]
UID = "runwatchman.dev/run-uid"
STAMPED = [
    {"manager": "runwatchman-reporter", "operation": "Update", "subresource": "status", "apiVersion": API}
    | {"time": "9999-12-31T23:59:59Z", "fieldsType": "FieldsV1", "fieldsV1": {"f:status": {"f:seq": {}}}}
]
"""An entry of managedFields that no API server wrote."""
RESPONSE = {"decision": "Answer", "answer": "yes", "by": "alice"}

INBOX = (
    create("alice", escalation("forged"), 'cannot create resource "escalations"'),
    create("eve", escalation("forged"), "only the operator creates escalations"),
    create("admin", escalation("forged", response=RESPONSE | {"by": "admin"}), "created unanswered"),
    phase("alice", "open", "Resolved", "escalations/status"),
    phase("eve", "open", "Resolved", "only the operator writes the status"),
    phase("eve", "expired", "Open", "only the operator writes the status"),
    meta("alice", "escalation/open", "metadata.labels", labels={"a": "b"}),
    meta("eve", "escalation/dressed", "metadata.labels", labels={"runwatchman.dev/run-uid": "v"}),
    meta("alice", "escalation/dressed", "metadata.labels", labels=None),
    meta("alice", "escalation/open", "metadata.annotations", annotations={"a": "b"}),
    meta("alice", "escalation/dressed", "metadata.annotations", annotations={"note": None}),
    meta("alice", "escalation/open", "metadata.finalizers", finalizers=["example.com/stay"]),
    meta("eve", "escalation/dressed", "metadata.finalizers", finalizers=None),
    meta("alice", "escalation/open", "metadata.ownerReferences", ownerReferences=owner("$run")),
    meta("eve", "escalation/dressed", "metadata.ownerReferences", ownerReferences=None),
    meta("collector", "escalation/dressed", "metadata.labels", labels=None),
    meta("collector", "agentreport/r-coder", "changes labels and annotations", labels={"a": "b"}),
    create("alice", escalation("open", response=RESPONSE), "client-side kubectl apply leaves an annotation", verb="apply"),
    patch(
        "alice",
        "escalation/open",
        {"metadata": {"labels": {"a": "b"}}, "spec": {"response": RESPONSE}},
        "metadata.labels",
    ),
    patch("alice", "escalation/open", {"spec": {"text": "another"}}, "text is immutable"),
    patch("alice", "escalation/open", {"spec": {"options": ["yes"]}}, "options is immutable"),
    patch("alice", "escalation/open", {"spec": {"expiresAt": "2036-01-01T00:00:00Z"}}, "expiresAt is immutable"),
    patch("bob", "escalation/users", {"spec": {"responders": {"users": ["bob"]}}}, "responders is immutable"),
    patch("bob", "escalation/open", {"spec": {"summary": "x", "response": RESPONSE | {"by": "bob"}}}, "summary is immutable"),
    Try("alice", ("delete", "escalation", "open"), 'cannot delete resource "escalations"'),
)

RESPONSES = (
    respond("alice", "open", 'spec.response.by is "bob", but you are "alice"', by="bob"),
    respond("alice", "open", 'spec.response.by is "Alice", but you are "alice"', by="Alice"),
    patch("alice", "escalation/open", {"spec": {"response": RESPONSE | {"by": ""}}}, 'spec.response.by is ""'),
    patch("alice", "escalation/open", {"spec": {"response": {"decision": "Answer", "answer": "yes"}}}, "by: Required"),
    respond("robot", "open", f'but you are "{ROBOT}"'),
    respond("alice", "unappointed", "nobody may answer yet: no RunPolicy was in force"),
    respond("admin", "unappointed", "nobody may answer yet"),
    respond("bot", "unappointed", "nobody may answer yet", onBehalfOf="alice"),
    patch("alice", "escalation/unappointed", {"spec": {"responders": {}, "response": RESPONSE}}, "responders is immutable"),
    patch("eve", "escalation/unappointed", {"spec": {"responders": {"users": ["eve"]}}}, "responders is immutable"),
    appoint("alice", "unappointed", {}, "escalations/status"),
    appoint("eve", "unappointed", {"users": ["eve"]}, "only the operator writes the status"),
    respond("bob", "appointed", "only these may answer: users alice; bridges bot"),
    respond("alice", "appointed", "only bridges answer on behalf of others", onBehalfOf="bob"),
    respond("admin", "open", 'spec.response.by is "alice", but you are "admin"', by="alice"),
    respond("eve", "open", 'spec.response.by is "alice", but you are "eve"', by="alice"),
    respond("bot", "bridges", 'spec.response.by is "alice", but you are "bot"', by="alice"),
    respond("bob", "users", 'you are "bob", and only these may answer: users alice; bridges bot'),
    respond("bob", "groups", "only these may answer: groups devs, leads"),
    respond("alice", "bridges", "only these may answer: bridges bot"),
    respond("admin", "users", 'you are "admin", and only these may answer'),
    respond("alice", "open", "only bridges answer on behalf of others", onBehalfOf="bob"),
    respond("alice", "users", "only bridges answer on behalf of others", onBehalfOf="bob"),
    respond("bot", "open", "only bridges answer on behalf of others", onBehalfOf="alice"),
    respond("alice", "expired", "escalation expired is Expired: nobody answered in time"),
    respond("alice", "superseded", "is Superseded: the Run has moved on"),
    respond("alice", "resolved", "is Resolved: what it asked about is over"),
    respond("alice", "answered", "is Answered: it has been answered"),
    respond("alice", "delivered", "is Delivered: it has been answered, and the agent has the answer"),
    respond("admin", "expired", "nobody answered in time"),
    respond("bob", "taken", "response is written once and stays: alice has answered"),
    respond("alice", "taken", "response is written once", answer="no"),
    patch("alice", "escalation/taken", {"spec": {"response": None}}, "response is written once"),
    respond("alice", "open", "decision must fit the type", decision="Approve"),
    respond("vera", "open", 'cannot patch resource "escalations"'),
)

REPORTS = (
    report("writer-0", 0, "writer-0", 'pod "r-writer-r0" may not report for r-coder'),
    report("writer-0", 1, "coder-1", 'that is the word of pod "r-coder-r1"'),
    report("coder-0", 0, "coder-0", "attempt 0 is over: attempt 1 has reported"),
    report("coder-0", 1, "coder-0", 'that is the word of pod "r-coder-r1"'),
    report("coder-0", 1, "coder-1", 'that is the word of pod "r-coder-r1"'),
    report("coder-1", 0, "coder-1", 'that is the word of pod "r-coder-r0"'),
    report("coder-1", 2, "coder-1", 'that is the word of pod "r-coder-r2"'),
    report("coder-1", 1, "coder-0", "but the pod that reports is"),
    patch("coder-1", "agentreport/r-coder", {"status": None}, "may not report for r-coder", "--subresource=status"),
    report("stray", 1, "coder-1", "only the reporter in the agent's pod reports"),
    report("twin", 1, "twin", "only the reporter in the agent's pod reports"),
    report("reporter", 1, "coder-1", "only the reporter in the agent's pod reports"),
    report("eve", 1, "coder-1", "only the reporter in the agent's pod reports"),
    report("alice", 1, "coder-1", "agentreports/status"),
    create("reporter", new_report("writer"), "only the reporter in the agent's pod reports"),
    create("eve", new_report("writer"), "only the reporter in the agent's pod reports"),
    create("stray", new_report("stray"), "only the reporter in the agent's pod reports"),
    create("coder-1", new_report("writer"), 'pod "r-coder-r1" creates the report of its own agent only, not r-writer'),
    create("writer-0", new_report("write"), "creates the report of its own agent only"),
    create("writer-0", new_report("writer", agent="coder"), "a report is named"),
    create("writer-0", new_report("writer", deliveries=DELIVERY), "spec.deliveries is the operator's"),
    create("writer-0", new_report("writer", {"finalizers": ["example.com/stay"]}), "created without finalizers"),
    create("writer-0", new_report("writer"), "exactly one owner reference"),
    create("writer-0", new_report("writer", {"ownerReferences": owner("v")}), "exactly one owner reference"),
    create("writer-0", new_report("writer", {"ownerReferences": owner("$run") + owner("v")}), "exactly one owner reference"),
    create("writer-0", new_report("writer", {"ownerReferences": owner("$run", "Pod")}), "exactly one owner reference"),
    create("writer-0", new_report("writer", {"ownerReferences": owner("$run"), "labels": {UID: "u"}}), "repeat its spec"),
    create(
        "writer-0", new_report("writer", {"ownerReferences": owner("$run"), "managedFields": STAMPED}), "metadata.managedFields"
    ),
    meta("eve", "agentreport/r-coder", "only the operator changes managedFields", managedFields=STAMPED),
    patch("coder-1", "agentreport/r-coder", {"spec": {"deliveries": DELIVERY}}, 'cannot patch resource "agentreports"'),
    patch("alice", "agentreport/r-coder", {"spec": {"deliveries": DELIVERY}}, 'cannot patch resource "agentreports"'),
    patch("eve", "agentreport/r-coder", {"spec": {"deliveries": DELIVERY}}, "only the operator changes the spec"),
    meta("eve", "agentreport/r-coder", "changes labels and annotations", labels={"a": "b"}),
    meta("eve", "agentreport/r-coder", "changes labels and annotations", annotations={"a": "b"}),
    meta("eve", "agentreport/r-coder", "changes ownerReferences and finalizers", finalizers=["example.com/stay"]),
    meta("eve", "agentreport/r-coder", "changes ownerReferences and finalizers", ownerReferences=owner("v")),
)

STATES_AND_PODS = (
    create("alice", run("forged", {STATE: "{}"}), "Leave it out of a new Run"),
    meta("alice", "run/r", "only the operator may add", annotations={STATE: "{}"}),
    meta("alice", "run/r", "only the operator may add", annotations={STATE: ""}),
    meta("alice", "run/started", "change or remove it", annotations={STATE: '{"version":1}'}),
    meta("alice", "run/started", "change or remove it", annotations=None),
    create("alice", run("started"), "kubectl replace erases", verb="replace"),
    patch("alice", "run/started", {"status": {"storeID": "annotations"}}, "runs/status", "--subresource=status"),
    patch("pat", "pod/gated", {"spec": {"schedulingGates": []}}, "only the operator removes the scheduling gate"),
    meta("pat", "pod/gated", "only the operator removes the finalizer", finalizers=None),
    meta("pat", "pod/gated", "the labels runwatchman.dev/*", labels={"runwatchman.dev/attempt": "7"}),
    meta("pat", "pod/gated", "the labels runwatchman.dev/*", labels={"runwatchman.dev/run-uid": None}),
    meta("pat", "pod/other", "the labels runwatchman.dev/*", labels={"runwatchman.dev/run-uid": "u"}),
    create(
        "pat",
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "forged", "labels": {"runwatchman.dev/run-uid": "u"}},
            "spec": {"containers": [{"name": "agent", "image": "x"}]},
        },
        "only the operator creates pods",
    ),
)

ABSURD_SECONDS = 100_000_000_000_000
GRACES = (
    *(
        delete(who, "r-slow-r0", seconds, "longer than the pod's own of 600 s")
        for who in ("pat", "admin", "operator")
        for seconds in (ABSURD_SECONDS, 86400, 601)
    ),
    delete("pat", "r-slow-r0", 601, "within which a stop ends an agent: leave --grace-period out"),
    Try(
        "pat",
        ("delete", "pods", "-l", "runwatchman.dev/run-uid=slow", "--grace-period=86400", "--wait=false"),
        "longer than the pod's own",
    ),
    evict("pat", "r-slow-r0", ABSURD_SECONDS, "evicted with a grace period of 3600 s at most"),
    evict("admin", "r-slow-r0", 3601, "evicted with a grace period of 3600 s at most"),
    evict("admin", "r-slow-r0-verify0", 3601, "evicted with a grace period of 3600 s at most"),
    evict("admin", "r-slow-r7-publish12", 3601, "evicted with a grace period of 3600 s at most"),
)

NO_PODS = 'you are "ruth" and may not create pods in namespace admission'
AUTHORS = (
    create("ruth", run("hers"), NO_PODS),
    create("ruth", run("hers"), "`kubectl auth can-i create pods -n admission` tells"),
    create("ruth", run("hers"), NO_PODS, verb="apply --server-side"),
    create("ruth", run("hers", desired="Paused"), NO_PODS),
    create("ruth", run("hers", desired="Stopped"), NO_PODS),
    patch("ruth", "run/paused", {"spec": {"desiredState": "Running"}}, NO_PODS),
    patch("ruth", "run/paused", {"spec": {"desiredState": None}}, NO_PODS),
    patch("ruth", "run/r", {"spec": {"restartedAt": {"coder": "2036-01-01T00:00:00Z"}}}, NO_PODS),
    patch("ruth", "run/r", {"spec": {"policyRef": {"name": "generous"}}}, NO_PODS),
    patch("ruth", "run/r", {"spec": {"tokenBudget": 9}}, "without it you may set spec.desiredState to Paused or Stopped"),
    create("vera", run("hers"), 'cannot create resource "runs"'),
    create("alice", requested("bob"), 'spec.requestedBy is "bob", but you are "alice": set it to that, leave it out'),
    create("alice", requested("bob"), "grant", verb="apply --server-side"),
    create("robot", requested("alice"), f'spec.requestedBy is "alice", but you are "{ROBOT}"'),
    create("ruth", requested("ruth"), NO_PODS),
    patch("alice", "run/r", {"spec": {"requestedBy": "alice"}}, "requestedBy is immutable"),
    patch("admin", "run/asked", {"spec": {"requestedBy": "bob"}}, "requestedBy is immutable"),
    patch("bob", "run/asked", {"spec": {"requestedBy": None}}, "requestedBy is immutable"),
    create("alice", requested(" "), "spec.requestedBy"),
)

FORGERIES = AUTHORS + INBOX + RESPONSES + REPORTS + STATES_AND_PODS + GRACES

PASSING = (
    respond("alice", "open"),
    respond("alice", "new"),
    respond("alice", "dressed"),
    respond("bob", "open", comment="why not"),
    respond("alice", "users"),
    respond("alice", "groups"),
    respond("bot", "bridges", onBehalfOf="alice"),
    respond("bot", "users", onBehalfOf="alice"),
    respond("bot", "bridges"),
    respond("alice", "appointed"),
    respond("bot", "appointed", onBehalfOf="bob"),
    respond("robot", "open", by=ROBOT),
    respond("admin", "open"),
    create("bob", escalation("open", response=RESPONSE | {"by": "bob"}), verb="apply --server-side --force-conflicts"),
    meta("alice", "escalation/open", labels={}),
    meta("admin", "escalation/open", labels={"a": "b"}),
    meta("collector", "escalation/dressed", ownerReferences=None),
    meta("collector", "agentreport/r-coder", ownerReferences=None),
    create("operator", escalation("asked")),
    report("coder-1", 1, "coder-1"),
    report("coder-2", 2, "coder-2"),
    create("writer-0", new_report("writer", {"ownerReferences": owner("$run")})),
    create("writer-0", new_report("writer", {"ownerReferences": owner("$run"), "labels": {UID: "$run", "team": "a"}})),
    patch("operator", "agentreport/r-coder", {"spec": {"deliveries": DELIVERY}}),
    create("alice", run("mine", {"note": "x"})),
    create("pat", run("mine")),
    create("alice", requested("alice")),
    create("alice", requested("alice"), verb="apply --server-side"),
    create("robot", requested(ROBOT)),
    create("bot", requested("carol")),
    patch("bob", "run/asked", {"spec": {"tokenBudget": 9}}),
    meta("alice", "run/started", labels={"a": "b"}, annotations={"note": "x"}),
    patch("alice", "run/started", {"spec": {"desiredState": "Stopped"}}),
    create("alice", run("started", {STATE: '{"version":7}'}), verb="replace"),
    create("alice", run("started"), verb="apply"),
    patch("ruth", "run/r", {"spec": {"desiredState": "Paused"}}),
    patch("ruth", "run/paused", {"spec": {"desiredState": "Stopped"}}),
    meta("ruth", "run/r", labels={"a": "b"}),
    Try("ruth", ("delete", "run", "r", "--wait=false")),
    meta("collector", "run/r", ownerReferences=owner("$run")),
    patch("alice", "run/paused", {"spec": {"desiredState": "Running"}}),
    meta("operator", "run/started", annotations={STATE: '{"version":8}'}),
    meta("pat", "pod/gated", labels={"team": "a"}, annotations={"note": "x"}),
    patch("pat", "pod/gated", {"spec": {"schedulingGates": [{"name": "runwatchman.dev/admitted"}]}}),
    Try("pat", ("delete", "pod", "gated", "--wait=false")),
    delete("pat", "r-slow-r0", 600),
    delete("pat", "gated", 86400),
    delete("pat", "r-slow-r0", 0),
    delete("pat", "r-slow-r0", 1),
    delete("pat", "other", 86400),
    evict("pat", "r-slow-r0", 3600),
    evict("pat", "other", 86400),
    patch("operator", "pod/gated", {"spec": {"schedulingGates": []}}),
    Try("vera", ("get", "escalations,runs,runpolicies,agentreports")),
)
