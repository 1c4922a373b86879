"""What Kubernetes' own tools print is a template, and quantities are what a Pod takes: on a real API server."""

from __future__ import annotations

import copy
import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.api.checks import check_run, parse_run_spec
from controller.plan.snapshot import RunFacts
from controller.resources.pod_builder import build_pod
from tests.cluster import Cluster
from tests.support import OperatorProcess, apply, await_phase, await_that, get, items, pods_of, policy_of, run_of

FAULTS = Path(__file__).parents[1] / "unit/data/faults"
QUANTITIES = list(yaml.safe_load_all((FAULTS / "quantities.yaml").read_text()))
POD = yaml.safe_load((FAULTS / "pod-as-kubectl-run-prints.yaml").read_text())
ECHO = ("--", "sh", "-c", "echo hi")
PRINTED: dict[str, tuple[str, ...]] = {
    "run": ("run", "coder", "--image=busybox:1.37", "--restart=Never", "--dry-run=client", *ECHO),
    "run with everything": (
        "run", "coder", "--image=busybox:1.37", "--restart=Never", "--dry-run=client", "--env=A=b", "--port=8080", "--labels=a=b",
        "--image-pull-policy=Always", "--privileged=false", "--stdin=false", "--tty=false",
    ),
    "deployment": ("create", "deployment", "coder", "--image=busybox:1.37", "--dry-run=client"),
    "job": ("create", "job", "coder", "--image=busybox:1.37", "--dry-run=client", *ECHO),
}  # fmt: skip
"""kubectl's arguments for an object with a pod template that a Run takes."""

TAKEN: list[Any] = [2, 0.5, 1.5, 1000.0, "2", "0.5", ".5", "5.", "+1", "1e3", "1E3", "100n", "1u", "250m", "1Ki"]
NOT_TAKEN: list[Any] = [True, -1, "-1", "", "1K", "lots", {}, []]


def template_in(printed: dict[str, Any]) -> dict[str, Any]:
    """Return the pod template of a printed object, which is a Pod itself or has one."""
    found: dict[str, Any] = printed if printed["kind"] == "Pod" else printed["spec"]["template"]
    return found


def pod_of(template: dict[str, Any], namespace: str) -> dict[str, Any]:
    """Return the pod of a template that the operator accepts."""
    spec = parse_run_spec(run_of("printed", {"template": copy.deepcopy(template)}))
    assert check_run(spec, namespace) == ()
    return build_pod(RunFacts(namespace, "printed", "6e0a9d1c-6f5e-4a2f-9d8e-0b1c2d3e4f5a", 1, spec), spec.agents[0], 0)


@pytest.mark.parametrize("printed", PRINTED)
def test_what_kubectl_prints_is_a_template(api_cluster: Cluster, namespace: str, printed: str) -> None:
    """The API server accepts the Run, the operator accepts its template, and the API server accepts its pod, strictly."""
    template = template_in(yaml.safe_load(api_cluster.kubectl("-n", namespace, *_with_output(PRINTED[printed]))))
    run = json.dumps(run_of("printed", {"template": template}))
    strict = ("create", "--dry-run=server", "--validate=strict", "-f", "-")
    assert "created" in api_cluster.kubectl("-n", namespace, *strict, stdin=run)
    said = api_cluster.kubectl("-n", namespace, *strict, stdin=json.dumps(pod_of(template, namespace)))
    assert "created (server dry run)" in said
    assert "arning" not in said


def test_of_a_pod_from_the_api_server_only_its_token_is_refused(api_cluster: Cluster, namespace: str) -> None:
    """All defaults that the API server fills in pass. It also adds a volume with a token, and the words say to leave that out."""
    args = ("run", "coder", "--image=busybox:1.37", "--restart=Never", "--dry-run=server", "-o", "yaml")
    template = yaml.safe_load(api_cluster.kubectl("-n", namespace, *args))
    (found,) = check_run(parse_run_spec(run_of("printed", {"template": template})), namespace)
    assert found.path == "spec.agents[0].template.spec.volumes[0].projected.sources[0].serviceAccountToken"
    assert "leave it and its mounts out" in found.message
    del template["spec"]["volumes"], template["spec"]["containers"][0]["volumeMounts"]
    spec = pod_of(template, namespace)["spec"]
    assert spec["containers"][0]["terminationMessagePolicy"] == "File"
    assert "serviceAccountName" not in spec


def _with_output(args: tuple[str, ...]) -> tuple[str, ...]:
    """Return kubectl's arguments with `-o yaml`, before the command of the container."""
    at = args.index("--") if "--" in args else len(args)
    return (*args[:at], "-o", "yaml", *args[at:])


@pytest.mark.parametrize("restart", ["Always", "OnFailure"])
def test_a_restarting_pod_is_refused_with_the_policys_field(api_cluster: Cluster, namespace: str, restart: str) -> None:
    """`kubectl run` restarts by default. The operator restarts agents instead, and its words name the field for that."""
    args = ("run", "coder", "--image=busybox:1.37", f"--restart={restart}", "--dry-run=client", "-o", "yaml")
    template = yaml.safe_load(api_cluster.kubectl("-n", namespace, *args))
    (found,) = check_run(parse_run_spec(run_of("printed", {"template": template})), namespace)
    assert found.path == "spec.agents[0].template.spec.restartPolicy"
    assert "restartBudget of the RunPolicy" in found.message


def limits(value: object) -> dict[str, Any]:
    """Return resources with a limit of this value."""
    return {"limits": {"cpu": value, "example.com/things": 1}}


@pytest.mark.parametrize("value", [*TAKEN, *NOT_TAKEN], ids=repr)
def test_a_run_takes_the_quantities_that_a_pod_takes(api_cluster: Cluster, namespace: str, value: object) -> None:
    """The API server decides the same for a quantity of a Run, of a RunPolicy and of a Pod."""
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}
    pod["spec"] = {"containers": [{"name": "a", "image": "x", "resources": {"limits": {"cpu": value}}}]}
    objects = (pod, run_of("x", {"resources": limits(value)}), policy_of({"resources": limits(value)}))
    said = [
        api_cluster.kubectl("-n", namespace, "create", "--dry-run=server", "-f", "-", stdin=json.dumps(obj), check=False)
        for obj in objects
    ]
    assert ["created" in each for each in said] == [value in TAKEN and value is not True] * 3, said


def test_numbers_reach_pods_and_claims(api_cluster: Cluster, api_operator: OperatorProcess, namespace: str) -> None:
    """Numbers become the pod's limits and the claim's size. The policy's limit for workspaces is a number too."""
    apply(api_cluster, namespace, policy_of({"workspaceMaxSize": 1073741824}), *QUANTITIES)
    apply(api_cluster, namespace, run_of("half", {"resources": {"limits": {"cpu": 0.5, "memory": 1073741824}}}))
    apply(api_cluster, namespace, run_of("large", {"workspace": {"size": 1073741825}}))
    wanted = {"cpuint": {"cpu": "2", "memory": "1Gi"}, "half": {"cpu": "500m", "memory": "1073741824"}}
    for name, expected in wanted.items():
        pods = await_that(partial(pods_of, api_cluster, namespace, f"{name}-coder"), f"the pod of {name}")
        agent = next(c for c in pods[f"{name}-coder-r0"]["spec"]["containers"] if c["name"] == "agent")
        assert agent["resources"]["limits"] == expected
    claim = await_that(lambda: get(api_cluster, namespace, "pvc", "wsint-coder-workspace"), "the claim")
    assert claim["spec"]["resources"]["requests"]["storage"] == "1073741824"
    blocked = await_phase(api_cluster, namespace, "large", "Blocked")
    assert "workspace.size is 1073741825, but the policy allows at most 1073741824" in blocked["message"]
    assert get(api_cluster, namespace, "run", "half")["spec"]["agents"][0]["resources"]["limits"]["cpu"] == 0.5


@pytest.mark.parametrize("value", [2, 0.5, "500m"], ids=repr)
def test_applying_again_shows_no_drift(api_cluster: Cluster, namespace: str, value: object) -> None:
    """Server-side apply, client-side apply and `kubectl diff` see no change in a quantity, and a change is refused."""
    run = run_of("same", {"resources": limits(value), "workspace": {"size": 1073741824}}, desiredState="Stopped")
    text = yaml.safe_dump(run)
    for way in (("--server-side", "--force-conflicts"), ()):
        for _ in range(2):
            api_cluster.kubectl("-n", namespace, "apply", *way, "-f", "-", stdin=text)
        assert api_cluster.kubectl("-n", namespace, "diff", *way, "-f", "-", stdin=text) == ""
    run["spec"]["agents"][0]["resources"] = limits(3)
    said = api_cluster.kubectl("-n", namespace, "apply", "--server-side", "-f", "-", stdin=yaml.safe_dump(run), check=False)
    assert "agents is immutable" in said


def test_a_pasted_pod_runs(api_cluster: Cluster, api_operator: OperatorProcess, namespace: str) -> None:
    """The Pod that `kubectl run` prints becomes an agent's pod with its container and labels."""
    apply(api_cluster, namespace, run_of("pasted", {"template": POD}))
    pods = await_that(lambda: pods_of(api_cluster, namespace, "pasted-coder"), "the pod")
    pod = pods["pasted-coder-r0"]
    assert pod["metadata"]["labels"]["run"] == "coder"
    assert next(c for c in pod["spec"]["containers"] if c["name"] == "coder")["args"] == ["sh", "-c", "echo hi"]
    assert items(api_cluster, namespace, "pods") != []


def test_a_blocked_run_names_every_fault(api_cluster: Cluster, api_operator: OperatorProcess, namespace: str) -> None:
    """The message of SpecRefused has each path with its remedy."""
    container = {"name": "agent", "imagee": "x", "lifecycle": {"preStop": {"sleep": {"seconds": 3}}}}
    wrong = {"containers": [container], "restartPolicy": "OnFailure", "serviceAccountName": "builder", "backoffLimit": 4}
    apply(api_cluster, namespace, run_of("wrong", {"template": {"spec": wrong}}))
    found = await_phase(api_cluster, namespace, "wrong", "Blocked")
    assert found["reason"] == "SpecRefused"
    words = ("imagee", "did you mean image?", "lifecycle", "restartPolicy", "restartBudget", "serviceAccountName", "backoffLimit")
    for word in (*words, "containers[0].image: this field is required"):
        assert word in found["message"], word
