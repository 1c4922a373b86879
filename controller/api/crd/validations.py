"""CEL rules for checks that types and bounds cannot express, by the path of the object that they are attached to.

A transition rule (`oldSelf`) does not run on a field that is added or removed, so the rule of an immutable optional field is
attached to its parent. https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#transition-rules
"""

from __future__ import annotations

from controller.api.names import HALT_NAME
from controller.api.publishing import NEEDS_SOURCE, NO_BRANCH, REFUSED_BY_GIT
from controller.api.run import MAX_RUN_NAME
from controller.api.source import (
    HTTPS,
    HTTPS_CREDENTIAL,
    NO_CREDENTIAL,
    NO_PASSWORD,
    SSH,
    SSH_HAS_NO_CA,
    SSH_NEEDS_SECRET,
    SSH_PASSWORD,
    URL_FORMS,
)
from controller.api.verification import NEEDS_WORKSPACE

SHORT_FORM = ("command", "args", "env", "envFrom", "resources", "imagePullPolicy")


def validations(path: str) -> list[dict[str, str]]:
    """Return the CEL validations of the object at `path`."""
    return [{"rule": " ".join(rule.split()), "message": message, **_words(message)} for rule, message in RULES.get(path, ())]


def _words(message: str) -> dict[str, str]:
    """Return the expression of a message with names in it. The API server uses it instead of the plain message."""
    return {"messageExpression": EXPRESSIONS[message]} if message in EXPRESSIONS else {}


def _exactly_one(*fields: str) -> tuple[str, str]:
    rule = " + ".join(f"(has(self.{field}) ? 1 : 0)" for field in fields)
    return f"{rule} == 1", f"set exactly one of {', '.join(fields)}"


def _matches(field: str, pattern: str) -> str:
    quoted = pattern.replace("\\", "\\\\")
    return f"self.{field}.matches('{quoted}')"


def _kept(field: str) -> tuple[str, str]:
    """Return the rule on the parent of an immutable optional field."""
    rule = f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"
    return rule, f"{field} is immutable"


def _git(*, optional: bool) -> tuple[tuple[str, str], ...]:
    """Return the rules of a repository's URL and what must fit it. An optional URL is another one's if it is not set."""
    rules = (
        (f"!{_matches('url', HTTPS_CREDENTIAL)}", f"url {NO_CREDENTIAL}"),
        (f"!{_matches('url', SSH_PASSWORD)}", f"url {NO_PASSWORD}"),
        (
            " || ".join(_matches("url", pattern) for pattern in (HTTPS, SSH, HTTPS_CREDENTIAL, SSH_PASSWORD)),
            f"url {URL_FORMS}",
        ),
        ("has(self.secretName) || self.url.startsWith('https://')", SSH_NEEDS_SECRET),
        ("!has(self.caBundle) || self.url.startsWith('https://')", SSH_HAS_NO_CA),
    )
    return tuple((f"!has(self.url) || {rule}" if optional else rule, message) for rule, message in rules)


_SOURCE_URL = """!has(self.publish) || has(self.publish.git.url) || !has(self.workspace) || !has(self.workspace.source)
   || self.workspace.source.git.url.startsWith('https://')"""
"""Whether an agent publishes to a URL of its own, or to one of https."""

_ESCALATION_FIXED = ("agent", "text", "options", "proposal", "suggestion", "responders", "expiresAt")
_ESCALATION_FIXED_REQUIRED = ("runName", "runUID", "type", "summary")

EXPRESSIONS = {
    "response is written once and stays": "'response is written once and stays: ' + oldSelf.response.by + ' has answered'",
}
"""Message -> CEL expression of a more specific message."""

_ONE_HALT = (
    (
        f"self.metadata.name == '{HALT_NAME}'",
        f"metadata.name must be {HALT_NAME}: there is one switch for a namespace and one for the cluster",
    ),
)
_HALT_FIXED = tuple(
    (f"self.{field} == oldSelf.{field}", f"{field} is immutable: lift the halt, then halt anew") for field in ("reason", "by")
)

_SECRET_OR_CONFIG_MAP = (_exactly_one("secretRef", "configMapRef"),)

RULES: dict[str, tuple[tuple[str, str], ...]] = {
    "Run": (
        (
            f"size(self.metadata.name) <= {MAX_RUN_NAME}",
            f"metadata.name may have at most {MAX_RUN_NAME} characters: pods and claims are named after it",
        ),
    ),
    "Run.spec": (
        (
            "self.agents == oldSelf.agents",
            "agents is immutable: delete the Run and apply it again, or start another",
        ),
        _kept("brief"),
        _kept("requestedBy"),
        ("self.agents.exists(a, !has(a.required) || a.required)", "at least one agent must be required"),
        ("self.agents.all(a, self.agents.exists_one(b, b.name == a.name))", "agents' names must be unique"),
        (
            """!has(oldSelf.desiredState) || oldSelf.desiredState != 'Stopped'
               || (has(self.desiredState) && self.desiredState == 'Stopped')""",
            "desiredState Stopped is final: start another Run",
        ),
        (
            "!has(self.restartedAt) || self.restartedAt.all(k, self.agents.exists(a, a.name == k))",
            "every key of restartedAt must be the name of an agent",
        ),
        (
            "!has(self.newSessionAt) || self.newSessionAt.all(k, self.agents.exists(a, a.name == k))",
            "every key of newSessionAt must be the name of an agent",
        ),
    ),
    "Run.spec.agents[]": (
        _exactly_one("image", "template"),
        (
            "!has(self.template) || !(" + " || ".join(f"has(self.{field})" for field in SHORT_FORM) + ")",
            f"{', '.join(SHORT_FORM)} belong to the short form: with template, set them in its containers",
        ),
        ("!has(self.verify) || has(self.workspace)", NEEDS_WORKSPACE),
        ("!has(self.publish) || (has(self.workspace) && has(self.workspace.source))", NEEDS_SOURCE),
        (f"{_SOURCE_URL} || has(self.publish.git.secretName)", f"publish.git: {SSH_NEEDS_SECRET}"),
        (f"{_SOURCE_URL} || !has(self.publish.git.caBundle)", f"publish.git: {SSH_HAS_NO_CA}"),
    ),
    "Run.spec.agents[].env[]": (
        ("!(has(self.value) && has(self.valueFrom))", "set value or valueFrom, not both"),
        ("!self.name.startsWith('RUNWATCHMAN_')", "names that begin with RUNWATCHMAN_ are reserved for the operator"),
    ),
    "Run.spec.agents[].env[].valueFrom": (_exactly_one("secretKeyRef", "configMapKeyRef", "fieldRef", "resourceFieldRef"),),
    "Run.spec.agents[].envFrom[]": _SECRET_OR_CONFIG_MAP,
    "Run.spec.agents[].verify.envFrom[]": _SECRET_OR_CONFIG_MAP,
    "Run.spec.agents[].publish.git": (
        (f"!{_matches('branch', NO_BRANCH)}", f"branch {REFUSED_BY_GIT}"),
        *_git(optional=True),
    ),
    "Run.spec.agents[].publish.command.envFrom[]": _SECRET_OR_CONFIG_MAP,
    "Run.spec.agents[].workspace": (
        (
            """!has(self.mountPath) || !(self.mountPath == '/' || self.mountPath == '/runwatchman'
               || self.mountPath.startsWith('/runwatchman/'))""",
            "mountPath may be neither / nor in /runwatchman, which is reserved for the operator",
        ),
    ),
    "Run.spec.agents[].workspace.source.git": _git(optional=False),
    "Provider.spec.probe": (
        (
            "self.maxIntervalSeconds >= self.intervalSeconds",
            "maxIntervalSeconds must be at least intervalSeconds: it bounds every closing",
        ),
    ),
    "Provider.spec": (
        (
            "!has(self.budgets) || self.budgets.all(a, self.budgets.exists_one(b, b.name == a.name))",
            "the names of budgets must be unique: the status counts by name",
        ),
    ),
    "Provider.spec.budgets[]": (
        ("has(self.tokens) || has(self.costMicroUSD)", "set at least one of tokens and costMicroUSD"),
        (
            "!has(self.timeZone) || timestamp('2000-01-01T12:00:00Z').getFullYear(self.timeZone) > 0",
            "timeZone must be an IANA time zone, for example Europe/Berlin",
        ),
        ("!has(self.extraTokens) || has(self.tokens)", "extraTokens needs tokens: an approval adds to a limit"),
        (
            "!has(self.extraCostMicroUSD) || has(self.costMicroUSD)",
            "extraCostMicroUSD needs costMicroUSD: an approval adds to a limit",
        ),
    ),
    "Halt": _ONE_HALT,
    "Halt.spec": _HALT_FIXED,
    "ClusterHalt": _ONE_HALT,
    "ClusterHalt.spec": _HALT_FIXED,
    "RunPolicy.spec": (
        (
            """!has(self.restartCooldownMaxSeconds) || !has(self.restartCooldownSeconds)
               || self.restartCooldownSeconds <= self.restartCooldownMaxSeconds""",
            "restartCooldownSeconds may not be larger than restartCooldownMaxSeconds",
        ),
    ),
    "RunPolicy.spec.llm": (
        (
            "!has(self.command) || self.command != '' || (has(self.mode) && self.mode == 'Off')",
            "command may be empty only where mode is Off: name a registered command such as codex",
        ),
    ),
    "RunPolicy.spec.env[]": (
        ("!self.name.startsWith('RUNWATCHMAN_')", "names that begin with RUNWATCHMAN_ are reserved for the operator"),
    ),
    "RunPolicy.spec.podMetadata": tuple(
        (
            f"!has(self.{field}) || self.{field}.all(key, key != 'runwatchman.dev' && !key.startsWith('runwatchman.dev/'))",
            "keys under runwatchman.dev/ are reserved for the operator",
        )
        for field in ("labels", "annotations")
    ),
    "RunPolicy.spec.podSecurity": (
        (
            "!has(self.runAsUser) || !has(self.reporterRunAsUser) || self.runAsUser != self.reporterRunAsUser",
            "runAsUser and reporterRunAsUser must differ: an agent with the reporter's user could read its token",
        ),
    ),
    "RunPolicy.spec.outcomes[]": (
        (
            """(has(self.exitCodes) && size(self.exitCodes) > 0) || (has(self.reasons) && size(self.reasons) > 0)
               || (has(self.messageContains) && self.messageContains != '')""",
            "set at least one of exitCodes, reasons, messageContains",
        ),
    ),
    "AgentReport.spec": tuple(
        (f"self.{field} == oldSelf.{field}", f"{field} is immutable") for field in ("runName", "runUID", "agent")
    ),
    "Escalation.spec": (
        *((f"self.{field} == oldSelf.{field}", f"{field} is immutable") for field in _ESCALATION_FIXED_REQUIRED),
        *(_kept(field) for field in _ESCALATION_FIXED),
        (
            "!has(oldSelf.response) || (has(self.response) && self.response == oldSelf.response)",
            "response is written once and stays",
        ),
        (
            """!has(self.response) || (self.type in ['Approval', 'Budget'] && self.response.decision in ['Approve', 'Deny'])
               || (self.type == 'Blocked' && self.response.decision in ['Retry', 'Stop', 'Wait'])
               || (self.type == 'Question' && self.response.decision == 'Answer' && has(self.response.answer))""",
            "decision must fit the type: Approve or Deny for Approval or Budget; Retry, Stop, Wait for Blocked; Answer a Question",
        ),
    ),
}
