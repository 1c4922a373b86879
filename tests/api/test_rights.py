"""The rights of each of our accounts, as the API server reports them to the account itself: they equal the files in rights/.

`UPDATE_GOLDEN=1` writes the files; read them before you commit them. Rights that every account has (reviews of itself) are left
out.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from controller.api.base import JsonObject
from tests import users
from tests.cluster import Cluster

ROOT = Path(__file__).parents[2]
RIGHTS, RBAC = ROOT / "tests/api/rights", ROOT / "manifests/rbac"
HOME, WATCHED, ELSEWHERE = "rights-home", "rights-watched", "rights-elsewhere"
ACCOUNTS = ("wide", "advised", "networked", "local", "reporter", "view", "edit", "nothing")
OPERATORS = ("wide", "advised", "local")
REVIEWS = {"subjectaccessreviews.authorization.k8s.io: create", "tokenreviews.authentication.k8s.io: create"}
"""The reviews that an operator creates about readers of its metrics: they belong to no namespace, and give access to no object."""
ANYWHERE = REVIEWS | {"clusterhalts.runwatchman.dev: list watch"}
"""The rights of every operator in every namespace: those that belong to none."""
VIEWS = {
    "operator-cluster-wide": ("wide", WATCHED),
    "operator-cluster-wide-at-home": ("wide", HOME),
    "operator-with-an-advisor": ("advised", WATCHED),
    "operator-with-a-network": ("networked", WATCHED),
    "operator-namespaced": ("local", WATCHED),
    "operator-namespaced-at-home": ("local", HOME),
    "operator-namespaced-elsewhere": ("local", ELSEWHERE),
    "reporter": ("reporter", WATCHED),
    "view": ("view", WATCHED),
    "edit": ("edit", WATCHED),
}
"""A golden file -> the account, and the namespace of its review."""

POLICIES = sum(path.read_text().count("kind: ValidatingAdmissionPolicy\n") for path in ROOT.glob("manifests/admission/*.yaml"))
"""Admission policies of an installation."""

GUARDED = {"secrets", "pods/exec", "pods/attach", "pods/ephemeralcontainers", "serviceaccounts/token", "nodes/proxy"}
"""Rights in a namespace or on a node that let their holder act as another user."""


@pytest.fixture(scope="module")
def accounts(api_cluster: Cluster) -> Iterator[dict[str, Cluster]]:
    """Accounts bound as the chart and the documentation bind them; `edit` is an author's and a responder's."""
    for namespace in (HOME, WATCHED, ELSEWHERE):
        api_cluster.kubectl("create", "namespace", namespace)
    for name in ACCOUNTS:
        api_cluster.kubectl("-n", HOME, "create", "serviceaccount", name)
    users.grant(api_cluster, None, "runwatchman-operator", f"--serviceaccount={HOME}:wide")
    for name, more in {"advised": "operator-advisor", "networked": "operator-network"}.items():
        for role in ("operator", more):
            users.grant(api_cluster, WATCHED, f"runwatchman-{role}", f"--serviceaccount={HOME}:{name}")
    for name in ("wide", "local"):
        users.grant(api_cluster, HOME, "runwatchman-operator-lease", f"--serviceaccount={HOME}:{name}")
    for name in OPERATORS:
        users.grant(api_cluster, None, "runwatchman-operator-metrics", f"--serviceaccount={HOME}:{name}")
    users.grant(api_cluster, None, "runwatchman-operator-halt", f"--serviceaccount={HOME}:local")
    for name, role in {"local": "operator", "reporter": "reporter", "view": "view", "edit": "edit"}.items():
        users.grant(api_cluster, WATCHED, f"runwatchman-{role}", f"--serviceaccount={HOME}:{name}")
    yield {name: users.account(api_cluster, HOME, name) for name in ACCOUNTS}
    api_cluster.kubectl("delete", "namespace", HOME, WATCHED, ELSEWHERE, "--wait=false")
    wide = [f"runwatchman-operator-metrics-serviceaccount-{HOME}-{name}" for name in OPERATORS]
    wide += [f"runwatchman-operator-halt-serviceaccount-{HOME}-local"]
    api_cluster.kubectl("delete", "clusterrolebinding", f"runwatchman-operator-serviceaccount-{HOME}-wide", *wide)


def rules(account: Cluster, namespace: str) -> list[JsonObject]:
    """Return an account's own rights in a namespace."""
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace}}
    told = json.loads(account.kubectl("create", "--validate=false", "-f", "-", "-o", "json", stdin=json.dumps(review)))["status"]
    assert not told["incomplete"]
    found: list[JsonObject] = told["resourceRules"]
    return found


def lines(found: list[JsonObject]) -> set[str]:
    """Return one line for each resource: its verbs, its group, and the names that it is confined to."""
    return {
        f"{resource}{f'.{group}' if group else ''}: {' '.join(sorted(rule['verbs']))}"
        + (f" ({', '.join(rule['resourceNames'])} only)" if rule.get("resourceNames") else "")
        for rule in found
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


@pytest.mark.parametrize("view", VIEWS)
def test_rights_are_these_and_no_more(accounts: dict[str, Cluster], view: str) -> None:
    """The account's rights, as the API server reports them, equal the file."""
    who, where = VIEWS[view]
    may = lines(rules(accounts[who], where)) - lines(rules(accounts["nothing"], where))
    text = "".join(f"{line}\n" for line in sorted(may))
    path = RIGHTS / f"{view}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert text == path.read_text()


@pytest.mark.parametrize("view", VIEWS)
def test_no_wildcard_no_secret_no_way_up(accounts: dict[str, Cluster], view: str) -> None:
    """No account has a wildcard, reads a Secret, executes in a pod, takes a token, or extends its own rights."""
    who, where = VIEWS[view]
    found = [rule for rule in rules(accounts[who], where) if rule["apiGroups"] != ["authentication.k8s.io"]]
    assert not [rule for rule in found if "*" in [*rule["verbs"], *rule["apiGroups"], *rule["resources"]]]
    resources = {resource for rule in found for resource in rule["resources"]}
    assert not resources & GUARDED
    verbs = {(verb, *rule.get("resourceNames", [])) for rule in found for verb in rule["verbs"]}
    assert not {verb for verb, *_ in verbs} & {"escalate", "impersonate"}
    binds = {tuple(names) for verb, *names in verbs if verb == "bind"}
    assert binds == (
        {("runwatchman-reporter",)} if "operator" in view and not view.endswith(("-elsewhere", "d-at-home")) else set()
    )


def test_the_documented_commands_work(accounts: dict[str, Cluster], api_cluster: Cluster) -> None:
    """The commands for an installer in docs/security.md succeed, and show the policies and their bindings."""
    block = (ROOT / "docs/security.md").read_text().split("### How to verify")[1].split("```sh\n")[1].split("```")[0]
    path = f"{api_cluster.kubectl_path.parent}:{os.environ['PATH']}"
    env = os.environ | {"KUBECONFIG": str(api_cluster.kubeconfig), "PATH": path}
    for line in block.splitlines():
        done = subprocess.run(["bash", "-c", line], env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
        if "bindings" in line:
            assert (done.stdout.count("policy.admission"), done.stdout.count("policybinding.admission")) == (POLICIES, POLICIES)


def test_an_advisor_costs_one_right() -> None:
    """With the additional role for an advisor the operator may read agents' logs, and gets no other right."""
    plain, advised = ((RIGHTS / f"operator-{name}.txt").read_text().splitlines() for name in ("namespaced", "with-an-advisor"))
    assert set(advised) - set(plain) == {"pods/log: get"}
    assert set(plain) <= set(advised)


def test_agents_networks_cost_one_kind() -> None:
    """With the additional role the operator may read and write NetworkPolicies, and delete none."""
    plain, more = ((RIGHTS / f"operator-{name}.txt").read_text().splitlines() for name in ("namespaced", "with-a-network"))
    assert set(more) - set(plain) == {"networkpolicies.networking.k8s.io: create get update"}


def test_an_operator_of_one_namespace_is_nobody_elsewhere(accounts: dict[str, Cluster]) -> None:
    """Bound in one namespace, the operator has no rights in another, only its Lease and pod in its own; it may review scrapers."""
    assert set((RIGHTS / "operator-namespaced-elsewhere.txt").read_text().splitlines()) == ANYWHERE
    assert lines(rules(accounts["local"], HOME)) - lines(rules(accounts["nothing"], HOME)) == ANYWHERE | {
        "leases.coordination.k8s.io: create get update",
        "pods: get",
    }


def test_scraping_costs_no_right_in_a_cluster() -> None:
    """The role for metrics permits /metrics and no object; the operator only needs the right to create reviews."""
    reader, asks = (
        yaml.safe_load((RBAC / f"{name}-clusterrole.yaml").read_text()) for name in ("metrics-reader", "operator-metrics")
    )
    assert reader["rules"] == [{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]
    asked = {f"{resource}.{rule['apiGroups'][0]}" for rule in asks["rules"] for resource in rule["resources"]}
    assert {f"{each}: create" for each in asked} == REVIEWS
