"""The operator as users have it: the chart's release, changed by `helm upgrade`, killed on its node, read by proxy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from controller.api.base import JsonObject
from tests.chart.helm import INSTALL_TIMEOUT, NAMESPACE, RELEASE, HelmError, helm, install
from tests.cluster import IN_TIME, Cluster
from tests.cluster.kind import KindCluster
from tests.cluster.progress import ClusterError
from tests.scrape import scrape
from tests.skipping import cannot_run
from tests.support import await_that, items

CONTAINER = "operator"
OURS = "test.runwatchman.dev/suite"
"""A label of the release's namespace: on an existing cluster it marks the release as one of a killed run."""
PATIENT: JsonObject = {
    "lease": {"durationSeconds": 60, "renewDeadlineSeconds": 40, "retryPeriodSeconds": 0.5},
    "extraArgs": ["--identity=installed"],
}
"""A busy machine must not lose the Lease. A killed operator returns under its own name, so no wait takes that long."""
PLAIN: JsonObject = {"reporter": {"enabled": False}}
"""Without reporters, as `runwatchman operator` without options."""
PAGE: JsonObject = {"web": {"enabled": True}}
OFTEN: JsonObject = {"reporter": {"intervalSeconds": 2}}
"""With reporters that soon detect an idle agent."""


class Installed:
    """One release. It has the interface of an OperatorProcess, and some methods of its own."""

    def __init__(self, cluster: Cluster, home: Path, release: str = RELEASE) -> None:
        self.cluster, self.release, self._home = cluster, release, home
        self.name = release if RELEASE in release else f"{release}-{RELEASE}"
        self._values: JsonObject | None = None
        self._scale = 1

    def run_with(self, *values: JsonObject) -> None:
        """Run the operator with these values, with later ones replacing top-level keys; an operator that already has them is not
        changed.
        """
        wanted = {key: value for each in values for key, value in each.items()}
        if not self._scale:
            self._scale_to(1)
        if wanted != self._values:
            (path := self._home / f"{self.release}.json").write_text(json.dumps(wanted))
            with told(self.cluster, self.name):
                install(self.cluster.kubeconfig, self._home, f"--values={path}", release=self.release)
            self._values = wanted
        await_that(self._ready, f"{self.name} ready: {self.told()}")

    def rest(self) -> None:
        """Stop the operator for a while: the other installed objects stay."""
        self._scale_to(0)
        await_that(lambda: not self._pods(), f"the end of {self.name}'s pod")

    def uninstall(self) -> None:
        """Remove the release. Raises AssertionError with helm's message."""
        options = ("--namespace", NAMESPACE, "--wait", "--timeout", INSTALL_TIMEOUT)
        with told(self.cluster, self.name):
            helm("uninstall", self.release, *options, home=self._home, kubeconfig=self.cluster.kubeconfig)

    def clear(self) -> None:
        """Delete the Runs and policies of the namespace of the release's name, while their operator runs and releases the pods."""
        self.cluster.kubectl("-n", self.release, "delete", "runs,runpolicies", "--all", IN_TIME)

    def pod(self) -> JsonObject:
        """Return the operator's pod that is not being deleted."""
        (found,) = [pod for pod in self._pods() if "deletionTimestamp" not in pod["metadata"]]
        return found

    def start(self) -> None:
        """Wait until the operator, which its kubelet starts by itself, is ready."""
        await_that(self._ready, f"{self.name} ready again: {self.told()}")

    def stop(self) -> None:
        """Kill the operator, and wait until its kubelet has noticed that."""
        before = _container(self.pod())["restartCount"]
        self.kill()
        await_that(lambda: _container(self.pod())["restartCount"] > before, f"the kubelet to start {self.name} again")

    def kill(self) -> None:
        """Send SIGKILL to the container's process, on its node."""
        if not isinstance(self.cluster, KindCluster):
            cannot_run("kills a container's process on its node, so only on nodes of our own")
        pod = self.pod()
        victim = _container(pod)["containerID"].removeprefix("containerd://")
        self.cluster.on_node(pod["spec"]["nodeName"], "ctr", "-n", "k8s.io", "tasks", "kill", "-s", "SIGKILL", victim)

    def lines(self) -> list[JsonObject]:
        """Return the log of the container so far, one object per line."""
        return [json.loads(line) for line in self._logs("--tail=-1").splitlines() if line.startswith("{")]

    def probe(self, endpoint: str, path: str) -> tuple[int, str]:
        """Return the code and body of a request to an endpoint by its port's name; (0, message) without a good answer."""
        pod = self.pod()["metadata"]["name"]
        if (endpoint, path) == ("metrics", "metrics"):
            return scrape(self.cluster, NAMESPACE, pod, self._port(endpoint))
        try:
            raw = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}:{self._port(endpoint)}/proxy/{path}"
            return 200, self.cluster.kubectl("get", "--raw", raw)
        except ClusterError as error:
            return 0, str(error)

    def told(self) -> str:
        """Return the last log lines of the operator and its previous container, as far as they are available."""
        return "\n".join(self._logs(*which, "--tail=20") for which in ((), ("--previous",)))

    def _port(self, endpoint: str) -> int:
        ports = self.pod()["spec"]["containers"][0]["ports"]
        return int(next(port["containerPort"] for port in ports if port["name"] == endpoint))

    def _logs(self, *options: str) -> str:
        words = ("logs", f"deployment/{self.name}", "-c", CONTAINER, *options)
        return self.cluster.kubectl("-n", NAMESPACE, *words, check=False)

    def _pods(self) -> list[JsonObject]:
        labels = {"app.kubernetes.io/instance": self.release, "app.kubernetes.io/component": "operator"}
        found = items(self.cluster, NAMESPACE, "pods")
        return [pod for pod in found if labels.items() <= pod["metadata"].get("labels", {}).items()]

    def _ready(self) -> bool:
        with suppress(ValueError, StopIteration):  # no pod, two pods, or one whose container has no status yet
            return bool(_container(self.pod())["ready"])
        return False

    def _scale_to(self, number: int) -> None:
        self.cluster.kubectl("-n", NAMESPACE, "scale", "deployment", self.name, f"--replicas={number}")
        self._scale = number


@contextmanager
def told(cluster: Cluster, name: str = RELEASE) -> Iterator[None]:
    """Raise helm's failure as an AssertionError, with the log lines of the release's pods."""
    try:
        yield
    except HelmError as error:
        pods = cluster.kubectl("-n", NAMESPACE, "describe", "pods", check=False)
        logs = cluster.kubectl("-n", NAMESPACE, "logs", f"deployment/{name}", "--all-containers", "--tail=50", check=False)
        raise AssertionError(f"{error}\n{pods[-4000:]}\n{logs}") from error


def claim_namespace(cluster: Cluster) -> None:
    """Create the release's namespace, replacing a killed run's. Raises ClusterError if somebody else has one of that name."""
    found = [each for each in items(cluster, NAMESPACE, "namespaces") if each["metadata"]["name"] == NAMESPACE]
    if found and OURS not in found[0]["metadata"].get("labels", {}):
        raise ClusterError(f"there is a namespace {NAMESPACE} that is not of these tests: give them a cluster without runwatchman")
    if found:
        cluster.kubectl("delete", "namespace", NAMESPACE, IN_TIME)
    cluster.kubectl("create", "namespace", NAMESPACE)
    enforced = "pod-security.kubernetes.io/enforce=restricted"
    cluster.kubectl("label", "namespace", NAMESPACE, f"{OURS}=kind", enforced)


def _container(pod: JsonObject) -> JsonObject:
    statuses: list[JsonObject] = pod["status"].get("containerStatuses", [])
    return next(each for each in statuses if each["name"] == CONTAINER)
