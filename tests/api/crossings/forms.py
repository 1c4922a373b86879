"""The forms of attempts from another namespace."""

from __future__ import annotations

import json
from typing import Any

from controller.api.names import LABEL_AGENT, LABEL_ATTEMPT, LABEL_RUN, LABEL_RUN_UID
from tests.api.attempts import (
    ELSEWHERE,
    NAMESPACE,
    REPORTER,
    Attempt,
    By,
    create,
)
from tests.api.forged_requests import API, new_report

CUSTOM, CORE = f"/apis/{API}/namespaces", "/api/v1/namespaces"
DRY, UNCHECKED = "--dry-run=server", "--validate=ignore"
TAKE_OVER = ("apply", "--server-side", "--force-conflicts", "--field-manager=runwatchman", "-f", "-")
FOREVER = "9999-12-31T23:59:59Z"
VICTIM = {LABEL_RUN: "r", LABEL_RUN_UID: "$r", LABEL_AGENT: "coder", LABEL_ATTEMPT: "0"}
"""The labels of the victim's pod."""
NO_OWNER_BUT_ONE, MANAGED = "exactly one owner reference", "metadata.managedFields is the API server's"
STOP = {"spec": {"desiredState": "Stopped"}}


def owner(uid: str, kind: str = "Run", api: str = API, name: str = "r") -> list[dict[str, Any]]:
    """An owner reference that claims a Run."""
    return [{"apiVersion": api, "kind": kind, "name": name, "uid": uid, "controller": True}]


def there(who: str, what: str, by: By, says: str, obj: dict[str, Any], *flags: str) -> Attempt:
    """A create in the attacker's own namespace."""
    return create(who, what, by, says, obj, *flags, namespace=ELSEWHERE)


def seize(
    who: str, what: str, kind: str, name: str, body: dict[str, Any], *flags: str, api: str = API, namespace: str = NAMESPACE
) -> Attempt:
    """A change of an object that its author may not even read, by server-side apply: kubectl patch would read it first."""
    obj = {"apiVersion": api, "kind": kind, "metadata": {"name": name}} | body
    return take_over(who, what, By.RBAC, "cannot patch", obj, *flags, namespace=namespace)


def report(what: str, says: str, metadata: dict[str, Any], **spec: Any) -> Attempt:
    """A report that the spy creates in its own namespace, with some changes."""
    return there("spy", what, By.ADMISSION, says, new_report("coder", metadata, **({"runUID": "$there"} | spec)))


def take_over(who: str, what: str, by: By, says: str, obj: dict[str, Any], *flags: str, namespace: str = NAMESPACE) -> Attempt:
    """A server-side apply in the operator's name, which takes fields from their present manager."""
    return Attempt(who, what, by, says, (*TAKE_OVER, *flags), json.dumps(obj), namespace)


def raw(who: str, what: str, by: By, says: str, verb: str, path: str, body: str | None = None) -> Attempt:
    """A raw request, which kubectl does not interpret."""
    file = ("-f", "-") if body is not None else ()
    return Attempt(who, what, by, says, (verb, "--raw", path, *file), body, ELSEWHERE)


def managed(time: str, **fields: Any) -> list[dict[str, Any]]:
    """An entry of managedFields that no API server wrote."""
    made = {"manager": REPORTER, "operation": "Update", "apiVersion": API, "time": time, "fieldsType": "FieldsV1"}
    return [made | {"fieldsV1": {"f:status": {"f:seq": {}}}} | fields]


def nested(obj: dict[str, Any], depth: int) -> str:
    """An object whose status is nested this deeply."""
    return json.dumps(obj)[:-1] + ',"status":' + "[" * depth + "]" * depth + "}"
