"""The chart's rendered objects on a real API server: strict validation of each, and an install of the cluster-wide ones."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import yaml

from tests.chart.helm import CHART, NAMESPACE, RELEASE, ROOT, VALUES, HelmError, Objects, helm, listed, objects, render
from tests.chart.test_kustomize import OVERLAYS
from tests.cluster import Cluster, ClusterError, lifecycle
from tests.cluster.binaries import find
from tests.support import await_that

FOREIGN = "monitoring.coreos.com/"
"""Kinds whose CRDs are the Prometheus Operator's."""

STRICT = ("apply", "--server-side", "--dry-run=server", "--validate=strict", "--force-conflicts")


@pytest.fixture(scope="module")
def prepared(api_cluster: Cluster) -> Cluster:
    """The API server with the namespaces that the values name."""
    for name in (NAMESPACE, "team-a", "team-b", "agents", "a", "b"):
        with suppress(ClusterError):
            api_cluster.create_namespace(name)
    return api_cluster


@pytest.fixture(scope="module")
def taken() -> Objects:
    """The objects that the API server has taken: most are the same with all values."""
    return []


@pytest.fixture
def virgin() -> Iterator[Cluster]:
    """An API server without any object of runwatchman."""
    cluster = lifecycle.up("api", garbage=True)
    try:
        yield cluster
    finally:
        lifecycle.end(cluster)


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_the_api_server_takes_every_object(values: Path, prepared: Cluster, taken: Objects, tmp_path: Path) -> None:
    """No object has an unknown field, a wrong type or a value that the API server would refuse."""
    found = [each for each in objects(render(tmp_path, "--values", str(values))) if not each["apiVersion"].startswith(FOREIGN)]
    for each in found:
        if each["kind"] not in ("Role", "RoleBinding") and "namespace" in each["metadata"]:
            assert each["metadata"]["namespace"] == NAMESPACE
    for account in (each for each in found if each["kind"] == "ServiceAccount"):  # A dry run of a pod needs its own account.
        prepared.apply(account["metadata"].get("namespace", NAMESPACE), account)
    new = [each for each in found if each not in taken]
    said = prepared.kubectl(*STRICT, "-f", "-", stdin=listed(new)) if new else ""
    assert said.count("serverside-applied (server dry run)") == len(new)
    taken += new


def test_the_api_server_refuses_what_is_wrong(prepared: Cluster, tmp_path: Path) -> None:
    """The check above can fail: an unknown field of a Deployment is refused."""
    wrong = next(each for each in objects(render(tmp_path)) if each["kind"] == "Deployment")
    wrong["spec"]["template"]["spec"]["containers"][0]["imagePolicy"] = "Always"
    assert "imagePolicy" in prepared.kubectl(*STRICT, "-f", "-", stdin=json.dumps(wrong), check=False)


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_the_api_server_takes_every_overlay(overlay: Path, prepared: Cluster) -> None:
    """`kubectl apply -k` of an overlay passes the same validation."""
    said = prepared.kubectl(*STRICT, "-k", str(overlay))
    assert f"deployment.apps/{RELEASE} serverside-applied" in said


def test_install_upgrade_uninstall(virgin: Cluster, tmp_path: Path) -> None:
    """CRDs, roles and policies are in force after an install, accept an upgrade, and are removed with the release except for the
    CRDs; a second install under the same name adopts those, and one under another name does with --take-ownership.
    """

    def on_it(*arguments: str) -> str:
        return helm(*arguments, "--namespace", NAMESPACE, home=tmp_path, kubeconfig=virgin.kubeconfig)

    said = on_it("install", RELEASE, str(CHART), "--create-namespace")
    assert "helm test runwatchman -n runwatchman" in said
    virgin.kubectl("wait", "crd", "--all", "--for=condition=Established", "--timeout=30s")
    forged = {"apiVersion": "runwatchman.dev/v1alpha1", "kind": "Escalation", "metadata": {"name": "forged"}}
    forged["spec"] = {"runName": "r", "runUID": "u", "type": "Blocked", "summary": "s"}
    create = ["create", "--dry-run=server", "--as=mallory", "--as-group=team", "-f", "-"]
    virgin.kubectl("create", "clusterrolebinding", "team", "--clusterrole=runwatchman-edit", "--group=team")
    virgin.kubectl("create", "clusterrole", "forger", "--verb=create", "--resource=escalations.runwatchman.dev")
    virgin.kubectl("create", "clusterrolebinding", "forger", "--clusterrole=forger", "--group=team")
    await_that(lambda: "runwatchman-escalations" in virgin.kubectl(*create, stdin=json.dumps(forged), check=False), "the policies")

    on_it("upgrade", RELEASE, str(CHART), "--set", "workers=8")
    account = f"--as=system:serviceaccount:{NAMESPACE}:{RELEASE}"
    assert "yes" in virgin.kubectl("auth", "can-i", "create", "pods", "-n", "default", account)
    assert "no" in virgin.kubectl("auth", "can-i", "get", "secrets", "-n", "default", account, check=False)

    on_it("uninstall", RELEASE, "--no-hooks")  # without a kubelet its Job cannot run
    assert "runs.runwatchman.dev" in virgin.kubectl("get", "crd", "-o", "name")
    left = virgin.kubectl("get", "clusterroles,clusterrolebindings,validatingadmissionpolicies", "-o", "name")
    assert "runwatchman" not in left
    on_it("install", RELEASE, str(CHART))
    on_it("uninstall", RELEASE, "--no-hooks")
    with pytest.raises(HelmError, match="invalid ownership metadata"):
        on_it("install", "other", str(CHART))
    on_it("upgrade", "--install", "other", str(CHART), "--take-ownership")
    assert "other" in virgin.kubectl("get", "crd", "runs.runwatchman.dev", "-o", "jsonpath={.metadata.annotations}")


def test_examples_conform_to_the_crds(tmp_path: Path) -> None:
    """The examples meet the CRDs' own schemas under `kubeconform -strict`, and an unknown field of a Run is refused."""
    for path in (ROOT / "crds").glob("*.yaml"):
        crd = yaml.load(path.read_text(), yaml.CSafeLoader)
        schema = strict(crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
        (tmp_path / f"{crd['spec']['names']['kind'].lower()}.json").write_text(json.dumps(schema))
    command = [str(find(["kubeconform"])["kubeconform"]), "-strict", "-summary", "-schema-location"]
    command.append(f"{tmp_path}/{{{{ .ResourceKind }}}}.json")
    examples = ROOT / "manifests/examples"
    good = [str(path) for path in (*examples.glob("*.yaml"), *examples.glob("agents/*.yaml")) if path.stem != "refused"]
    done = subprocess.run([*command, *good], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    wrong = (ROOT / "manifests/examples/hello.yaml").read_text().replace("agents:", "agent: x\n  agents:")
    done = subprocess.run(command, input=wrong, capture_output=True, text=True, check=False)
    assert "agent" in done.stdout
    assert done.returncode != 0


def strict(node: object) -> object:
    """Return a schema that refuses unknown fields where the CRD would drop them; `metadata` is the API server's."""
    if isinstance(node, list):
        return [strict(each) for each in node]
    if not isinstance(node, dict):
        return node
    made = {key: strict(value) for key, value in node.items()}
    if "properties" in node and not node.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    return made
