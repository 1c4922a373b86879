"""The release with two operators: its leader, and the faults that are injected on the leader's node, without the API server."""

from __future__ import annotations

from dataclasses import dataclass

from tests.chaos.evidence import Evidence
from tests.chart.helm import NAMESPACE, RELEASE
from tests.cluster.kind import KindCluster
from tests.support import await_that, items

REPLICAS = 2
TWO = f"--set=replicas={REPLICAS}"
LEASES = "leases"
READY_SECONDS = 300.0
QUICK_LEASE = ("--set=lease.durationSeconds=6,lease.renewDeadlineSeconds=4,lease.retryPeriodSeconds=1",)
"""Sixty takeovers with the chart's fifteen seconds would take half an hour longer; --patient uses those."""
OF_POD = 'for p in $(pgrep -f "$2"); do ! grep -qE "pod($1|$(echo $1 | tr - _))" /proc/$p/cgroup || { echo $p; exit; }; done'
"""The first process on a node whose command is like $2 and whose cgroup is that of the pod with UID $1."""
OPERATOR, ANYTHING = "runwatchman operator", "."


@dataclass(frozen=True, slots=True)
class Leader:
    """An operator that held the Lease at the time of the lookup; `pid` is the one on its node."""

    identity: str
    pod: str
    uid: str
    node: str
    pid: str


@dataclass(frozen=True, slots=True)
class Release:
    """The release that helm has installed. `evidence` must include Leases, too."""

    cluster: KindCluster
    evidence: Evidence

    def holder(self) -> str:
        """Return the holder of the Lease, empty without one."""
        spec = self.evidence.newest(LEASES, NAMESPACE, RELEASE).get("spec", {})
        return str(spec.get("holderIdentity") or "")

    def leader(self) -> Leader:
        """Return the current leader, once there is one with a process."""
        found: Leader = await_that(self._leader, "a leader that lives", READY_SECONDS)
        return found

    def lives(self, leader: Leader) -> bool:
        """Whether the very same process still exists."""
        return self._process(leader.node, leader.uid, OPERATOR) == leader.pid

    def signal(self, leader: Leader, name: str) -> None:
        """Send a signal to the leader's process, on its node."""
        self.cluster.on_node(leader.node, "kill", f"-{name}", leader.pid)

    def cut(self, leader: Leader) -> None:
        """Block all traffic between the leader's pod and the API server, in both directions."""
        self._firewall(leader, "-I")

    def mend(self, leader: Leader) -> None:
        """Allow all traffic again; the pod's network outlives its containers."""
        self._firewall(leader, "-D")

    def replace(self, leader: Leader) -> None:
        """Replace the former leader's pod, unless it leads again: kubelets delay restarts of containers that crash often."""
        if not self.holder().startswith(leader.pod):
            self.cluster.kubectl("-n", NAMESPACE, "delete", "pod", leader.pod, "--ignore-not-found")
        await_that(self.ready, "two operators that are ready", READY_SECONDS)

    def ready(self) -> bool:
        """Whether every operator is ready, without additional ones."""
        pods = [pod for pod in items(self.cluster, NAMESPACE, "pods") if "deletionTimestamp" not in pod["metadata"]]
        told = [c["status"] for pod in pods for c in pod["status"].get("conditions", []) if c["type"] == "Ready"]
        return told == ["True"] * REPLICAS

    def _leader(self) -> Leader | None:
        holder = self.holder()
        for pod in items(self.cluster, NAMESPACE, "pods"):
            name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
            if holder.startswith(f"{name}_") and (pid := self._process(pod["spec"]["nodeName"], uid, OPERATOR)):
                return Leader(holder, name, uid, pod["spec"]["nodeName"], pid)
        return None

    def _process(self, node: str, uid: str, like: str) -> str:
        return self.cluster.on_node(node, "sh", "-c", OF_POD, "sh", uid, like).strip()

    def _firewall(self, leader: Leader, action: str) -> None:
        server = self.cluster.kubectl("-n", "default", "get", "service", "kubernetes", "-o", "jsonpath={.spec.clusterIP}")
        inside = ("nsenter", "-t", self._process(leader.node, leader.uid, ANYTHING), "-n", "iptables", "-w", action)
        self.cluster.on_node(leader.node, *inside, "OUTPUT", "-d", server, "-j", "DROP")
        self.cluster.on_node(leader.node, *inside, "INPUT", "-s", server, "-j", "DROP")
