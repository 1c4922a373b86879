"""A write that is refused by a rule is distinguished from one that fails for a time, whatever code the rule's author has chosen."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from controller.errors import RunwatchmanError
from controller.kube.client import Client
from controller.kube.errors import Conflict, Forbidden, NotFound, error_of, namespace_terminates, refused_for_good
from controller.kube.resources import PODS
from tests.unit.kube.faults import FaultyServer, says

WEBHOOK = 'admission webhook "labels.example.com" denied the request: pods need the label cost-centre'
POLICY = (
    "pods \"demo-coder-r0\" is forbidden: ValidatingAdmissionPolicy 'labelled' with binding 'labelled' denied request: "
    "pods need the label cost-centre"
)
UNBOUND = "pods \"x\" is forbidden: ValidatingAdmissionPolicy 'labelled' denied request: failed to configure policy"
RBAC = 'pods "x" is forbidden: User "system:serviceaccount:rw:rw" cannot patch resource "pods" in the namespace "ns"'
CALLING = 'Internal error occurred: failed calling webhook "labels.example.com": connection refused: denied the request'
TERMINATING = {"causes": [{"reason": "NamespaceTerminating", "field": "metadata.namespace"}]}
CAUSES = {"causes": [{"message": POLICY}]}


def status(code: int, message: str, reason: str = "", details: dict[str, Any] | None = None) -> bytes:
    """Return the body of an error response."""
    return orjson.dumps({"kind": "Status", "code": code, "reason": reason, "message": message, "details": details or {}})


@pytest.mark.parametrize(
    ("code", "message", "details", "for_good"),
    [
        (403, RBAC, {}, True),
        (403, "exceeded quota: pods=2", {}, True),
        (403, "namespace ns is being terminated", TERMINATING, False),
        (422, POLICY, CAUSES, True),
        (401, POLICY, CAUSES, True),
        (413, POLICY, CAUSES, True),
        (403, UNBOUND, {}, True),
        (400, WEBHOOK, {}, True),
        (403, WEBHOOK, {}, True),
        (404, WEBHOOK, {}, True),
        (409, WEBHOOK, {}, True),
        (422, WEBHOOK, {}, True),
        (429, WEBHOOK, {}, False),
        (500, WEBHOOK, {}, False),
        (500, CALLING, {}, False),
        (422, "Pod is invalid: spec: field is immutable", {"causes": [{"field": "spec"}]}, True),
        (400, "the object has an unknown field", {}, True),
        (405, "the server does not allow this method", {}, True),
        (413, "request is too large", {}, True),
        (401, "Unauthorized", {}, False),
        (404, 'pods "x" not found', {}, False),
        (409, "the object has been modified", {}, False),
        (422, "Pod is invalid: metadata.uid", {"causes": [{"field": "metadata.uid"}]}, False),
        (429, "too many requests", {}, False),
        (500, "etcdserver: request timed out", {}, False),
        (503, "the server is currently unable to handle the request", {}, False),
        (504, "timeout", {}, False),
    ],
)
def test_a_refusal_for_good_is_told_from_a_failure(code: int, message: str, details: dict[str, Any], *, for_good: bool) -> None:
    """A rule refuses a write each time; a conflict, an overload, an absent webhook or a terminating namespace do not."""
    error = error_of("PATCH x", code, status(code, message, details=details))
    assert refused_for_good(error) is for_good
    assert error.message == message


def test_a_denial_is_neither_the_absence_of_an_object_nor_its_change() -> None:
    """A webhook that denies with 404 or 409 does not make a pod count as gone, or as changed."""
    for code in (404, 409):
        error = error_of("PATCH x", code, status(code, WEBHOOK))
        assert isinstance(error, Forbidden)
        assert not isinstance(error, NotFound | Conflict)


def test_only_a_terminating_namespace_terminates() -> None:
    """Its cause says so, not its code; an error of another kind is no refusal."""
    assert namespace_terminates(error_of("POST x", 403, status(403, "being terminated", details=TERMINATING)))
    assert not namespace_terminates(error_of("POST x", 403, status(403, RBAC)))
    assert not refused_for_good(RunwatchmanError("no response"))


async def test_a_denied_json_patch_is_not_a_failed_test(client: Client, faulty: FaultyServer) -> None:
    """A webhook's denial with 422 carries no details, as a failed `test` does; it is a refusal and not a Conflict."""
    faulty.answers = [says(422, body=status(422, WEBHOOK, "Invalid").decode())]
    with pytest.raises(Forbidden, match="cost-centre"):
        await client.json_patch(PODS, "ns", "x", [])
