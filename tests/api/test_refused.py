"""Refused objects, by party and words: data/refused.jsonl has the cases, run against a real API server.

A case sets one field of a good object. `server`: the API server refuses it. `operator`: the schema must allow it (templates are
open but for a few typed parts), and the operator refuses it with the path.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from controller.api.checks import check_run, parse_run_spec
from controller.api.violations import Refused
from controller.kube.client import Client
from controller.kube.errors import ApiError, Invalid
from controller.kube.resources import RUN_POLICIES, RUNS, Resource
from tests.cluster import Cluster
from tests.golden import expand

CASES = [json.loads(line) for line in (Path(__file__).parent / "data/refused.jsonl").read_text().splitlines()]
LEVELS = 1200
RESOURCES = {"Run": RUNS, "RunPolicy": RUN_POLICIES}
SHORT = {"name": "coder", "image": "busybox:1.37"}
TEMPLATE = {"spec": {"containers": [{"name": "agent", "image": "busybox:1.37"}]}}


def good(kind: str, *, template: bool) -> dict[str, Any]:
    """Return a valid object."""
    agent = {"name": "coder", "template": TEMPLATE} if template else SHORT
    spec = {"agents": [agent]} if kind == "Run" else {}
    return {"apiVersion": "runwatchman.dev/v1alpha1", "kind": kind, "metadata": {"name": "x"}, "spec": copy.deepcopy(spec)}


def build(case: dict[str, Any]) -> dict[str, Any]:
    """Return the object of a case."""
    in_template = case["set"].startswith("template")
    obj = good(case["kind"], template=in_template)
    parts = (f"spec.agents.0.{case['set']}" if in_template else case["set"]).split(".")
    place: Any = obj
    for part in parts[:-1]:
        place = place[int(part)] if part.isdecimal() else place.setdefault(part, {})
    value = expand(case["to"])
    if value is None and not in_template:
        place.pop(parts[-1], None)
    else:
        place[parts[-1]] = value
    return obj


async def dry_run(client: Client, resource: Resource, obj: dict[str, Any]) -> str:
    """Return the API server's answer to a strict dry-run create: empty for success, else its refusal."""
    query: dict[str, str | int] = {"dryRun": "All", "fieldValidation": "Strict"}
    try:
        await client._request("POST", resource, "default", body=obj, query=query)
    except ApiError as error:
        return error.message if isinstance(error, Invalid) else f"unexpectedly {error}"
    return ""


async def test_the_table_is_large(client: Client) -> None:
    """There are at least two hundred cases, and their base objects are valid."""
    assert len(CASES) >= 200
    for kind, resource in RESOURCES.items():
        for template in (False, True):
            assert await dry_run(client, resource, good(kind, template=template)) == ""


async def test_the_api_server_refuses(client: Client) -> None:
    """Every `server` case is refused by the API server, with words that name the field."""
    wrong = []
    for case in (case for case in CASES if case["where"] == "server"):
        said = await dry_run(client, RESOURCES[case["kind"]], build(case))
        if case["says"] not in said:
            wrong.append((case, said[:300]))
    assert not wrong, "\n".join(map(str, wrong))


async def test_the_operator_refuses_what_the_schema_must_let_pass(client: Client) -> None:
    """Every `operator` case passes the API server and is refused by the operator with its path."""
    wrong = []
    for case in (case for case in CASES if case["where"] == "operator"):
        obj = build(case)
        said = await dry_run(client, RUNS, obj)
        try:
            found = "; ".join(map(str, check_run(parse_run_spec(obj))))
        except Refused as refused:
            found = str(refused)
        if said or case["says"] not in found or "spec.agents[0].template" not in found:
            wrong.append((case, said[:300], found[:300]))
    assert not wrong, "\n".join(map(str, wrong))


async def test_what_the_server_refuses_the_operator_refuses_too(client: Client) -> None:
    """The operator refuses objects that an older CRD accepted, and never crashes on them."""
    passed = []
    for case in (case for case in CASES if case["where"] == "server" and case["kind"] == "Run"):
        obj = build(case)
        try:
            found = check_run(parse_run_spec(obj))
        except Refused as refused:
            found = refused.violations
        if not found and case["says"] not in ("at most 40", "name of an agent", "exactly one", "not both"):
            passed.append(case)
    assert not passed, "\n".join(map(str, passed))


def test_typed_parts_are_pruned_and_open_ones_are_not(api_cluster: Cluster) -> None:
    """A stored affinity is as deep as Kubernetes' own, however deeply it was nested; a misspelt field in an open part stays."""
    obj = good("Run", template=True)
    obj["spec"]["agents"][0]["template"]["spec"] |= {"affinity": {"nodeAffinity": "deep"}, "hostNetworkk": {"x": 1}}
    text = json.dumps(obj).replace('"deep"', '{"x":' * LEVELS + "{}" + "}" * LEVELS)
    stored = json.loads(api_cluster.kubectl("create", "--dry-run=server", "--validate=ignore", "-o", "json", "-f", "-", stdin=text))
    spec = stored["spec"]["agents"][0]["template"]["spec"]
    assert (spec["affinity"], spec["hostNetworkk"]) == ({"nodeAffinity": {}}, {"x": 1})
    assert [str(violation) for violation in check_run(parse_run_spec(stored))] == [
        "spec.agents[0].template.spec.hostNetworkk: this field is not allowed: did you mean hostNetwork?"
    ]
