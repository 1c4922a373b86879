"""The operator under test is the chart's: killed as a container, queried through the API server."""

from __future__ import annotations

import os
import subprocess
from http import HTTPStatus
from pathlib import Path

from tests.chart.helm import NAMESPACE, ROOT
from tests.cluster import Cluster
from tests.kind.installed import Installed
from tests.scrape import forwarded
from tests.support import apply, await_that, get, run_of
from tests.users import grant, token
from tests.web_page import Served


def test_it_is_the_charts(kind_cluster: Cluster, kind_operator: Installed) -> None:
    """Its pod belongs to the Deployment, runs on a node under the release's account, and its endpoints and log are readable
    there.
    """
    pod = kind_operator.pod()
    assert pod["spec"]["serviceAccountName"] == kind_operator.name
    assert pod["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"
    assert get(kind_cluster, "default", "node", pod["spec"]["nodeName"])
    assert kind_operator.probe("health", "readyz")[0] == 200
    code, metrics = kind_operator.probe("metrics", "metrics")
    assert (code, "runwatchman_" in metrics) == (200, True)
    assert kind_operator.probe("metrics", "nothing-here")[0] == 0  # by the API server's proxy, which sends no token
    assert await_that(kind_operator.lines, "a line of its log")


def test_the_page_is_served_to_a_user_with_a_token(kind_cluster: Cluster, kind_operator: Installed, namespace: str) -> None:
    """Through a forwarded port somebody logs in with a token and sees what the token may; the page's own account may do nothing."""
    kind_cluster.kubectl("-n", namespace, "create", "serviceaccount", "reader")
    grant(kind_cluster, namespace, "runwatchman-view", f"--serviceaccount={namespace}:reader")
    apply(kind_cluster, namespace, run_of("seen", {"image": "no.example/none"}))
    account = f"system:serviceaccount:{NAMESPACE}:{kind_operator.name}-web"
    assert kind_cluster.kubectl("auth", "can-i", "list", "runs", "-A", f"--as={account}", check=False).strip() == "no"
    with forwarded(kind_cluster, NAMESPACE, f"deployment/{kind_operator.name}-web", 8080) as port:
        served = Served(port, 0, Path())
        tab = served.tab(token(kind_cluster, namespace, "reader"), host="localhost:8080")
        assert f"{namespace}/</span>seen</a>" in tab.get(f"/?namespace={namespace}").text
        assert tab.get("/").code == HTTPStatus.FORBIDDEN


def test_the_page_says_how_to_scrape(kind_cluster: Cluster, kind_operator: Installed) -> None:
    """The commands in docs/operations.md show metrics to an account with the right to read them."""
    block = (ROOT / "docs/operations.md").read_text().split("### Scraping")[1].split("```sh\n")[1].split("```")[0]
    path = f"{kind_cluster.kubectl_path.parent}:{os.environ['PATH']}"
    env = os.environ | {"KUBECONFIG": str(kind_cluster.kubeconfig), "PATH": path}
    try:
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", block], env=env, capture_output=True, text=True, check=False)
    finally:
        kind_cluster.kubectl("delete", "clusterrolebinding", "prometheus-reads-runwatchman", "--ignore-not-found")
        kind_cluster.kubectl("-n", "default", "delete", "serviceaccount", "prometheus", "--ignore-not-found")
    assert "runwatchman_leader 1.0" in done.stdout, f"{done.stdout}{done.stderr}{kind_operator.told()}"


def test_a_kill_ends_the_process_and_not_the_pod(kind_operator: Installed) -> None:
    """After SIGKILL on the node the kubelet reports it for the container and restarts it in the same pod, and it is ready again."""
    before = kind_operator.pod()
    kind_operator.stop()
    kind_operator.start()
    after = kind_operator.pod()
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    [told] = after["status"]["containerStatuses"]
    assert told["lastState"]["terminated"]["exitCode"] == 137
