"""Tokens for a cloud in agents' pods: only for audiences that the policy names, and worthless at the API server."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
import yaml

from controller.api.base import JsonObject
from controller.api.checks import check_run, parse_run_spec
from tests.api.operators import OperatorAccount
from tests.cluster import Cluster
from tests.support import apply, await_phase, await_that, get, policy_of, run_of, status

CLOUD = "sts.amazonaws.com"


def agent_with(volume: JsonObject, **pod: Any) -> JsonObject:
    """Return an agent that mounts a volume."""
    mount = {"name": "cloud", "mountPath": "/var/run/cloud", "readOnly": True}
    containers = [{"name": "agent", "image": "x", "volumeMounts": [mount]}]
    return {"template": {"spec": {"containers": containers, "volumes": [{"name": "cloud", **volume}], **pod}}}


def token_of(**source: Any) -> JsonObject:
    """Return a volume with a projected token."""
    return {"projected": {"sources": [{"serviceAccountToken": {"path": "token", **source}}]}}


def blocked(cluster: Cluster, namespace: str, run: str, reason: str) -> str:
    """Return the message of a Run that is blocked for a reason."""
    found = await_that(lambda: (s := status(cluster, namespace, run)).get("reason") == reason and s, reason)
    return str(found["message"])


def test_a_policy_allows_the_audience(api_cluster: Cluster, account: OperatorAccount, namespace: str) -> None:
    """A Run with a token waits until the policy names its audience; then the pod has the token, and the reporter its own."""
    with account.operator(namespace):
        apply(api_cluster, namespace, run_of("cloudy", agent_with(token_of(audience=CLOUD, expirationSeconds=3600))))
        words = blocked(api_cluster, namespace, "cloudy", "BeyondPolicy")
        assert f"has a token for {CLOUD}, but the policy allows none (tokenAudiences)" in words
        apply(api_cluster, namespace, policy_of({"tokenAudiences": ["vault", CLOUD]}))
        await_phase(api_cluster, namespace, "cloudy", "Completed")
    spec = get(api_cluster, namespace, "pod", "cloudy-coder-r0")["spec"]
    (volume,) = [each for each in spec["volumes"] if each["name"] == "cloud"]
    assert volume["projected"]["sources"][0]["serviceAccountToken"]["audience"] == CLOUD
    assert (spec["serviceAccountName"], spec["automountServiceAccountToken"]) == ("runwatchman-reporter", False)


def test_another_audience_stays_refused(api_cluster: Cluster, account: OperatorAccount, namespace: str) -> None:
    """The policy's audiences are the only ones; the message names them."""
    apply(api_cluster, namespace, policy_of({"tokenAudiences": ["vault"]}))
    with account.operator(namespace):
        apply(api_cluster, namespace, run_of("cloudy", agent_with(token_of(audience=CLOUD))))
        assert "but the policy allows vault (tokenAudiences)" in blocked(api_cluster, namespace, "cloudy", "BeyondPolicy")


def test_a_pod_without_a_reporter_gets_no_token(api_cluster: Cluster, account: OperatorAccount, namespace: str) -> None:
    """Its account is the namespace's default, whose tokens the admission policy keeps from agents: the Run shows that."""
    apply(api_cluster, namespace, policy_of({"reporter": "Off", "tokenAudiences": [CLOUD]}))
    with account.operator(namespace):
        apply(api_cluster, namespace, run_of("cloudy", agent_with(token_of(audience=CLOUD))))
        words = blocked(api_cluster, namespace, "cloudy", "PodRefused")
    assert "with a token of runwatchman-reporter's and no other" in words


def test_the_token_is_worthless_at_the_api_server(api_cluster: Cluster, account: OperatorAccount, namespace: str) -> None:
    """Such a token names the account of agents' pods to the cloud, and the API server does not know its bearer."""
    apply(api_cluster, namespace, policy_of({"tokenAudiences": [CLOUD]}))
    with account.operator(namespace):
        apply(api_cluster, namespace, run_of("cloudy", agent_with(token_of(audience=CLOUD))))
        await_phase(api_cluster, namespace, "cloudy", "Completed")
    create = ("-n", namespace, "create", "token", "runwatchman-reporter")
    token = api_cluster.kubectl(*create, f"--audience={CLOUD}").strip()
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert (claims["aud"], claims["sub"]) == ([CLOUD], f"system:serviceaccount:{namespace}:runwatchman-reporter")
    assert "Unauthorized" in bearer(api_cluster, token).kubectl("auth", "whoami", check=False)
    own = api_cluster.kubectl(*create).strip()
    assert "runwatchman-reporter" in bearer(api_cluster, own).kubectl("auth", "whoami")


def bearer(cluster: Cluster, token: str) -> Cluster:
    """Return the cluster for the bearer of a token."""
    config: JsonObject = yaml.safe_load(cluster.kubectl("config", "view", "--raw", "--minify", "-o", "yaml"))
    config["users"][0]["user"] = {"token": token}
    path = cluster.directory / "bearer.kubeconfig"
    path.touch(mode=0o600)
    path.write_text(yaml.safe_dump(config))
    return replace(cluster, kubeconfig=path)


CSI = {"csi": {"driver": "secrets-store.csi.k8s.io", "readOnly": True, "volumeAttributes": {"secretProviderClass": "aws"}}}
REFUSED = [
    (token_of(), {}, "agents get no token of their own"),
    (token_of(audience=""), {}, "agents get no token of their own"),
    (token_of(audience="https://kubernetes.default.svc"), {}, "agents get no token of their own"),
    (token_of(audience=CLOUD, bound=True), {}, "has unknown fields: bound"),
    (token_of(audience=CLOUD), {"serviceAccountName": "cloud"}, "use a Secret for their credentials"),
    (token_of(audience=CLOUD), {"automountServiceAccountToken": True}, "use a Secret for their credentials"),
    (CSI, {}, "use a persistentVolumeClaim or a Secret"),
]


@pytest.mark.parametrize(("volume", "pod", "words"), REFUSED)
def test_other_ways_are_refused(volume: JsonObject, pod: JsonObject, words: str) -> None:
    """Tokens of the API server, other accounts and CSI volumes are refused, with what to use instead."""
    (found,) = check_run(parse_run_spec(run_of("refused", agent_with(volume, **pod))))
    assert words in found.message


def test_a_token_for_a_cloud_is_a_template() -> None:
    """A token with an audience of its own passes the operator's check."""
    assert check_run(parse_run_spec(run_of("fine", agent_with(token_of(audience=CLOUD, expirationSeconds=3600))))) == ()
