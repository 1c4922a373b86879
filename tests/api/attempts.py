"""Attempts to get more rights than granted: by whom, by which means, who refuses and with which message. The tables of
test_attempts.py.

People: `author` writes Runs and may create pods and claims, `tenant` pods only, `writer` neither; `rex` is the responder of the
policy and `bot` its bridge; `oda` is an author elsewhere; `reporter` is the true token of Run r's pod, `loose` a token of its
account that is bound to no pod; `advisor` has no credential, as the sidecar has none; `operator` is the operator's own account in
somebody else's hands. `$NAME` stands for a UID or the name of an object that the operator created.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import Any

from tests.api.forged_requests import API, STATE, escalation, new_report, run

HOME, NAMESPACE, ELSEWHERE, TEMPLATES = "attempts-home", "attempts", "attempts-elsewhere", "attempts-templates"
REPORTER = "runwatchman-reporter"


class By(Enum):
    """The party that refuses, and the words that identify it."""

    SCHEMA = r"is invalid: |unknown field|Unsupported value"
    ADMISSION = r"ValidatingAdmissionPolicy 'runwatchman-"
    RBAC = r"cannot [\w:-]+ resource|attempting to grant RBAC permissions not currently held"
    LIMIT = r"too large|limit is|must be no more than|Too long|exceeded max depth"
    SERVER = r"does not match the|Precondition failed|could not find the requested resource"
    OPERATOR = r"^SpecRefused: "


@dataclass(frozen=True)
class Attempt:
    """An attempt, and the words of its refusal. For a template `args` holds the reason."""

    who: str
    what: str
    by: By
    says: str
    args: tuple[str, ...] = ()
    stdin: str | None = None
    namespace: str = NAMESPACE

    def __str__(self) -> str:
        """Name the case as its test id."""
        return f"{self.who}: {self.what}"


def create(who: str, what: str, by: By, says: str, obj: dict[str, Any], *flags: str, namespace: str = NAMESPACE) -> Attempt:
    """A create."""
    return Attempt(who, what, by, says, ("create", "-f", "-", *flags), json.dumps(obj), namespace)


def patch(who: str, what: str, by: By, says: str, target: str, body: Any, *flags: str, namespace: str = NAMESPACE) -> Attempt:
    """A merge patch."""
    return Attempt(who, what, by, says, ("patch", target, "--type=merge", "-p", json.dumps(body), *flags), None, namespace)


def replace(who: str, what: str, by: By, says: str, path: str, obj: dict[str, Any]) -> Attempt:
    """An update of an object that its author may not even read."""
    at = f"/apis/{API}/namespaces/{NAMESPACE}/{path}"
    return Attempt(who, what, by, says, ("replace", "--raw", at, "-f", "-"), json.dumps(obj))


def run_(who: str, what: str, by: By, says: str, *args: str, namespace: str = NAMESPACE) -> Attempt:
    """A kubectl command."""
    return Attempt(who, what, by, says, args, None, namespace)


def with_(name: str, metadata: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A Run with other fields of spec and metadata."""
    made = run(name)
    made["spec"] |= spec
    made["metadata"] |= metadata or {}
    return made


def agents(**fields: Any) -> dict[str, Any]:
    """A change of a Run's agent."""
    return {"spec": {"agents": [{"name": "coder", "image": "x"} | fields]}}


def response(by: str, **fields: Any) -> dict[str, Any]:
    """An answer to the Blocked escalation of the world."""
    return {"spec": {"response": {"decision": "Retry", "by": by} | fields}}


def status(pod: str, attempt: int = 0, **fields: Any) -> dict[str, Any]:
    """A report's status."""
    made = {"attempt": attempt, "podUID": f"${pod}", "seq": 9, "intervalSeconds": 60, "activityAgeSeconds": 0}
    return {"status": made | fields}


def pod(name: str, **metadata: Any) -> dict[str, Any]:
    """A pod that a user creates by hand."""
    spec = {"containers": [{"name": "agent", "image": "x"}]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **metadata}, "spec": spec}


def binding(name: str, role: str, account: str, kind: str = "RoleBinding") -> dict[str, Any]:
    """A binding of a ClusterRole to an account of the namespace."""
    rbac = "rbac.authorization.k8s.io"
    ref = {"apiGroup": rbac, "kind": "ClusterRole", "name": role}
    subject = {"kind": "ServiceAccount", "name": account, "namespace": NAMESPACE}
    return {"apiVersion": f"{rbac}/v1", "kind": kind, "metadata": {"name": name}, "roleRef": ref, "subjects": [subject]}


MEBI, LONG = 1024 * 1024, 64 * 1024
"""The sizes that fit into a request, and into an argument of a command."""
STATUS = "--subresource=status"
MORE = "cannot create resource"
LEASE = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "mine"}}
POLICY = {"apiVersion": API, "kind": "RunPolicy", "metadata": {"name": "mine"}, "spec": {"restartBudget": 1000}}
LEASES = 'resource "leases"'
HOLDER = {"spec": {"holderIdentity": "me"}}
UNKNOWN = "unknown field"

RETRY = {"decision": "Retry", "by": "rex"}

AUTHOR = (
    create(
        "author",
        "a policy of another namespace, by field",
        By.SCHEMA,
        UNKNOWN,
        with_("x", policyRef={"name": "lax", "namespace": ELSEWHERE}),
    ),
    create(
        "author",
        "a policy of another namespace, by slash",
        By.SCHEMA,
        "policyRef",
        with_("x", policyRef={"name": f"{ELSEWHERE}/lax"}),
    ),
    create(
        "author",
        "a service account in the short form",
        By.SCHEMA,
        UNKNOWN,
        with_("x", agents=[{"name": "a", "image": "x", "serviceAccountName": "operator"}]),
    ),
    create(
        "author",
        "another namespace's Secret",
        By.SCHEMA,
        "secretRef.name",
        with_("x", agents=[{"name": "a", "image": "x", "envFrom": [{"secretRef": {"name": f"{HOME}/token"}}]}]),
    ),
    create("author", "a Run of another namespace", By.RBAC, MORE, with_("x"), namespace=ELSEWHERE),
    create("author", "a Run in the operator's namespace", By.RBAC, MORE, with_("x"), namespace=HOME),
    create(
        "author",
        "a Run that is born with the operator's notes",
        By.ADMISSION,
        "operator-state",
        with_("x", {"annotations": {STATE: "{}"}}),
    ),
    create(
        "author",
        "more agents than there may be",
        By.SCHEMA,
        "32",
        with_("x", agents=[{"name": f"a{i}", "image": "x"} for i in range(33)]),
    ),
    create("author", "a huge brief", By.SCHEMA, "brief", with_("x", brief="x" * MEBI)),
    create(
        "author",
        "a huge template",
        By.LIMIT,
        "large",
        with_("x", agents=[{"name": "a", "template": {"spec": {"x": "x" * 4 * MEBI}}}]),
    ),
    create("author", "annotations without end", By.LIMIT, "annotations", with_("x", {"annotations": {"a": "x" * MEBI}})),
    create("author", "a name that breaks its pods' names", By.SCHEMA, "at most 40", with_("x" * 41)),
    patch(
        "author",
        "a bigger budget in the operator's notes",
        By.ADMISSION,
        "operator's memory",
        "run/r",
        {"metadata": {"annotations": {STATE: "{}"}}},
    ),
    patch(
        "author",
        "restarts forgotten",
        By.RBAC,
        '"runs/status"',
        "run/spent",
        {"status": {"restarts": 0, "phase": "Running"}},
        STATUS,
    ),
    patch("author", "another image in a running Run", By.SCHEMA, "immutable", "run/r", agents(image="evil")),
    patch("author", "another brief in a running Run", By.SCHEMA, "immutable", "run/r", {"spec": {"brief": "do evil"}}),
    patch("author", "a stopped Run goes on", By.SCHEMA, "Stopped is final", "run/stopped", {"spec": {"desiredState": "Running"}}),
    create("author", "a policy of one's own", By.RBAC, MORE, POLICY),
    patch(
        "author",
        "oneself among the responders",
        By.RBAC,
        "cannot patch",
        "runpolicy/default",
        {"spec": {"responders": {"users": ["author"]}}},
    ),
    patch(
        "author",
        "an answer, not being a responder",
        By.ADMISSION,
        "only these may answer",
        "escalation/$blocked",
        response("author"),
    ),
    patch(
        "author", "an answer in the responder's name", By.ADMISSION, 'but you are "author"', "escalation/$blocked", response("rex")
    ),
    create("author", "a forged escalation", By.RBAC, MORE, escalation("forged")),
    run_("author", "an escalation that is gone", By.RBAC, "cannot delete", "delete", "escalation", "$blocked"),
    patch(
        "author",
        "an answer straight into the agent's mailbox",
        By.RBAC,
        "cannot patch",
        "agentreport/r-coder",
        {"spec": {"deliveries": []}},
    ),
    patch(
        "author",
        "a report of one's own making",
        By.RBAC,
        "agentreports/status",
        "agentreport/r-coder",
        status("r-coder-r0"),
        STATUS,
    ),
    create(
        "author",
        "a pod that looks like an agent's",
        By.ADMISSION,
        "only the operator creates pods",
        pod("r-coder-r1", labels={"runwatchman.dev/run-uid": "$r"}),
    ),
    patch("author", "a gate taken away", By.RBAC, "cannot patch", "pod/r-coder-r0", {"spec": {"schedulingGates": []}}),
    run_("author", "a shell in an agent's pod", By.RBAC, "pods/exec", "exec", "r-coder-r0", "-c", "agent", "--", "sh"),
    run_(
        "author",
        "a debugger in an agent's pod",
        By.RBAC,
        "pods/ephemeralcontainers",
        "debug",
        "r-coder-r0",
        "--image=x",
        "--target=agent",
    ),
    run_("author", "the reporter's token", By.RBAC, "serviceaccounts/token", "create", "token", REPORTER),
    run_("author", "a Secret", By.RBAC, "cannot get", "get", "secret", "model-key"),
    create("author", "the operator's role", By.RBAC, MORE, binding("up", "runwatchman-operator", "default")),
    patch("author", "the operator's Lease", By.RBAC, LEASES, "lease/runwatchman", HOLDER, namespace=HOME),
    patch("oda", "a Run of another namespace", By.RBAC, "cannot patch", "run/r", {"spec": {"desiredState": "Stopped"}}),
    patch("oda", "an answer in another namespace", By.RBAC, "cannot patch", "escalation/$blocked", response("oda")),
)

WRITER = (
    create("writer", "pods without the right to create pods", By.ADMISSION, "may not create pods", with_("x")),
    patch(
        "writer", "a paused Run's pods", By.ADMISSION, "may not create pods", "run/paused", {"spec": {"desiredState": "Running"}}
    ),
    patch(
        "writer",
        "a new pod by restart",
        By.ADMISSION,
        "may not create pods",
        "run/r",
        {"spec": {"restartedAt": {"coder": "2036-01-01T00:00:00Z"}}},
    ),
    patch(
        "writer",
        "more pods by another policy",
        By.ADMISSION,
        "may not create pods",
        "run/r",
        {"spec": {"policyRef": {"name": "lax"}}},
    ),
    create("writer", "a pod", By.RBAC, MORE, pod("p")),
    create(
        "tenant",
        "a workspace without the right to create claims",
        By.ADMISSION,
        "may not create persistentvolumeclaims",
        with_("x", agents=[{"name": "coder", "image": "x", "workspace": {}}]),
    ),
    create(
        "tenant",
        "a workspace beside agents without one",
        By.ADMISSION,
        "leave spec.agents[].workspace out",
        with_("x", agents=[{"name": "coder", "image": "x"}, {"name": "tester", "image": "x", "workspace": {"size": "1Ti"}}]),
    ),
    patch(
        "tenant",
        "another's workspace resumed",
        By.ADMISSION,
        "may not create persistentvolumeclaims",
        "run/s",
        {"spec": {"restartedAt": {"coder": "2036-01-01T00:00:00Z"}}},
    ),
    create("tenant", "a claim", By.RBAC, MORE, {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "c"}}),
)

RESPONDER = (
    patch("rex", "an answer in another's name", By.ADMISSION, 'but you are "rex"', "escalation/$blocked", response("author")),
    patch(
        "rex",
        "an answer on another's behalf",
        By.ADMISSION,
        "only bridges",
        "escalation/$blocked",
        response("rex", onBehalfOf="author"),
    ),
    patch(
        "rex", "a decision that was not offered", By.SCHEMA, "decision", "escalation/$blocked", response("rex", decision="Approve")
    ),
    patch(
        "rex", "another decision after the first", By.SCHEMA, "written once", "escalation/taken", response("rex", decision="Stop")
    ),
    patch("rex", "a decision taken back", By.SCHEMA, "written once", "escalation/taken", {"spec": {"response": None}}),
    patch("rex", "an answer that came too late", By.ADMISSION, "nobody answered in time", "escalation/expired", response("rex")),
    patch(
        "rex",
        "another text above the answer",
        By.SCHEMA,
        "text is immutable",
        "escalation/$blocked",
        {"spec": {"text": "harmless", **response("rex")["spec"]}},
    ),
    patch(
        "rex",
        "more responders",
        By.SCHEMA,
        "responders is immutable",
        "escalation/$blocked",
        {"spec": {"responders": {"users": ["rex", "author"]}}},
    ),
    patch(
        "rex",
        "more time",
        By.SCHEMA,
        "expiresAt is immutable",
        "escalation/$blocked",
        {"spec": {"expiresAt": "2036-01-01T00:00:00Z"}},
    ),
    patch("rex", "another Run's escalation", By.SCHEMA, "runUID is immutable", "escalation/$blocked", {"spec": {"runUID": "u"}}),
    patch(
        "rex",
        "an escalation hidden from its Run",
        By.ADMISSION,
        "metadata.labels",
        "escalation/$blocked",
        {"metadata": {"labels": {"runwatchman.dev/run-uid": None}}},
    ),
    patch(
        "rex",
        "an escalation without its Run",
        By.ADMISSION,
        "ownerReferences",
        "escalation/$blocked",
        {"metadata": {"ownerReferences": None}},
    ),
    patch(
        "rex",
        "an escalation that cannot go",
        By.ADMISSION,
        "finalizers",
        "escalation/$blocked",
        {"metadata": {"finalizers": ["example.com/stay"]}},
    ),
    patch(
        "rex",
        "an escalation closed by hand",
        By.RBAC,
        "escalations/status",
        "escalation/$blocked",
        {"status": {"phase": "Resolved"}},
        STATUS,
    ),
    patch("rex", "an endless comment", By.SCHEMA, "comment", "escalation/$blocked", response("rex", comment="x" * LONG)),
    patch(
        "bot",
        "an answer under the name of whom it speaks for",
        By.ADMISSION,
        'but you are "bot"',
        "escalation/$blocked",
        response("author", onBehalfOf="author"),
    ),
    patch("bot", "a bridge's second answer", By.SCHEMA, "written once", "escalation/taken", response("bot", onBehalfOf="author")),
    create("bot", "a question of the bridge's own", By.RBAC, MORE, escalation("forged")),
)

AGENT = (
    run_("reporter", "Secrets", By.RBAC, "cannot list", "get", "secrets"),
    run_("reporter", "pods", By.RBAC, "cannot list", "get", "pods"),
    run_("reporter", "Runs", By.RBAC, "cannot list", "get", "runs"),
    run_("reporter", "reports of another namespace", By.RBAC, "cannot list", "get", "agentreports", namespace=ELSEWHERE),
    run_("reporter", "a longer token", By.RBAC, "serviceaccounts/token", "create", "token", REPORTER),
    run_("reporter", "its own report gone", By.RBAC, "cannot delete", "delete", "agentreport", "r-coder"),
    create("reporter", "a pod", By.RBAC, MORE, pod("p")),
    create("reporter", "a Run", By.RBAC, MORE, with_("x")),
    create("reporter", "a question past its report", By.RBAC, MORE, escalation("forged")),
    create("reporter", "the report of another agent", By.ADMISSION, "its own agent only", new_report("writer")),
    replace(
        "reporter",
        "its own question answered",
        By.RBAC,
        "cannot update",
        "escalations/$blocked",
        escalation("$blocked", response=RETRY),
    ),
    patch(
        "reporter",
        "an answer for itself",
        By.RBAC,
        "cannot patch",
        "agentreport/r-coder",
        {"spec": {"deliveries": [{"questionID": "q", "answer": "yes"}]}},
    ),
    patch(
        "reporter",
        "another Run's success",
        By.ADMISSION,
        "may not report for s-coder",
        "agentreport/s-coder",
        status("r-coder-r0", result={"outcome": "Completed"}),
        STATUS,
    ),
    patch(
        "reporter",
        "a later attempt's word",
        By.ADMISSION,
        'that is the word of pod "r-coder-r7"',
        "agentreport/r-coder",
        status("r-coder-r0", 7),
        STATUS,
    ),
    patch(
        "reporter",
        "another pod's word",
        By.ADMISSION,
        "but the pod that reports is",
        "agentreport/r-coder",
        status("s-coder-r0"),
        STATUS,
    ),
    patch(
        "reporter",
        "a report without end",
        By.SCHEMA,
        "message",
        "agentreport/r-coder",
        status("r-coder-r0", message="x" * LONG),
        STATUS,
    ),
    patch(
        "reporter",
        "a thousand questions",
        By.SCHEMA,
        "questions",
        "agentreport/r-coder",
        status("r-coder-r0", questions=[{"id": f"q{i}", "text": "?"} for i in range(1000)]),
        STATUS,
    ),
    patch(
        "reporter",
        "a question whose answer would be another file",
        By.SCHEMA,
        "questions[0].id",
        "agentreport/r-coder",
        status("r-coder-r0", questions=[{"id": "../bin/rw", "text": "?"}]),
        STATUS,
    ),
    patch(
        "reporter",
        "less tokens than none",
        By.SCHEMA,
        "inputTokens",
        "agentreport/r-coder",
        status("r-coder-r0", usage={"inputTokens": -1}),
        STATUS,
    ),
    patch("reporter", "its Run's status", By.RBAC, "runs/status", "run/r", {"status": {"phase": "Completed"}}, STATUS),
    patch("reporter", "the Lease", By.RBAC, LEASES, "lease/runwatchman", HOLDER, namespace=HOME),
    patch(
        "loose",
        "a report by a token that is no pod's",
        By.ADMISSION,
        "its token is bound to the pod",
        "agentreport/r-coder",
        status("r-coder-r0"),
        STATUS,
    ),
    create("loose", "a report created by it", By.ADMISSION, "its token is bound to the pod", new_report("writer")),
)

ADVISOR = (
    run_("advisor", "Runs", By.RBAC, 'User "system:anonymous"', "get", "--raw", f"/apis/{API}/namespaces/{NAMESPACE}/runs"),
    run_("advisor", "Secrets", By.RBAC, 'User "system:anonymous"', "get", "--raw", f"/api/v1/namespaces/{NAMESPACE}/secrets"),
    run_(
        "advisor",
        "an agent's log",
        By.RBAC,
        'User "system:anonymous"',
        "get",
        "--raw",
        f"/api/v1/namespaces/{NAMESPACE}/pods/r-coder-r0/log",
    ),
)

OPERATOR = (
    run_("operator", "Secrets", By.RBAC, "cannot list", "get", "secrets"),
    create("operator", "a Run", By.RBAC, MORE, with_("x")),
    create("operator", "a policy", By.RBAC, MORE, POLICY),
    patch("operator", "an answer to its own question", By.RBAC, "cannot patch", "escalation/$blocked", response("rex")),
    create(
        "operator", "admin's rights for an account of its", By.RBAC, "not currently held", binding("up", "cluster-admin", "default")
    ),
    create("operator", "the whole cluster", By.RBAC, MORE, binding("up", "runwatchman-reporter", "default", "ClusterRoleBinding")),
    run_("operator", "another's token", By.RBAC, "serviceaccounts/token", "create", "token", "default"),
    run_("operator", "a shell in a pod", By.RBAC, "pods/exec", "exec", "r-coder-r0", "-c", "agent", "--", "sh"),
    create("operator", "a Lease of another program", By.RBAC, MORE, LEASE),
    run_("operator", "a workspace gone", By.RBAC, "cannot delete", "delete", "pvc", "s-coder-workspace"),
)

ATTEMPTS = AUTHOR + WRITER + RESPONDER + AGENT + ADVISOR + OPERATOR
