"""Pod templates as Kubernetes' tools print them, hints for refused fields, and all violations at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.api.base import MAX_TEXT
from controller.api.checks import check_run, parse_run_spec
from controller.api.shapes import Items, Typed, Unset
from controller.api.template import TEMPLATE
from controller.api.violations import MAX_VIOLATIONS, MORE, Refused, Violation, summary
from controller.plan.snapshot import RunFacts
from controller.resources.pod_builder import build_pod
from controller.resources.reporter_sidecar import Sidecar

FAULTS = Path(__file__).parents[1] / "data/faults/pod-as-kubectl-run-prints.yaml"
BOX: dict[str, Any] = {"name": "agent", "image": "busybox:1.37"}
TOLERATED = [
    {"key": f"node.kubernetes.io/{taint}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}
    for taint in ("not-ready", "unreachable")
]
PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}

POD_DEFAULTS: list[dict[str, Any]] = [
    {"dnsPolicy": "ClusterFirst"},
    {"restartPolicy": "Never"},
    {"schedulerName": "default-scheduler"},
    {"terminationGracePeriodSeconds": 30},
    {"securityContext": {}},
    {"securityContext": {"sysctls": [], "seLinuxOptions": {}, "windowsOptions": None}},
    {"enableServiceLinks": True},
    {"serviceAccountName": "default", "serviceAccount": "default"},
    {"serviceAccountName": ""},
    {"nodeName": ""},
    {"nodeSelector": {}},
    {"affinity": {}},
    {"priority": 0, "preemptionPolicy": "PreemptLowerPriority"},
    {"tolerations": TOLERATED},
    {"hostNetwork": False, "hostPID": False, "hostIPC": False, "shareProcessNamespace": False, "setHostnameAsFQDN": False},
    {"hostUsers": True},
    {"os": {"name": "linux"}},
    {"hostname": "", "subdomain": ""},
    {"hostAliases": [], "dnsConfig": {}, "readinessGates": [], "resourceClaims": [], "ephemeralContainers": [], "overhead": {}},
    {"imagePullSecrets": [], "initContainers": [], "volumes": [], "topologySpreadConstraints": []},
    dict.fromkeys(("affinity", "nodeSelector", "tolerations", "securityContext", "volumes", "initContainers", "hostAliases")),
    {"activeDeadlineSeconds": None},
]
CONTAINER_DEFAULTS: list[dict[str, Any]] = [
    {"resources": {}},
    {"resources": {"claims": [], "limits": None}},
    {"resources": {"limits": {"cpu": None, "memory": "1Gi"}}},
    {"securityContext": {"seccompProfile": {"type": "RuntimeDefault", "localhostProfile": None}}},
    {"env": [{"name": "A", "value": "", "valueFrom": None}], "volumeMounts": []},
    {"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File"},
    {"imagePullPolicy": "IfNotPresent"},
    {"securityContext": {"privileged": False, "procMount": "Default", "capabilities": {}}},
    {"ports": [{"containerPort": 8080, "protocol": "TCP", "hostPort": 0, "hostIP": ""}]},
    {"livenessProbe": {"httpGet": {"path": "/", "port": 80, "scheme": "HTTP", "host": ""}, **PROBE}},
    {"readinessProbe": {"grpc": {"port": 80, "service": ""}, **PROBE}},
    {"stdin": False, "stdinOnce": False, "tty": False},
    {"lifecycle": {}, "volumeDevices": [], "resizePolicy": [], "restartPolicy": None},
    dict.fromkeys(("command", "args", "env", "envFrom", "ports", "volumeMounts", "livenessProbe", "lifecycle")),
]
SAFER_POD: list[dict[str, Any]] = [
    {"hostUsers": False},
    {"automountServiceAccountToken": False},
    {"enableServiceLinks": False},
    {"securityContext": {"runAsNonRoot": True, "runAsUser": 3000, "seccompProfile": {"type": "RuntimeDefault"}}},
    {"securityContext": {"appArmorProfile": {"type": "RuntimeDefault"}, "supplementalGroupsPolicy": "Strict"}},
]
SAFER_CONTAINER: list[dict[str, Any]] = [
    {"securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "runAsNonRoot": True}},
    {"securityContext": {"capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}}},
]
RESOLVING: list[dict[str, Any]] = [
    {"hostAliases": [{"ip": "10.0.0.7", "hostnames": ["model.internal"]}]},
    {"dnsConfig": {"options": [{"name": "ndots", "value": "1"}], "searches": ["svc.cluster.local"]}},
    {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["10.96.0.10"]}},
]


def found_in(template: dict[str, Any], namespace: str = "") -> tuple[Violation, ...]:
    """Return the violations of a template."""
    return check_run(parse_run_spec({"spec": {"agents": [{"name": "coder", "template": template}]}}), namespace)


def pod_of(template: dict[str, Any], sidecar: Sidecar | None = None) -> dict[str, Any]:
    """Return the pod of an accepted template."""
    spec = parse_run_spec({"spec": {"agents": [{"name": "coder", "template": template}]}})
    assert check_run(spec) == ()
    return build_pod(RunFacts("ns", "demo", "uid-1", 1, spec), spec.agents[0], 0, sidecar=sidecar)


def test_a_pod_as_kubectl_run_prints_it_is_a_template() -> None:
    """The whole Pod is accepted. Its name, kind and status have no effect; its labels and its container do."""
    template = yaml.safe_load(FAULTS.read_text())
    pod = pod_of(template)
    assert pod["metadata"]["name"] == "demo-coder-r0"
    assert pod["metadata"]["labels"]["run"] == "coder"
    (container,) = pod["spec"]["containers"]
    assert (container["args"], container["resources"]) == (["sh", "-c", "echo hi"], {})
    assert "status" not in pod


@pytest.mark.parametrize(
    "extra",
    [
        {"metadata": {"creationTimestamp": None, "labels": {"app": "x"}}},
        {"metadata": {"name": "x", "namespace": "ns", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z", "generation": 1}},
        {"metadata": {"generateName": "x-", "managedFields": [{"manager": "kubectl"}], "ownerReferences": [], "finalizers": []}},
        {"status": {"phase": "Pending", "qosClass": "BestEffort"}},
        {"metadata": None, "status": None},
    ],
)
def test_objects_that_tools_print_around_a_spec_have_no_effect(extra: dict[str, Any]) -> None:
    """A Deployment's template and an object from the API server are templates too."""
    plain = pod_of({"spec": {"containers": [BOX]}})
    found = pod_of({"spec": {"containers": [BOX]}, **extra})
    found["metadata"]["labels"].pop("app", None)
    assert found == plain


@pytest.mark.parametrize("fields", [*POD_DEFAULTS, *SAFER_POD, *RESOLVING], ids=",".join)
def test_defaults_and_safer_values_of_a_pod(fields: dict[str, Any]) -> None:
    """A pod takes Kubernetes' defaults, null and empty values, and values that are safer. No null reaches the pod."""
    template = {"spec": {"containers": [BOX], **fields}}
    for sidecar in (None, Sidecar("x")):
        pod = pod_of(template, sidecar)
        assert None not in pod["spec"].values()
        assert pod["spec"]["restartPolicy"] == "Never"
        assert pod["spec"]["enableServiceLinks"] is False
        assert pod["spec"].get("serviceAccountName") == (None if sidecar is None else "runwatchman-reporter")
        assert not {"serviceAccount", "priority", "preemptionPolicy", "nodeName", "os"} & set(pod["spec"])


@pytest.mark.parametrize("fields", [*CONTAINER_DEFAULTS, *SAFER_CONTAINER], ids=",".join)
@pytest.mark.parametrize("where", ["containers", "initContainers"])
def test_defaults_and_safer_values_of_a_container(fields: dict[str, Any], where: str) -> None:
    """A container takes them too, and so does an init container."""
    spec = {"containers": [BOX], where: [{**BOX, **fields}]}
    container = pod_of({"spec": spec})["spec"][where][0]
    assert None not in container.values()
    assert "lifecycle" not in container


@pytest.mark.parametrize("fields", RESOLVING, ids=",".join)
def test_names_are_the_pods_own(fields: dict[str, Any]) -> None:
    """What a pod resolves is passed on: egress is limited by address, so no name reaches further."""
    spec = pod_of({"spec": {"containers": [BOX], **fields}})["spec"]
    assert {key: spec[key] for key in fields} == fields


def test_a_template_of_another_namespace_is_refused() -> None:
    """A namespace that a tool printed passes if it is the Run's own."""
    template = {"metadata": {"namespace": "team"}, "spec": {"containers": [BOX]}}
    assert found_in(template, "team") == ()
    (found,) = found_in(template, "other")
    assert str(found) == (
        "spec.agents[0].template.metadata.namespace: pods run in the Run's namespace, other: leave it out, or create the Run there "
        "(found 'team')"
    )


def unset(shape: Any, path: str = "") -> dict[str, Unset]:
    """Return the fields that a template may not set."""
    if isinstance(shape, Typed | Items):
        return unset(shape.shape, path)
    if isinstance(shape, Unset):
        return {path: shape}
    if not isinstance(shape, dict):
        return {}
    return {found: field for name, below in shape.items() for found, field in unset(below, f"{path}.{name}").items()}


@pytest.mark.parametrize("path", unset(TEMPLATE))
def test_fields_that_may_not_be_set(path: str) -> None:
    """Each such field takes its default and nothing else, and its remedy is not empty."""
    field = unset(TEMPLATE)[path]
    assert field.remedy
    for value in (False, "", [], {}, field.default):
        assert field.passes(value) or value is None
    for value in (True, "x", ["x"], {"x": 1}, 7):
        assert not field.passes(value)
    assert field.passes(0) is (field.default == 0)


MEANT = {
    "spec.restartPolicy=OnFailure": "the operator restarts agents, within restartBudget of the RunPolicy",
    "spec.restartPolicy=Always": "the operator restarts agents, within restartBudget of the RunPolicy",
    "spec.containers.0.restartPolicy=Always": "restartBudget of the RunPolicy",
    "spec.backoffLimit=4": "restartBudget of the RunPolicy",
    "spec.activeDeadlineSeconds=60": "the Run's spec.activeDeadlineSeconds",
    "spec.timeout=60": "the Run's spec.activeDeadlineSeconds",
    "spec.ttlSecondsAfterFinished=60": "the Run's spec.ttlSecondsAfterFinished",
    "spec.replicas=3": "list more agents in the Run's spec.agents",
    "spec.serviceAccountName=admin": "use a Secret for their credentials",
    "spec.automountServiceAccountToken=true": "use a Secret for their credentials",
    "spec.env=[]": "it belongs in spec.containers[]",
    "spec.image=x": "it belongs in spec.containers[]",
    "spec.volumes=[{name: v, image: {reference: x}}]": "copy them in an init container",
    "spec.volumes=[{name: v, nfs: {server: x}}]": "use a persistentVolumeClaim",
    "spec.containers.0.env=[{name: A, value: 5}]": "put it in quotes",
    "spec.containers.0.args=[true]": "put it in quotes",
    "spec.volumeMounts=[]": "it belongs in spec.containers[]",
    "spec.runAsUser=1": "it belongs in spec.securityContext",
    "spec.labels={}": "it belongs in metadata",
    "spec.containers.0.volumes=[]": "it belongs in spec",
    "spec.containers.0.capabilities={}": "it belongs in spec.containers[].securityContext",
    "spec.containers.0.hostNetwork=false": "it belongs in spec",
    "spec.containers.0.memory=1Gi": "use resources.limits",
    "spec.volumeClaimTemplates=[]": "use the agent's workspace",
    "spec.podSecurityContext={}": "use spec.securityContext",
    "spec.extraContainers=[]": "initContainers with restartPolicy Always",
    "spec.workspace={}": "it belongs beside template",
    "spec.policyRef={}": "it belongs in the Run's spec",
    "spec.prompt=x": "use the Run's spec.brief",
    "spec.hostnetwork=false": "write hostNetwork",
    "spec.restart_policy=Never": "write restartPolicy",
    "spec.containers.0.Image=x": "write image",
    "spec.containers.0.imagee=x": "did you mean image?",
    "spec.containers.0.lifecycle={preStop: {sleep: {seconds: 3}}}": "trap TERM",
    "spec.dnsPolicy=Default": "the node's resolver",
    "spec.hostPaths=x": "docs/agents.md lists the allowed ones",
    "kind=Deployment": "give a Pod, or the spec.template of a Deployment or Job",
    "template={}": "give its metadata and spec here",
}
"""Field of a template and its value -> the hint, by what its author means."""


@pytest.mark.parametrize("given", MEANT)
def test_hints_are_by_meaning(given: str) -> None:
    """A refused field says what to use instead, or where it belongs."""
    path, _, value = given.partition("=")
    template: Any = {"spec": {"containers": [dict(BOX)]}}
    *parts, last = path.split(".")
    place: Any = template
    for part in parts:
        place = place[int(part)] if part.isdecimal() else place[part]
    place[last] = yaml.safe_load(value)
    (found,) = found_in(template)
    assert MEANT[given] in found.message
    assert f".{last}" in found.path


@pytest.mark.parametrize("far", ["hostAliasses", "nodes", "host", "users", "dnsServers"])
def test_names_that_are_not_near_are_no_spelling_mistakes(far: str) -> None:
    """A hint never proposes a field of another meaning: `hostAliases` was once taken for `hostUsers`."""
    (found,) = found_in({"spec": {"containers": [BOX], far: 1}})
    assert "hostUsers" not in found.message
    assert "hostPID" not in found.message


def test_all_faults_are_listed_at_once() -> None:
    """Faults of fields, of containers and of mounts are found together, in every agent."""
    broken = {"spec": {"containers": [{"name": "a", "imagee": "x"}, {"image": "x", "tty": "yes"}], "hostNetwork": True}}
    spec = parse_run_spec({"spec": {"agents": [{"name": "a", "template": broken}, {"name": "b", "template": {"spec": {}}}]}})
    assert {violation.path.removeprefix("spec.agents") for violation in check_run(spec)} == {
        "[0].template.spec.containers[0].imagee",
        "[0].template.spec.containers[0].image",
        "[0].template.spec.containers[1].name",
        "[0].template.spec.containers[1].tty",
        "[0].template.spec.containers",
        "[0].template.spec.hostNetwork",
        "[1].template.spec.containers",
    }


def test_a_spec_that_cannot_be_read_shows_its_templates_faults_too() -> None:
    """Nobody has to correct a field to see the next."""
    agents = [
        {"name": "a", "image": 5},
        {"name": "b", "template": {"spec": {"containers": [BOX], "hostPID": True}}},
        {"name": "c", "template": 7},
        8,
    ]
    with pytest.raises(Refused) as refused:
        parse_run_spec({"spec": {"agents": agents, "brief": 3}})
    paths = [violation.path for violation in refused.value.violations]
    assert {"spec.brief", "spec.agents[0].image", "spec.agents[1].template.spec.hostPID", "spec.agents[3]"} <= set(paths)


@pytest.mark.parametrize(
    ("field", "meaning"),
    [("serviceAccountName", "use a Secret"), ("timeout", "activeDeadlineSeconds"), ("foo", "check its spelling")],
)
def test_unknown_fields_of_a_run_have_hints(field: str, meaning: str) -> None:
    """A field outside of templates that an older CRD let pass gets the same hints."""
    with pytest.raises(Refused, match=meaning):
        parse_run_spec({"spec": {"agents": [{"name": "a", "image": "x", field: 1}]}})


@pytest.mark.parametrize("count", [1, 2, 5, 12, MAX_VIOLATIONS, 500])
@pytest.mark.parametrize("length", [1, 40, 300])
def test_a_summary_has_all_that_fits(count: int, length: int) -> None:
    """Each violation is named or counted, and the status can hold the text."""
    fields = {f"{'x' * length}{number}": 1 for number in range(count)}
    violations = found_in({"spec": {"containers": [BOX], **fields}})
    text = summary(violations, MAX_TEXT)
    assert len(text) <= MAX_TEXT
    assert text.startswith(violations[0].path)
    assert text.endswith(MORE) is (count > MAX_VIOLATIONS)
    named = sum(f"{each.path}" in text for each in violations if each.message != MORE)
    counted = int(text.rpartition("(and ")[2].split()[0]) if "(and " in text else 0
    assert named + counted >= min(count, MAX_VIOLATIONS)
