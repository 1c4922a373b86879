"""The kinds: their names, printer columns, and the file of each CRD."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from controller.api.agent_report import AgentReport, AgentReportSpec, AgentReportStatus
from controller.api.base import ApiModel
from controller.api.crd.schema import structural
from controller.api.crd.validations import validations
from controller.api.escalation import Escalation, EscalationSpec, EscalationStatus
from controller.api.halt import ClusterHalt, Halt, HaltSpec
from controller.api.names import CATEGORY, GROUP, VERSION
from controller.api.policy import RunPolicy, RunPolicySpec
from controller.api.provider import Provider, ProviderSpec, ProviderStatus
from controller.api.run import Run, RunSpec
from controller.api.run_status import RunStatus

HEADER = "# Generated from controller/api/ by `runwatchman crds`; edit the models, then run `make generate`.\n"
LINE_WIDTH = 120


@dataclass(frozen=True, slots=True)
class Column:
    """A printer column. Columns of priority 1 are shown only with `-o wide`."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0

    def manifest(self) -> dict[str, Any]:
        """Return the column in the form of a CRD."""
        priority = {"priority": self.priority} if self.priority else {}  # The API server stores no 0.
        return {"name": self.name, "jsonPath": self.path, "type": self.type, **priority}


@dataclass(frozen=True, slots=True)
class Kind:
    """A custom resource."""

    name: str
    plural: str
    short: str
    model: type[ApiModel]
    spec: type[ApiModel]
    status: type[ApiModel] | None
    columns: tuple[Column, ...]
    scope: str = "Namespaced"


WRITTEN_AS_ONE = {"x-kubernetes-map-type": "atomic"}
"""Schema of a status: it has one writer, so managedFields need not list each field, which is a third of the cost of a write."""

AGE = Column("Age", ".metadata.creationTimestamp", "date")

_HALT_COLUMNS = (Column("By", ".spec.by"), Column("Reason", ".spec.reason"), AGE)

KINDS = (
    Kind(
        "Run",
        "runs",
        "rwrun",
        Run,
        RunSpec,
        RunStatus,
        (
            Column("Phase", ".status.phase"),
            Column("Agents", ".status.ready"),
            Column("Restarts", ".status.restarts", "integer"),
            Column("Inbox", ".status.openEscalations", "integer"),
            Column("Policy", ".status.policy.name", priority=1),
            Column("Reason", ".status.reason", priority=1),
            Column("Requested By", ".spec.requestedBy", priority=1),
            Column("Checked", ".status.requestedBy.checked", "boolean", priority=1),
            AGE,
        ),
    ),
    Kind(
        "RunPolicy",
        "runpolicies",
        "rwpol",
        RunPolicy,
        RunPolicySpec,
        None,
        (
            Column("Budget", ".spec.restartBudget", "integer"),
            Column("Cooldown", ".spec.restartCooldownSeconds", "integer"),
            Column("LLM", ".spec.llm.mode"),
            Column("DryRun", ".spec.dryRun", "boolean", priority=1),
            AGE,
        ),
    ),
    Kind(
        "Escalation",
        "escalations",
        "rwesc",
        Escalation,
        EscalationSpec,
        EscalationStatus,
        (
            Column("Type", ".spec.type"),
            Column("Run", ".spec.runName"),
            Column("Phase", ".status.phase"),
            Column("Summary", ".spec.summary"),
            Column("By", ".spec.response.by", priority=1),
            AGE,
        ),
    ),
    Kind(
        "AgentReport",
        "agentreports",
        "rwrep",
        AgentReport,
        AgentReportSpec,
        AgentReportStatus,
        (
            Column("Attempt", ".status.attempt", "integer"),
            Column("Seq", ".status.seq", "integer"),
            Column("Message", ".status.message"),
            AGE,
        ),
    ),
    Kind(
        "Provider",
        "providers",
        "rwprov",
        Provider,
        ProviderSpec,
        ProviderStatus,
        (
            Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
            Column("State", ".status.state"),
            Column("Reason", ".status.reason"),
            Column("Until", ".status.closedUntil"),
            Column("Active", ".status.activeAgents", "integer"),
            Column("Waiting", ".status.waitingAgents", "integer"),
            Column("Budgets", '.status.conditions[?(@.type=="WithinBudgets")].reason'),
            Column("Message", ".status.message", priority=1),
            AGE,
        ),
    ),
    Kind("Halt", "halts", "rwhalt", Halt, HaltSpec, None, _HALT_COLUMNS),
    Kind("ClusterHalt", "clusterhalts", "rwchalt", ClusterHalt, HaltSpec, None, _HALT_COLUMNS, scope="Cluster"),
)


def build_crds() -> dict[str, dict[str, Any]]:
    """Return all CRDs by file name.

    Raises SchemaError if a CRD cannot express a model.
    """
    return {f"{GROUP}_{kind.plural}.yaml": _crd(kind) for kind in KINDS}


def render(crd: dict[str, Any]) -> str:
    """Return the content of a CRD's file. It is deterministic, so that a diff shows drift."""
    return HEADER + yaml.safe_dump(crd, sort_keys=False, width=LINE_WIDTH, allow_unicode=True)


def _crd(kind: Kind) -> dict[str, Any]:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": kind.scope,
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.name.lower(),
                "shortNames": [kind.short],
                "categories": [CATEGORY],
            },
            "versions": [_version(kind)],
        },
    }


def _version(kind: Kind) -> dict[str, Any]:
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [column.manifest() for column in kind.columns],
        "subresources": {"status": {}} if kind.status else {},
        "schema": {"openAPIV3Schema": _root(kind)},
    }


def _root(kind: Kind) -> dict[str, Any]:
    spec = structural(kind.spec, f"{kind.name}.spec", by_users=True)
    properties: dict[str, Any] = {
        "apiVersion": {"type": "string", "description": f"{GROUP}/{VERSION}."},
        "kind": {"type": "string", "description": f"{kind.name}."},
        "metadata": {"type": "object"},
        "spec": spec,
    }
    if kind.status:
        properties["status"] = structural(kind.status, f"{kind.name}.status", by_users=False) | WRITTEN_AS_ONE
    root: dict[str, Any] = {
        "type": "object",
        "description": " ".join((kind.model.__doc__ or "").split()),
        "required": ["spec"],
        "properties": properties,
    }
    if rules := validations(kind.name):
        root["x-kubernetes-validations"] = rules
    return root
