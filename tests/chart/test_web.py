"""The page in the chart: a server without any right, reachable as its values say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from controller.cli.web import web
from tests.chart.helm import NAMESPACE, HelmError, Objects, objects, one, render

NAME = "runwatchman-web"
ON = ("--set", "web.enabled=true")
URL = ("--set", "web.url=https://runs.example.com")


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Objects:
    """The rendered chart with a page and an address."""
    return objects(render(tmp_path_factory.mktemp("helm"), *ON, *URL, "--set", "web.tls.existingSecret=page-tls"))


def pod_of(found: Objects) -> dict[str, Any]:
    """Return the spec of the page's pod."""
    spec: dict[str, Any] = one(found, "Deployment", NAME)["spec"]["template"]["spec"]
    return spec


def test_the_default_has_no_page(tmp_path: Path) -> None:
    """Nothing of it is installed, and the operator links to nothing."""
    text = render(tmp_path)
    assert NAME not in text
    assert "--page-url" not in text


def test_its_account_has_no_right_and_no_token(shown: Objects) -> None:
    """No binding names the account, and no volume of the pod has a token in it."""
    account, pod = one(shown, "ServiceAccount", NAME), pod_of(shown)
    assert (account["automountServiceAccountToken"], pod["automountServiceAccountToken"]) == (False, False)
    assert pod["serviceAccountName"] == NAME
    subjects = [subject["name"] for each in shown if each["kind"].endswith("Binding") for subject in each.get("subjects", ())]
    assert subjects
    assert NAME not in subjects
    assert [next(iter(volume.keys() - {"name"})) for volume in pod["volumes"]] == ["configMap", "secret"]


def test_its_pod_passes_pod_security_restricted(shown: Objects) -> None:
    """It is hardened like the operator's."""
    pod = pod_of(shown)
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    (container,) = pod["containers"]
    hardened = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
    assert container["securityContext"] == hardened | {"runAsUser": 65532, "runAsGroup": 65532}
    assert {container[probe]["httpGet"]["scheme"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")} == {"HTTPS"}


def test_the_server_knows_its_arguments(shown: Objects) -> None:
    """`runwatchman web` accepts what the chart writes, up to the files that only the pod has."""
    (container,) = pod_of(shown)["containers"]
    assert container["args"][0] == "web"
    refused = CliRunner().invoke(web, container["args"][1:])
    assert refused.exit_code == 2
    assert "/etc/runwatchman-" in refused.output
    assert (
        "--page-url=https://runs.example.com"
        in one(shown, "Deployment", "runwatchman")["spec"]["template"]["spec"]["containers"][0]["args"]
    )


def test_it_is_reached_and_reaches_as_the_policy_says(tmp_path: Path) -> None:
    """The Service selects the pod; the NetworkPolicy lets the named peers in, and the page out to DNS and the API server only."""
    found = objects(render(tmp_path, *ON, "--set-json", 'web.from=[{"podSelector":{"matchLabels":{"app":"proxy"}}}]'))
    labels = one(found, "Deployment", NAME)["spec"]["template"]["metadata"]["labels"]
    policy = one(found, "NetworkPolicy", NAME)["spec"]
    for selector in (one(found, "Service", NAME)["spec"]["selector"], policy["podSelector"]["matchLabels"]):
        assert selector.items() <= labels.items()
    assert one(found, "Service", NAME)["metadata"]["namespace"] == NAMESPACE
    assert policy["ingress"] == [
        {"ports": [{"port": 8080, "protocol": "TCP"}], "from": [{"podSelector": {"matchLabels": {"app": "proxy"}}}]}
    ]
    assert {port["port"] for rule in policy["egress"] for port in rule["ports"]} == {53, 5353, 443, 6443}


@pytest.mark.parametrize(
    "value",
    [
        "url=http://runs.example.com",
        "url=https://runs.example.com/path",
        "tokenHeader=X Y",
        "sessionHours=0",
        "port=80",
        "apiServer=http://x",
    ],
)
def test_values_that_would_not_work_are_refused(tmp_path: Path, value: str) -> None:
    """The schema names the field."""
    with pytest.raises(HelmError, match=value.partition("=")[0]):
        render(tmp_path, *ON, "--set-string" if "=h" in value else "--set", f"web.{value}")
