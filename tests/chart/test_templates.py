"""The rendered chart: golden/default.yaml for the default values, and the difference from it for each file in values/.

The difference is a unified diff for each object. No line is folded, so that a longer name changes no other line. `UPDATE_GOLDEN=1`
writes the golden files.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from difflib import unified_diff
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from controller.adapter.commands import parse_commands
from controller.api.policy_file import parse_policy_file
from controller.cli import main
from tests.chart.helm import CHART, NAMESPACE, ROOT, VALUES, Objects, helm, objects, one, render
from tests.golden import dump

GOLDEN = Path(__file__).parent / "golden"
COPIED = ("CustomResourceDefinition", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "ClusterRole")
"""Kinds that are copied from elsewhere in the repository: their files are their golden files."""


def is_copy(found: dict[str, Any]) -> bool:
    """Whether an object is such a copy; a hook's role is the chart's own."""
    return found["kind"] in COPIED and not is_hook(found)


def is_hook(found: dict[str, Any]) -> bool:
    """Whether an object exists only for a helm hook."""
    return "helm.sh/hook" in found["metadata"].get("annotations", {})


FILES = {path.read_text().strip(): f"({path.relative_to(CHART)})" for path in (CHART / "files").glob("*") if path.is_file()}
"""The text that replaces a complete file of the chart in golden files."""


def without_files(node: Any) -> Any:
    """Return an object with file names in place of complete files."""
    if isinstance(node, dict):
        return {key: without_files(value) for key, value in node.items()}
    if isinstance(node, list):
        return [without_files(each) for each in node]
    return FILES.get(node.strip(), node) if isinstance(node, str) else node


def documents(found: Objects) -> dict[str, str]:
    """Return the YAML of each object by kind, namespace and name, and one list of names for the copies."""
    own = [each for each in found if not is_copy(each)]
    copies = sorted(f"{each['kind']}/{each['metadata']['name']}" for each in found if is_copy(each))
    named = {path_of(each): dump(without_files(each), width=math.inf, sort_keys=True) for each in own}
    assert len(named) == len(own), "two objects have one name"
    return {"copied": dump({"copied": copies}), **dict(sorted(named.items()))}


def path_of(found: dict[str, Any]) -> str:
    """Return the kind, the namespace if there is one, and the name of an object."""
    about = found["metadata"]
    return "/".join(filter(None, (found["kind"], about.get("namespace"), about["name"])))


def difference(old: dict[str, str], new: dict[str, str]) -> str:
    """Return the unified diff of each object that differs, as of files with the objects' names."""
    diffs: list[str] = []
    for name in sorted(old | new):
        before, after = (name if name in each else "/dev/null" for each in (old, new))
        lines = old.get(name, "").splitlines(), new.get(name, "").splitlines()
        diffs += unified_diff(*lines, before, after, lineterm="")
    return "".join(f"{line}\n" for line in diffs)


Rendered = Callable[..., Objects]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """The objects of the chart with a file of values, or its defaults. Several tests look at each, and none changes any."""
    home = tmp_path_factory.mktemp("helm")

    @cache
    def rendered_once(values: Path | None = None) -> Objects:
        return objects(render(home, *(("--values", str(values)) if values else ())))

    return rendered_once


@pytest.fixture(scope="module")
def default_documents(rendered: Rendered) -> dict[str, str]:
    """The rendered chart with its default values."""
    return documents(rendered())


def check_golden(name: str, made: str) -> None:
    """Compare a text with its golden file, which `UPDATE_GOLDEN=1` writes."""
    golden = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(made)
    expected = golden.read_text() if golden.exists() else ""
    assert made == expected, (
        f"the chart renders other objects than {golden} holds: run with UPDATE_GOLDEN=1 and read what it changes"
    )


def test_lint(tmp_path: Path) -> None:
    """`helm lint --strict` finds nothing."""
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART), home=tmp_path)


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_golden(values: Path, default_documents: dict[str, str], rendered: Rendered) -> None:
    """The rendered output of a values file, compared with the default, changes only with its golden file."""
    made = documents(rendered(values))
    if values.stem == "default":
        assert made == default_documents
        check_golden("default.yaml", "---\n".join(made.values()))
    else:
        check_golden(f"{values.stem}.diff", difference(default_documents, made))


def test_every_golden_file_is_made_from_values() -> None:
    """Every golden file has its values file."""
    diffs = {f"{path.stem}.diff" for path in VALUES if path.stem != "default"}
    assert {path.name for path in GOLDEN.iterdir()} == {"default.yaml", *diffs}


@pytest.mark.parametrize("folder", ["crds", "manifests/rbac", "manifests/admission"])
def test_the_chart_installs_what_the_repository_has(folder: str, rendered: Rendered) -> None:
    """CRDs, roles and admission policies come out of the chart as they are in the repository: no part is lost in a template."""
    found = {(each["kind"], each["metadata"]["name"]): each for each in rendered()}
    files = [path for path in (ROOT / folder).glob("*.yaml") if path.name != "kustomization.yaml"]
    expected = [each for path in files for each in objects(path.read_text())]
    assert expected
    for each in expected:
        made = found[each["kind"], each["metadata"]["name"]]
        assert {**made, "metadata": None} == {**each, "metadata": None}
        assert each["metadata"].get("labels", {}).items() <= made["metadata"]["labels"].items()
        assert each["metadata"].get("annotations", {}).items() <= made["metadata"].get("annotations", {}).items()


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_only_the_operator_has_a_token_and_only_the_advisor_a_credential(values: Path, rendered: Rendered) -> None:
    """The pod mounts no token by default; the container with the token has no model credential, and the other way round."""
    pod = one(rendered(values), "Deployment")["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    containers = {each["name"]: each for each in [*pod["containers"], *pod.get("initContainers", [])]}
    holders = {name for name, each in containers.items() if "token" in [mount["name"] for mount in each.get("volumeMounts", [])]}
    assert holders == {"operator", "move"} & set(containers)  # the program that moves the Runs acts in the operator's name
    shared = {mount["name"] for mount in containers["operator"]["volumeMounts"]}
    if advisor := containers.get("advisor"):
        assert advisor["restartPolicy"] == "Always"
        assert {mount["name"] for mount in advisor["volumeMounts"]} & shared == {"advisor-socket"}
        users = {each["securityContext"]["runAsUser"] for each in (advisor, containers["operator"])}
        assert len(users) == len([advisor, containers["operator"]])
    secrets = [env for env in containers["operator"].get("env", []) if "secretKeyRef" in env.get("valueFrom", {})]
    assert all(env["name"] in ("RUNWATCHMAN_OPERATOR_STORE", "RUNWATCHMAN_OPERATOR_LEDGER") for env in secrets)


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_our_containers_are_restricted(values: Path, rendered: Rendered) -> None:
    """Every container of ours, including the test's, meets Pod Security `restricted` and has a read-only root."""
    found = rendered(values)
    pods = [each["spec"]["template"]["spec"] for each in found if each["kind"] in ("Deployment", "Job")]
    pods += [each["spec"] for each in found if each["kind"] == "Pod"]
    assert pods
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for each in [*pod["containers"], *pod.get("initContainers", [])]:
            if each["name"] in ("operator", "advisor", "test", "release"):
                security = each["securityContext"]
                assert security["readOnlyRootFilesystem"] is True
                assert security["allowPrivilegeEscalation"] is False
                assert security["capabilities"] == {"drop": ["ALL"]}


def test_without_an_advisor_the_mode_is_off(rendered: Rendered) -> None:
    """The policy file has mode Off without an advisor, and Assist with one, unless the values set it."""
    modes = {}
    for name in ("default", "extras", "advisor-codex", "advisor-claude"):
        values = next(path for path in VALUES if path.stem == name)
        found = [each for each in rendered(values) if each["kind"] == "ConfigMap"]
        policy = next(each["data"]["policy.yaml"] for each in found if "policy.yaml" in each["data"])
        modes[name] = yaml.safe_load(policy)["llm"]["mode"]
    assert modes == {"default": "Off", "extras": "Off", "advisor-codex": "Assist", "advisor-claude": "Auto"}


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_the_program_takes_what_it_is_given(values: Path, rendered: Rendered) -> None:
    """The operator's own parsers accept the policy file and the commands, and `llm.command` is one of these."""
    data: dict[str, str] = {}
    for each in rendered(values):
        data |= each["data"] if each["kind"] == "ConfigMap" else {}
    policy = parse_policy_file(data["policy.yaml"])
    if "commands.yaml" in data:
        assert policy.llm.command in parse_commands(data["commands.yaml"])


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_the_program_knows_its_options(values: Path, rendered: Rendered) -> None:
    """Every option of our containers is one of its command, which takes the values of those for agents' pods."""
    pod = one(rendered(values), "Deployment")["spec"]["template"]["spec"]
    ours = [each for each in [*pod["containers"], *pod.get("initContainers", [])] if each["name"] in ("operator", "advisor")]
    assert ours
    for each in ours:
        words = [*each.get("command", []), *each.get("args", [])]
        command = main.get_command(click.Context(main), next(word for word in words if word in ("operator", "adapter")))
        assert command
        known = {name for option in command.params for name in [*option.opts, *option.secondary_opts]}
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known
        command.make_context("pods", [word for word in words if word.startswith(("--agents-", "--reporter-"))])


def test_cluster_wide_unless_namespaces_are_named(rendered: Rendered, tmp_path: Path) -> None:
    """With namespaces the operator is bound in each of them and nowhere else; without, once for the cluster.

    Reviews of metrics readers and the ClusterHalt belong to no namespace: these rights are bound cluster-wide either way. In the
    namespace default it may read the address of the API server.
    """
    wide = rendered()
    narrow = objects(render(tmp_path, "--set", "namespaces={a,b}"))
    assert one(wide, "ClusterRoleBinding", "runwatchman-runwatchman")["roleRef"]["name"] == "runwatchman-operator"
    everywhere = [each for each in narrow if each["kind"] == "ClusterRoleBinding" and not is_hook(each)]
    assert {each["roleRef"]["name"] for each in everywhere} == {"runwatchman-operator-halt", "runwatchman-operator-metrics"}
    lasting = [each for each in narrow if not is_hook(each)]
    bound = {(each["metadata"]["namespace"], each["roleRef"]["name"]) for each in lasting if each["kind"] == "RoleBinding"}
    assert bound == {
        *((place, role) for place in ("a", "b") for role in ("runwatchman-operator", "runwatchman-operator-network")),
        (NAMESPACE, "runwatchman-operator-lease"),
        ("default", "runwatchman-operator-apiserver"),
    }
    arguments = one(narrow, "Deployment")["spec"]["template"]["spec"]["containers"][0]["args"]
    assert {"--namespace=a", "--namespace=b"} <= set(arguments)


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_what_is_open_is_fenced(values: Path, rendered: Rendered) -> None:
    """No port of the operator's pod is open to every pod of the cluster unless a values file explicitly opens it."""
    told = yaml.safe_load(values.read_text()) or {}
    found = one(rendered(values), "NetworkPolicy")["spec"]
    assert sorted(found["policyTypes"]) == ["Egress", "Ingress"]
    open_to_all = [rule for rule in found.get("ingress", []) if not rule.get("from")]
    assert bool(open_to_all) == (told.get("networkPolicy", {}).get("metricsFrom") == [])


def test_metrics_are_secured_unless_told_otherwise(rendered: Rendered) -> None:
    """The operator serves metrics securely and may review its readers; no other container of the pod serves any."""
    for values in VALUES:
        found = rendered(values)
        pod = one(found, "Deployment")["spec"]["template"]["spec"]
        arguments = pod["containers"][0]["args"]
        assert ("--metrics-plain" in arguments) == (values.stem == "plain-metrics")
        assert ("--metrics-secure" in arguments) == (values.stem not in ("plain-metrics", "bare"))
        ports = {port["name"] for each in [*pod["containers"], *pod.get("initContainers", [])] for port in each.get("ports", [])}
        assert ports <= {"metrics", "health", "advisor-health"}
