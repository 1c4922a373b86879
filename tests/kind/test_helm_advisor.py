"""The advisor beside the operator as the chart has it: asked over the socket, with the credential and without the token."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.chart.helm import NAMESPACE
from tests.cluster import Cluster
from tests.image import IMAGE
from tests.kind.conftest import TEAM
from tests.kind.test_helm import install
from tests.support import apply, await_phase, condition, items, run_of, shell

CREDENTIAL = "the-models-credential"
AGREES = """
import json, sys
asked = json.load(sys.stdin)
said = {"intent": "auto_restart", "reason": "a flaky network", "confidence": 0.9, "needs_human": False}
print(json.dumps({"target_run": asked["target_run"], **said}))
"""
VALUES: dict[str, Any] = {
    "policy": {"llm": {"mode": "Auto"}, "confirmationIntervalSeconds": 1},
    "advisor": {
        "enabled": True,
        "preset": "raw",
        "image": {"repository": IMAGE.rpartition(":")[0], "tag": "dev", "pullPolicy": "Never"},
        "commands": {"agrees": {"preset": "raw", "argv": ["python3", "-c", AGREES]}},
        "credentials": {"existingSecret": "model"},
    },
}
LOOK = f"""
import json, os, pathlib
def holds(path):
    try:
        return {CREDENTIAL!r} in path.read_text(errors="replace")
    except OSError:
        return False
roots = [pathlib.Path(name) for name in ("/etc/runwarden", "/run", "/var/run/secrets", "/home", "/tmp")]
files = [path for root in roots if root.exists() for path in root.rglob("*") if path.is_file()]
print(json.dumps({{
    "credential": {CREDENTIAL!r} in os.environ.values() or any(map(holds, files)),
    "token": os.access("/var/run/secrets/kubernetes.io/serviceaccount/token", os.R_OK),
    "socket": pathlib.Path("/run/advisor/advisor.sock").is_socket(),
    "uid": os.getuid(),
}}))
"""


@pytest.fixture(scope="module")
def advised(fresh: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """The cluster with an operator that has an advisor."""
    home = tmp_path_factory.mktemp("helm")
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "model"}, "stringData": {"api-key": CREDENTIAL}}
    apply(fresh, NAMESPACE, secret)
    (home / "values.yaml").write_text(yaml.safe_dump(VALUES))
    install(fresh, home, "--values", str(home / "values.yaml"))
    return fresh


def seen(cluster: Cluster, container: str) -> dict[str, object]:
    """Return what a container of the operator's pod finds in itself."""
    (pod,) = [each for each in items(cluster, NAMESPACE, "pods") if "deletionTimestamp" not in each["metadata"]]
    found: dict[str, object] = json.loads(
        cluster.kubectl("-n", NAMESPACE, "exec", pod["metadata"]["name"], "-c", container, "--", "python3", "-c", LOOK)
    )
    return found


def test_it_is_asked_before_a_restart(advised: Cluster) -> None:
    """Mode Auto: the agent that crashed is restarted because the advisor in the sidecar agrees."""
    apply(advised, TEAM, run_of("advised", shell('[ $RUNWARDEN_ATTEMPT -gt 0 ] || exit 1; rw done "shipped"')))
    done = await_phase(advised, TEAM, "advised", "Completed")
    assert (done["restarts"], condition(done, "Advised")) == (1, ("True", "Accepted"))


def test_credential_and_token_are_apart(advised: Cluster) -> None:
    """The operator has the token and no credential, the advisor the credential and no token; a socket is all that they share."""
    assert seen(advised, "operator") == {"credential": False, "token": True, "socket": True, "uid": 65532}
    assert seen(advised, "advisor") == {"credential": True, "token": False, "socket": True, "uid": 65533}
