"""Names fixed by the API: group and version, labels, annotations, finalizer, scheduling gate, and the names of owned objects."""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

GROUP = "runwatchman.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
CATEGORY = "runwatchman"

LABEL_RUN = f"{GROUP}/run"
LABEL_RUN_UID = f"{GROUP}/run-uid"
LABEL_AGENT = f"{GROUP}/agent"
LABEL_ATTEMPT = f"{GROUP}/attempt"
LABEL_TASK = f"{GROUP}/task"
"""Label of a task's pod: `verify` or `publish`. An attempt's own pod has none."""

LABEL_PROVIDER = f"{GROUP}/provider"
"""Label of a Budget escalation: the Provider."""

LABEL_QUESTION = f"{GROUP}/question"
"""Label of an escalation: the id of the agent's question."""

LABEL_NETWORK = f"{GROUP}/network"
"""Label of a pod: `managed` if the operator's NetworkPolicy selects it."""

REPORTER_CONTAINER = "runwatchman-reporter"
"""Name of the sidecar in agents' pods, its ServiceAccount, RoleBinding and ClusterRole, and the field manager of its reports."""

SOURCE_CONTAINER = "runwatchman-source"
"""Name of the init container in agents' pods that clones the workspace's repository."""

VERIFY_CONTAINER, PUBLISH_CONTAINER = "verify", "publish"
"""Names of the judged containers in the pods of tasks."""

COPY_CONTAINER, PUSH_CONTAINER = "runwatchman-copy", "runwatchman-publish"
"""Names of the init containers in the pods of tasks: one copies the workspace, one pushes if a command follows the push."""

ANNOTATION_BRIEF = f"{GROUP}/brief"
"""Annotation of a pod: the Run's brief. The downward API writes it to the agent's brief.md."""

ANNOTATION_ENDING_AT = f"{GROUP}/ending-at"
"""Annotation of a pod: when the operator asked it to end, RFC 3339 by the API server's clock."""

ANNOTATION_RESTARTED_AT = f"{GROUP}/restarted-at"
"""Annotation of a first attempt's pod: its agent's spec.restartedAt when the pod was created, RFC 3339. A later one restarts it."""

HALT_NAME = "halt"
"""The only name of a Halt and of the ClusterHalt: a switch has one place, where admission and people find it."""

ANNOTATION_STATE = f"{GROUP}/operator-state"
"""Annotation of a Run with `--store=annotations`: the operator's record."""

CONDITION_WRITES_ACCEPTED = "WritesAccepted"
"""The Run's condition that is False while the API server refuses a write for it."""

FINALIZER_OUTCOME = f"{GROUP}/outcome"
GATE_ADMITTED = f"{GROUP}/admitted"


class RunKey(NamedTuple):
    """The identity of a Run: namespace, name and UID together.

    The UID distinguishes it from a later Run of the same name. The namespace guards against objects of other tenants: an object
    names its Run itself, and may claim the UID of a Run in another namespace.
    """

    namespace: str
    name: str
    uid: str


def pod_name(run: str, agent: str, attempt: int) -> str:
    """Return the name of an attempt's pod. It is unambiguous, because agents' names have no hyphen."""
    return f"{run}-{agent}-r{attempt}"


def task_label(kind: str) -> str:
    """Return the value of LABEL_TASK for a kind of task (`TaskKind`)."""
    return kind.lower()


def task_pod_name(run: str, agent: str, attempt: int, kind: str, number: int) -> str:
    """Return the name of a task's pod: `kind` is its `TaskKind`, `number` the try, from 0."""
    return f"{pod_name(run, agent, attempt)}-{task_label(kind)}{number}"


class NamedTask(NamedTuple):
    """The task that the name of a pod says: its label, and the try."""

    label: str
    number: int


def named_task(pod: str) -> NamedTask | None:
    """Return the task of a pod by its name, None for an attempt's own pod. A name, unlike a label, never changes."""
    found = _TASK_POD.search(pod)
    return NamedTask(found[2], int(found[3])) if found else None


def attempt_pod(pod: str) -> str:
    """Return the name of the attempt's own pod for the pod of one of its tasks, and for itself."""
    return _TASK_POD.sub(r"\1", pod)


_TASK_POD = re.compile(r"(-r\d{1,9})-(verify|publish)(\d{1,9})$")
"""The end of the name of a task's pod (`task_pod_name`). No agent's name has a hyphen."""


def report_name(run: str, agent: str) -> str:
    """Return the name of an agent's AgentReport. All attempts share one."""
    return f"{run}-{agent}"


def escalation_name(run: str, agent: str, *situation: object) -> str:
    """Return the name of the only escalation for a situation. It differs by the Run's UID, attempt, reason and evidence."""
    identity = "\n".join(map(str, (agent, *situation)))
    return f"{run}-{agent}-{hashlib.sha256(identity.encode()).hexdigest()[:ESCALATION_DIGITS]}"


def budget_escalation_name(provider: str, uid: str, budget: str, start: str, asks: int) -> str:
    """Return the name of a question for more of a budget: one for each time that it is spent in a window."""
    digest = hashlib.sha256("\n".join((uid, budget, start, str(asks))).encode()).hexdigest()[:ESCALATION_DIGITS]
    return f"{provider[:MAX_ESCALATION_PREFIX].rstrip('-.')}-budget-{digest}"


MAX_ESCALATION_PREFIX = 200
"""Characters of a provider's name in the names of its escalations, which the digest distinguishes."""

ESCALATION_DIGITS = 8
"""Hex digits of the digest in an escalation's name."""


def workspace_name(run: str, agent: str) -> str:
    """Return the name of an agent's workspace claim."""
    return f"{run}-{agent}-workspace"
