"""The names that the API fixes: group and version, labels, annotations, finalizer, gate, and the names of owned objects."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

GROUP = "runwarden.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
CATEGORY = "runwarden"

LABEL_RUN = f"{GROUP}/run"
LABEL_RUN_UID = f"{GROUP}/run-uid"
LABEL_AGENT = f"{GROUP}/agent"
LABEL_ATTEMPT = f"{GROUP}/attempt"
LABEL_QUESTION = f"{GROUP}/question"
"""On an escalation: the id of the agent's question."""

LABEL_NETWORK = f"{GROUP}/network"
"""On a pod: `managed` where the operator's NetworkPolicy selects it."""

REPORTER_CONTAINER = "runwarden-reporter"
"""The sidecar in agents' pods, its ServiceAccount, RoleBinding and ClusterRole, and the field manager of its reports."""

ANNOTATION_BRIEF = f"{GROUP}/brief"
"""On a pod: the Run's brief, which the downward API puts into the agent's brief.md."""

ANNOTATION_ENDING_AT = f"{GROUP}/ending-at"
"""On a pod: when the operator told it to end, RFC 3339 by the API server's clock."""

ANNOTATION_STATE = f"{GROUP}/operator-state"
"""On a Run, with `--store=annotations`: the operator's record."""

FINALIZER_OUTCOME = f"{GROUP}/outcome"
GATE_ADMITTED = f"{GROUP}/admitted"


class RunKey(NamedTuple):
    """What identifies a Run: namespace, name and UID together.

    The UID keeps it apart from a later Run of the same name. The namespace keeps it apart from whatever another tenant's object
    claims: an object names its Run itself, and may name a UID that is none of its namespace's.
    """

    namespace: str
    name: str
    uid: str


def pod_name(run: str, agent: str, attempt: int) -> str:
    """Return the name of an attempt's pod. Agents' names hold no hyphen, so it is unambiguous."""
    return f"{run}-{agent}-r{attempt}"


def report_name(run: str, agent: str) -> str:
    """Return the name of an agent's AgentReport, one for all of its attempts."""
    return f"{run}-{agent}"


def escalation_name(run: str, agent: str, *situation: object) -> str:
    """Return the name of the one escalation for a situation: it tells the Run's UID, attempt, reason and evidence apart."""
    identity = "\n".join(map(str, (agent, *situation)))
    return f"{run}-{agent}-{hashlib.sha256(identity.encode()).hexdigest()[:ESCALATION_DIGITS]}"


ESCALATION_DIGITS = 8
"""Hex digits of the digest in an escalation's name."""


def workspace_name(run: str, agent: str) -> str:
    """Return the name of an agent's workspace claim."""
    return f"{run}-{agent}-workspace"
