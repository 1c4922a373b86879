"""Attempts at policies and escalations."""

from __future__ import annotations

import json

from controller.api.names import LABEL_RUN_UID
from tests.api.attempts import ELSEWHERE, NAMESPACE, POLICY, STATUS, By, patch, response, run_
from tests.api.crossings.forms import CUSTOM, DRY, owner, raw, seize, take_over, there
from tests.api.forged_requests import API, STATE, escalation

POLICIES = (
    seize("eddy", "another's policy", "RunPolicy", "default", {"spec": {"responders": {"users": ["eddy"]}}}),
    patch(
        "eddy",
        "the own namespace's policy",
        By.RBAC,
        "cannot patch",
        "runpolicy/default",
        {"spec": {"responders": {"users": ["eddy"]}}},
        namespace=ELSEWHERE,
    ),
    there("eddy", "a laxer policy to choose", By.RBAC, "cannot create", POLICY),
    there(
        "eddy", "a laxer policy, named by the API server", By.RBAC, "cannot create", POLICY | {"metadata": {"generateName": "lax"}}
    ),
    seize("rhea", "another's budget", "RunPolicy", "default", {"spec": {"restartBudget": 1000}}),
    run_("eddy", "a policy gone that binds", By.RBAC, "cannot delete", "delete", "runpolicy", "default", namespace=ELSEWHERE),
    raw("eddy", "all policies of another gone", By.RBAC, "cannot deletecollection", "delete", f"{CUSTOM}/{NAMESPACE}/runpolicies"),
)

ESCALATIONS = (
    seize("rhea", "an answer to another namespace's question", "Escalation", "$blocked", response("rhea")),
    seize("bo", "an answer there on behalf of its responder", "Escalation", "$blocked", response("bo", onBehalfOf="rex")),
    patch(
        "eddy",
        "an answer where others answer",
        By.ADMISSION,
        "only these may answer",
        "escalation/$theirs",
        response("eddy"),
        namespace=ELSEWHERE,
    ),
    patch(
        "eddy",
        "an answer in the responder's name",
        By.ADMISSION,
        'but you are "eddy"',
        "escalation/$theirs",
        response("rhea"),
        namespace=ELSEWHERE,
    ),
    take_over(
        "eddy",
        "an answer in the responder's name by server-side apply",
        By.ADMISSION,
        'but you are "eddy"',
        {"apiVersion": API, "kind": "Escalation", "metadata": {"name": "$theirs"}} | response("rhea"),
        namespace=ELSEWHERE,
    ),
    patch(
        "rhea",
        "a question turned into the victim's",
        By.SCHEMA,
        "runUID is immutable",
        "escalation/$theirs",
        {"spec": {"runUID": "$r"}},
        namespace=ELSEWHERE,
    ),
    patch(
        "rhea",
        "a question under the victim's label",
        By.ADMISSION,
        "metadata.labels",
        "escalation/$theirs",
        {"metadata": {"labels": {LABEL_RUN_UID: "$r"}}},
        namespace=ELSEWHERE,
    ),
    patch(
        "rhea",
        "a question that the victim's Run owns",
        By.ADMISSION,
        "ownerReferences",
        "escalation/$theirs",
        {"metadata": {"ownerReferences": owner("$r")}},
        namespace=ELSEWHERE,
    ),
    patch(
        "rhea",
        "a question that cannot go",
        By.ADMISSION,
        "finalizers",
        "escalation/$theirs",
        {"metadata": {"finalizers": ["runwatchman.dev/outcome"]}},
        namespace=ELSEWHERE,
    ),
    patch(
        "rhea",
        "a question with notes",
        By.ADMISSION,
        "annotations",
        "escalation/$theirs",
        {"metadata": {"annotations": {STATE: "{}"}}},
        namespace=ELSEWHERE,
    ),
    patch(
        "rhea",
        "a question answered by its status",
        By.RBAC,
        "escalations/status",
        "escalation/$theirs",
        {"status": {"phase": "Answered"}},
        STATUS,
        namespace=ELSEWHERE,
    ),
    there("eddy", "a question about the victim's Run", By.RBAC, "cannot create", escalation("forged", runUID="$r")),
    there("eddy", "the same question, as a dry run", By.RBAC, "cannot create", escalation("forged", runUID="$r"), DRY),
    there("spy", "a question past its own report", By.RBAC, "cannot create", escalation("forged", runUID="$r")),
    raw(
        "eddy",
        "a question put in whole",
        By.RBAC,
        "cannot update",
        "replace",
        f"{CUSTOM}/{ELSEWHERE}/escalations/$theirs",
        json.dumps(escalation("$theirs", runUID="$r")),
    ),
    raw("eddy", "all questions dismissed", By.RBAC, "cannot deletecollection", "delete", f"{CUSTOM}/{ELSEWHERE}/escalations"),
)
