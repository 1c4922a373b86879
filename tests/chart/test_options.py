"""Options that the values files do not cover: umbrella charts, names, labels, security contexts, and the script of `helm test`."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from controller.observability.server import serve
from controller.strict.strict_yaml import load
from tests.chart.helm import CHART, NAMESPACE, RELEASE, HelmError, Objects, helm, objects, one, render
from tests.skipping import cannot_run

AGGREGATED = "rbac.authorization.k8s.io/aggregate-to-"
FIXED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
KEY = re.compile(r"^ *([A-Za-z0-9./-]+): ", re.MULTILINE)


def rendered(home: Path, values: dict[str, Any]) -> str:
    """Return the chart rendered with values, which `--set` could not write."""
    (path := home / "values.json").write_text(json.dumps(values))
    return render(home, "--values", str(path))


def umbrella(home: Path, values: dict[str, Any]) -> Objects:
    """Return what a chart renders that has ours as a dependency with a condition."""
    parent = home / "umbrella"
    (parent / "charts").mkdir(parents=True, exist_ok=True)
    if not (ours := parent / "charts/runwatchman").exists():
        ours.symlink_to(CHART)
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
    needs = {"name": "runwatchman", "version": version, "condition": "runwatchman.enabled"}
    (parent / "Chart.yaml").write_text(
        json.dumps({"apiVersion": "v2", "name": "umbrella", "version": "1.0.0", "dependencies": [needs]})
    )
    (parent / "values.yaml").write_text(json.dumps(values))
    return objects(helm("template", "all", str(parent), "--namespace", NAMESPACE, home=home))


def fault(place: str, why: str) -> Exception:
    """Return the error for a document that repeats a key."""
    return AssertionError(f"{place} {why}")


def test_an_umbrella_chart_switches_it(tmp_path: Path) -> None:
    """The chart is a dependency whose condition is its value `enabled`; helm's own `global` is accepted."""
    assert one(umbrella(tmp_path, {"runwatchman": {"enabled": True}, "global": {"x": 1}}), "Deployment")
    assert umbrella(tmp_path, {"runwatchman": {"enabled": False}}) == []


def test_no_key_is_doubled(tmp_path: Path) -> None:
    """Labels and annotations of the user's never repeat a key of the chart's, which stays: a selector would match nothing."""
    own = sorted(set(KEY.findall(render(tmp_path))))
    keys = {key: "x" for key in own if "/" in key and not key.startswith("helm.sh/hook")} | {"team": "platform"}
    labels = {"labels": keys}
    text = rendered(
        tmp_path,
        {
            **dict.fromkeys(("commonLabels", "commonAnnotations", "podLabels", "podAnnotations", "deploymentAnnotations"), keys),
            "serviceAccount": {"annotations": keys},
            "metrics": {
                "serviceMonitor": {"enabled": True, **labels},
                "prometheusRule": {"enabled": True, **labels},
                "dashboard": {"enabled": True, **labels, "annotations": keys},
                "service": {"annotations": keys},
            },
        },
    )
    found = [load(part, fault) for part in text.split("\n---\n") if yaml.safe_load(part)]
    deployment = one(found, "Deployment")["spec"]
    assert deployment["selector"]["matchLabels"].items() <= deployment["template"]["metadata"]["labels"].items()
    assert deployment["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"] == "operator"
    assert all(each["metadata"]["labels"]["team"] == "platform" for each in found)


def test_another_namespace(tmp_path: Path) -> None:
    """With namespaceOverride no object and no reference is in the release's namespace."""
    text = render(tmp_path, "--set", "namespaceOverride=ops,metrics.serviceMonitor.enabled=true")
    places = {each["metadata"].get("namespace") for each in objects(text)}
    assert places == {None, "default", "ops"}
    arguments = one(objects(text), "Deployment")["spec"]["template"]["spec"]["containers"][0]["args"]
    assert "--lease-namespace=ops" in arguments
    subjects = [subject for each in objects(text) for subject in each.get("subjects", [])]
    assert {subject["namespace"] for subject in subjects} == {"ops"}


def test_user_roles_are_not_aggregated(tmp_path: Path) -> None:
    """By default Kubernetes' own roles include view and edit; with rbac.aggregate=false they do not."""

    def aggregated(*options: str) -> set[str]:
        found = [each for each in objects(render(tmp_path, *options)) if each["kind"] == "ClusterRole"]
        return {each["metadata"]["name"] for each in found if any(key.startswith(AGGREGATED) for key in each["metadata"]["labels"])}

    assert aggregated() == {"runwatchman-view", "runwatchman-edit", "runwatchman-halt"}
    assert aggregated("--set", "rbac.aggregate=false") == set()


def test_a_null_user_is_left_to_the_cluster(tmp_path: Path) -> None:
    """A null field of a security context is left out, as a platform that assigns users needs; the fixed settings stay."""
    null = {"runAsUser": None, "runAsGroup": None}
    values = {
        "securityContext": null,
        "podSecurityContext": {"fsGroup": None},
        "advisor": {"enabled": True, "image": {"repository": "x"}, "credentials": {"existingSecret": "s"}, "securityContext": null},
    }
    text = rendered(tmp_path, values)
    assert "runAsUser: 6553" not in text
    assert "fsGroup: " not in text
    pod = one(objects(text), "Deployment")["spec"]["template"]["spec"]
    assert [each["securityContext"] for each in [*pod["containers"], *pod["initContainers"]]] == [FIXED, FIXED]


FIRM = [
    ("podSecurityContext", {"runAsNonRoot": False}),
    ("podSecurityContext", {"seccompProfile": {"type": "Unconfined"}}),
    ("securityContext", {"readOnlyRootFilesystem": False}),
    ("securityContext", {"allowPrivilegeEscalation": True}),
    ("securityContext", {"capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN"]}}),
    ("advisor.securityContext", {"capabilities": {"drop": []}}),
]


@pytest.mark.parametrize(("place", "changed"), FIRM)
def test_fixed_settings_cannot_be_changed(place: str, changed: dict[str, Any], tmp_path: Path) -> None:
    """A security context that contradicts a fixed setting is refused with the field and its value."""
    outer, _, inner = place.rpartition(".")
    with pytest.raises(HelmError, match=rf"{place}\.{next(iter(changed))} is .*: leave it out"):
        rendered(tmp_path, {outer: {inner: changed}} if outer else {inner: changed})


def test_fixed_settings_may_be_repeated(tmp_path: Path) -> None:
    """A security context adds to the fixed settings and may repeat them, as the contexts that an admin keeps for all charts do."""
    values = {"securityContext": {"procMount": "Default", **FIXED}, "podSecurityContext": {"runAsNonRoot": True, "fsGroup": 7}}
    pod = one(objects(rendered(tmp_path, values)), "Deployment")["spec"]["template"]["spec"]
    assert pod["containers"][0]["securityContext"] == {**FIXED, "procMount": "Default", "runAsUser": 65532, "runAsGroup": 65532}
    assert (pod["securityContext"]["fsGroup"], pod["securityContext"]["seccompProfile"]) == (7, {"type": "RuntimeDefault"})


def test_what_monitors_and_probes_are_given(tmp_path: Path) -> None:
    """Relabelings, families and annotations of the Service, and timings of probes come out as they were given."""
    values = {
        "metrics": {
            "service": {"annotations": {"a": "b"}, "ipFamilyPolicy": "PreferDualStack", "ipFamilies": ["IPv6", "IPv4"]},
            "serviceMonitor": {
                "enabled": True,
                "relabelings": [{"action": "labeldrop"}],
                "metricRelabelings": [{"action": "drop"}],
            },
        },
        "health": {"livenessProbe": {"failureThreshold": 9}, "readinessProbe": {"timeoutSeconds": 7}},
    }
    found = objects(rendered(tmp_path, values))
    service, monitor = one(found, "Service"), one(found, "ServiceMonitor")["spec"]["endpoints"][0]
    assert (service["metadata"]["annotations"], service["spec"]["ipFamilies"]) == ({"a": "b"}, ["IPv6", "IPv4"])
    assert (monitor["relabelings"], monitor["metricRelabelings"]) == ([{"action": "labeldrop"}], [{"action": "drop"}])
    container = one(found, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    assert (container["livenessProbe"]["failureThreshold"], container["livenessProbe"]["periodSeconds"]) == (9, 10)
    assert container["readinessProbe"]["timeoutSeconds"] == 7


@asynccontextmanager
async def leading(host: str) -> AsyncIterator[int]:
    """Serve the metrics of an operator that leads, and yield the port."""

    async def page(_: web.BaseRequest) -> web.Response:
        return web.Response(text="# x\nrunwatchman_leader 1.0\n")

    async with serve({"/metrics": page}, host, 0) as port:
        yield port


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_the_charts_test_finds_the_leader(address: str, tmp_path: Path) -> None:
    """The script of `helm test` reads the Service at an address of either family."""
    if ":" in address and not socket.has_dualstack_ipv6():
        cannot_run("this machine has no IPv6")
    async with leading(address) as port:
        found = objects(render(tmp_path, "--set", f"metrics.secure=false,metrics.port={port}"))
        script = one(found, "Pod")["spec"]["containers"][0]["args"][0]
        env = {f"{RELEASE.upper()}_METRICS_SERVICE_HOST": address}
        command = [sys.executable, "-c", script]
        done = await asyncio.to_thread(subprocess.run, command, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "an operator leads\n"), done.stderr
