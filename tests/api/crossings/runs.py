"""Attempts at another namespace's Runs, and at one's own Run in the victim's name."""

from __future__ import annotations

import json

from tests.api.attempts import ELSEWHERE, HOME, NAMESPACE, STATUS, By, create, patch, run_, with_
from tests.api.crossings.forms import CUSTOM, DRY, STOP, UNCHECKED, nested, raw, seize, take_over, there
from tests.api.forged_requests import API, STATE

RUNS = (
    seize("eddy", "another's Run stopped", "Run", "r", STOP),
    seize("rhea", "another's Run stopped by a responder", "Run", "r", STOP),
    seize("bo", "another's Run stopped by a bridge", "Run", "r", STOP),
    seize("spy", "another's Run stopped by a reporter", "Run", "r", STOP),
    seize("drifter", "another's Run stopped by a token of no pod", "Run", "r", STOP),
    seize("eddy", "another's Run stopped, as a dry run", "Run", "r", STOP, DRY),
    run_("eddy", "another's Run deleted", By.RBAC, "cannot delete", "delete", "run", "r"),
    raw("eddy", "all Runs of another deleted", By.RBAC, "cannot deletecollection", "delete", f"{CUSTOM}/{NAMESPACE}/runs"),
    seize("eddy", "another's memory", "Run", "r", {"metadata": {"name": "r", "annotations": {STATE: "{}"}}}),
    create("eddy", "a Run in another namespace, unchecked", By.RBAC, "cannot create", with_("x"), UNCHECKED),
    create(
        "eddy",
        "a Run in another namespace, named by the API server",
        By.RBAC,
        "cannot create",
        with_("x", {"name": None, "generateName": "x"}),
    ),
    there(
        "oda",
        "a name by the API server that breaks its pods' names",
        By.SCHEMA,
        "at most 40",
        with_("x", {"name": None, "generateName": "x" * 40}),
    ),
    raw(
        "eddy",
        "a Run posted here that says it belongs there",
        By.SERVER,
        "does not match the namespace",
        "create",
        f"{CUSTOM}/{ELSEWHERE}/runs",
        json.dumps(with_("x", {"namespace": NAMESPACE})),
    ),
    raw(
        "eddy",
        "the own Run replaced by one with the victim's UID",
        By.SERVER,
        "Precondition failed: UID",
        "replace",
        f"{CUSTOM}/{ELSEWHERE}/runs/r",
        json.dumps(with_("r", {"uid": "$r"})),
    ),
    there(
        "oda",
        "a Run that is born with the victim's memory",
        By.ADMISSION,
        "operator-state",
        with_("x", {"annotations": {STATE: '{"version":1,"runUID":"$r"}'}}),
    ),
    patch(
        "oda",
        "the own Run with the victim's memory",
        By.ADMISSION,
        "operator's memory",
        "run/r",
        {"metadata": {"annotations": {STATE: '{"version":1,"runUID":"$r"}'}}},
        namespace=ELSEWHERE,
    ),
    take_over(
        "eddy",
        "the own Run's memory by server-side apply",
        By.ADMISSION,
        "operator's memory",
        {"apiVersion": API, "kind": "Run", "metadata": {"name": "r", "annotations": {STATE: "{}"}}},
        namespace=ELSEWHERE,
    ),
    patch(
        "eddy",
        "the own Run's status",
        By.RBAC,
        '"runs/status"',
        "run/r",
        {"status": {"phase": "Completed"}},
        STATUS,
        namespace=ELSEWHERE,
    ),
    take_over(
        "eddy",
        "the own Run's status by server-side apply",
        By.RBAC,
        '"runs/status"',
        {"apiVersion": API, "kind": "Run", "metadata": {"name": "r"}, "status": {"phase": "Completed"}},
        STATUS,
        namespace=ELSEWHERE,
    ),
    raw(
        "eddy",
        "another's status put in whole",
        By.RBAC,
        '"runs/status"',
        "replace",
        f"{CUSTOM}/{NAMESPACE}/runs/r/status",
        json.dumps(with_("r", {"uid": "$r"}) | {"status": {"phase": "Completed"}}),
    ),
    run_("oda", "a scale that Runs have not", By.RBAC, '"runs/scale"', "scale", "run", "r", "--replicas=0", namespace=ELSEWHERE),
    take_over("oda", "another agent in a Run at work, by apply", By.SCHEMA, "immutable", with_("r"), namespace=ELSEWHERE),
    run_("eddy", "the author's own name", By.RBAC, "cannot impersonate", "--as=author", "get", "run", "r"),
    run_(
        "eddy",
        "the operator's account",
        By.RBAC,
        "cannot impersonate",
        f"--as=system:serviceaccount:{HOME}:operator",
        "get",
        "run",
        "r",
    ),
    run_("eddy", "the masters' group", By.RBAC, "cannot impersonate", "--as=eddy", "--as-group=system:masters", "get", "run", "r"),
    raw(
        "oda",
        "a Run nested ten thousand deep",
        By.LIMIT,
        "exceeded max depth",
        "create",
        f"{CUSTOM}/{ELSEWHERE}/runs",
        nested(with_("x"), 10_001),
    ),
    raw(
        "oda", "a Run of four megabytes", By.LIMIT, "large", "create", f"{CUSTOM}/{ELSEWHERE}/runs", json.dumps(with_("x" * 2**22))
    ),
)
