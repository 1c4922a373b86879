"""What GitOps tools compare: the chart's objects, applied twice by their field managers, do not change, and none lacks a field."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from controller.api.base import JsonObject
from tests.chart.helm import NAMESPACE, VALUES, Objects, listed, objects, render
from tests.chart.test_kustomize import OVERLAYS, built
from tests.chart.test_options import rendered
from tests.chart.test_templates import is_hook
from tests.cluster import Cluster, lifecycle
from tests.support import await_that

ARGO, FLUX, HELM = "argocd-controller", "kustomize-controller", "helm-controller"
MARKS: dict[str, JsonObject] = {
    ARGO: {"annotations": {"argocd.argoproj.io/tracking-id": "runwatchman:x"}},
    FLUX: {"labels": {"kustomize.toolkit.fluxcd.io/name": "runwatchman", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}},
    HELM: {"labels": {"helm.toolkit.fluxcd.io/name": "runwatchman", "helm.toolkit.fluxcd.io/namespace": "flux-system"}},
}
"""What each tool adds to the objects that it manages."""

PLACE = "drift-place"
"""Stands for a namespace."""

FOREIGN = "monitoring.coreos.com/"
"""Kinds whose CRDs are the Prometheus Operator's."""

STATUS_WRITERS = ("Deployment", "ValidatingAdmissionPolicy", "PodDisruptionBudget", "CustomResourceDefinition")
"""Kinds to whose status a controller writes after a change of the spec."""

RICH: JsonObject = {
    "commonLabels": {"team": "platform"},
    "commonAnnotations": {"note": "x"},
    "serviceAccount": {"annotations": {"note": "y"}},
    "replicas": 3,
    "shards": 3,
    "podDisruptionBudget": {"enabled": True, "minAvailable": 2},
    "resources": {"requests": {"cpu": "50m", "memory": "1Gi"}, "limits": {"cpu": "1500m", "memory": "1536Mi"}},
    "nodeSelector": {"kubernetes.io/os": "linux", "pool": "infra"},
    "tolerations": [{"key": "infra", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 30}],
    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}],
    "health": {"livenessProbe": {"failureThreshold": 9}, "readinessProbe": {"timeoutSeconds": 7}},
    "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy.example:3128"}],
    "metrics": {
        "service": {"annotations": {"a": "b"}, "ipFamilyPolicy": "PreferDualStack"},
        "readers": [{"kind": "ServiceAccount", "name": "prometheus", "namespace": "monitoring"}],
        "dashboard": {"enabled": True},
    },
    "agents": {
        "podSecurity": {"runAsUser": 2000, "reporterRunAsUser": 2001},
        "network": {"allow": ["10.1.2.0/24"]},
        "resources": {"requests": {"cpu": "1"}},
        "podMetadata": {"labels": {"team": "search"}},
    },
    "networkPolicy": {"extraEgress": [{"ports": [{"port": 5432, "protocol": "TCP"}]}]},
    "notifications": {"secrets": [{"namespace": "team-a", "name": "chat"}]},
}
"""Options of the chart that the files of values do not have together."""


@pytest.fixture(scope="module")
def empty() -> Iterator[Cluster]:
    """An API server without any object of ours, with the namespaces that the values name."""
    cluster = lifecycle.up("api", garbage=True)
    try:
        for name in (NAMESPACE, "team-a", "team-b", "agents", "a", "b"):
            cluster.create_namespace(name)
        yield cluster
    finally:
        lifecycle.end(cluster)


def kept(found: Objects) -> Objects:
    """Return the objects that a tool compares: those of hooks are gone after the hook."""
    return [each for each in found if not is_hook(each) and not each["apiVersion"].startswith(FOREIGN)]


def marked(found: Objects, manager: str) -> Objects:
    """Return the objects with the marks of a tool."""
    copies: Objects = json.loads(json.dumps(found))
    for each in copies:
        for field, marks in MARKS[manager].items():
            each["metadata"].setdefault(field, {}).update(marks)
    return copies


def applied(cluster: Cluster, manager: str, found: Objects) -> None:
    """Apply objects as a tool does."""
    command = ("apply", "--server-side", "--force-conflicts", f"--field-manager={manager}", "-f", "-")
    cluster.kubectl(*command, stdin=listed(found))


def live(cluster: Cluster, found: Objects) -> Objects:
    """Return the objects as the API server has them, in the same order."""
    command = ("get", "--show-managed-fields", "-o", "json", "-f", "-")
    answer = json.loads(cluster.kubectl(*command, stdin=listed(found)))
    return list(answer["items"]) if answer["kind"] == "List" else [answer]


def quiet(cluster: Cluster, found: Objects) -> Objects:
    """Return the objects once every controller has written its status and nothing changes any more."""
    last: Objects = []

    def there() -> Objects | None:
        nonlocal last
        before, last = last, live(cluster, found)
        return last if last == before and all(map(observed, last)) else None

    answer: Objects = await_that(there, "the controllers to have written their status")
    return answer


def observed(each: JsonObject) -> bool:
    """Whether the controller of an object has seen its present spec."""
    if each["kind"] == "CustomResourceDefinition":
        return any(c["type"] == "Established" and c["status"] == "True" for c in each.get("status", {}).get("conditions", []))
    return each["kind"] not in STATUS_WRITERS or each.get("status", {}).get("observedGeneration") == each["metadata"]["generation"]


def differences(wanted: Any, found: Any, path: str = "", *, more: bool = False) -> Iterator[str]:
    """Yield what differs; with `more`, maps may have further keys."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key in sorted({*wanted, *(() if more else found)}):
            if key in wanted and key in found:
                yield from differences(wanted[key], found[key], f"{path}.{key}", more=more)
            else:
                yield f"{path}.{key}: only {'in the manifest' if key in wanted else 'on the server'}"
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        for index, (one, other) in enumerate(zip(wanted, found, strict=True)):
            yield from differences(one, other, f"{path}[{index}]", more=more)
    elif wanted != found:
        yield f"{path}: {wanted!r} became {found!r}"


def drift(wanted: Objects, found: Objects, *, more: bool = False) -> list[str]:
    """Return what differs between lists of objects, with the names of the objects."""
    assert list(map(named, wanted)) == list(map(named, found))
    pairs = zip(wanted, found, strict=True)
    return [f"{named(a)}{line}" for a, b in pairs for line in differences(a, b, more=more)]


def named(each: JsonObject) -> str:
    """Return the kind and the name of an object."""
    return f"{each['kind']}/{each['metadata']['name']}"


def chart(home: Path, namespace: str, *options: str) -> str:
    """Return the rendered chart for a namespace."""
    return render(home, "--set", f"namespaceOverride={namespace}", *options)


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The chart with its default values, for the namespace PLACE."""
    return chart(tmp_path_factory.mktemp("helm"), PLACE)


def test_nothing_differs_after_two_applies(empty: Cluster, usual: str) -> None:
    """By any tool's manager the second apply changes nothing, not even a resourceVersion, and the server drops no field."""
    empty.create_namespace("everything")
    found = kept(objects(usual.replace(PLACE, "everything")))
    for manager in MARKS:
        compare(empty, manager, marked(found, manager))


def compare(cluster: Cluster, manager: str, found: Objects) -> None:
    """Apply objects twice by a manager. Fails if the second time changes anything, or the server any field of theirs."""
    applied(cluster, manager, found)
    if claims := [each for each in found if each["kind"] == "PersistentVolumeClaim"]:
        applied(cluster, manager, claims)  # the API server stores every claim once more at its first update, also a plain one
    before = quiet(cluster, found)
    applied(cluster, manager, found)
    after = live(cluster, found)
    assert drift(before, after) == []
    assert drift(found, after, more=True) == []


CASES = {path.stem: path for path in VALUES} | {"rich": None}


@pytest.mark.parametrize("values", CASES)
def test_no_option_makes_a_difference(values: str, empty: Cluster, usual: str, tmp_path: Path) -> None:
    """The same holds with any values: here for Argo CD and the objects that differ from those of the defaults."""
    empty.create_namespace(place := f"drift-{values}")  # of its own: another tool's fields would stay
    path = CASES[values]
    made = chart(tmp_path, place, "--values", str(path)) if path else rendered(tmp_path, RICH | {"namespaceOverride": place})
    found, others = kept(objects(made)), kept(objects(usual.replace(PLACE, place)))
    compare(empty, ARGO, marked([each for each in found if each not in others] or others, ARGO))


@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_no_overlay_makes_a_difference(overlay: Path, empty: Cluster) -> None:
    """What kustomize builds stays as it is, too: by Flux."""
    compare(empty, FLUX, marked(built(overlay), FLUX))


def test_a_dropped_field_is_found(empty: Cluster) -> None:
    """The comparison can fail: the server drops the priority 0 of a printer column, which such tools report for ever."""
    crd = next(each for each in kept(built(OVERLAYS[0])) if each["kind"] == "CustomResourceDefinition")
    crd["spec"]["versions"][0]["additionalPrinterColumns"][0]["priority"] = 0
    applied(empty, ARGO, [crd])
    column = f"CustomResourceDefinition/{crd['metadata']['name']}.spec.versions[0].additionalPrinterColumns[0]"
    assert drift([crd], live(empty, [crd]), more=True) == [f"{column}.priority: only in the manifest"]
