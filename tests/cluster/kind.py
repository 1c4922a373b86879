"""kind, on every machine that can run it: with the running Docker engine, or as root on Debian with a private one."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.cluster import dockerd
from tests.cluster.base import Cluster
from tests.cluster.binaries import find
from tests.cluster.kind_config import ARCHIVES, POD_RANGE, SERVICE_RANGE, config, files_of
from tests.cluster.nodeimage import is_own, node_image
from tests.cluster.processes import Record, run, wait_until
from tests.cluster.progress import ClusterError, taking
from tests.cluster.settings import cache_dir, runtime_dir

VOLUMES_PER_NODE = 40
"""More than a test session claims: a released volume is not used again."""
ALONE_PER_NODE = 8
"""The number of these for a single pod: Kubernetes does not allow that mode together with others."""
MODES = {True: ["ReadWriteOncePod"], False: ["ReadWriteOnce", "ReadWriteMany"]}
VOLUME_SIZE = "10Gi"
IMPORT = ("ctr", "-n", "k8s.io", "images", "import", "--all-platforms", "--digests", "--no-unpack")
READY_SECONDS = 120.0
REMOVED_SECONDS = 60.0


@dataclass
class KindCluster(Cluster):
    """Real kubelets and containers."""

    nodes: tuple[str, ...] = ()
    env: dict[str, str] | None = None

    def on_node(self, node: str, *command: str) -> str:
        """Run a command on a node and return its output. Raises ClusterError."""
        return run(["docker", "exec", node, *command], env=self.env)

    def gateway(self) -> tuple[str, str]:
        """Return this machine's address for pods, and the network that their connections come from. Raises ClusterError."""
        configured = run(["docker", "network", "inspect", "kind", "--format", "{{json .IPAM.Config}}"], env=self.env)
        networks = [each for each in json.loads(configured) if ":" not in each["Subnet"] and each.get("Gateway")]
        if not networks:
            raise ClusterError(f"the network of {self.name} has no IPv4 gateway: {configured}")
        return networks[0]["Gateway"], networks[0]["Subnet"]

    def load(self, archive: Path) -> None:
        """Load the image of a docker archive in the cache on every node, which unpacks it for its first container.

        `kind load` would send it to each node through the engine, which takes as much CPU as the import, and unpack it everywhere.
        """
        inside = f"{ARCHIVES}/{archive.relative_to(cache_dir())}"
        for node in self.nodes:
            self.on_node(node, *IMPORT, inside)

    def export_logs(self, to: Path, *namespaces: str) -> None:
        """Let kind collect the nodes' logs into a folder, including those of every existing pod."""
        super().export_logs(to, *namespaces)
        command = [str(find(["kind"])["kind"]), "export", "logs", "--name", self.name, str(to)]
        subprocess.run(command, env=self.env, capture_output=True, check=False)  # as far as possible: our image has no crictl


def kind_unavailable() -> str:
    """Return why kind cannot run here, empty if it can."""
    return dockerd.unavailable()


def start_kind(name: str, directory: Path, *, nodes: int, garbage: bool) -> KindCluster:
    """Bring up a kind cluster whose nodes are ready, with volumes to claim; its control plane may leave much garbage.

    Raises ClusterError.
    """
    env = dockerd.engine()
    image = node_image(env)
    own = is_own(image)
    programs = find(["kind", "kubectl"])
    kubeconfig = directory / "kubeconfig"
    path = directory / "kind.yaml"
    path.write_text(yaml.safe_dump(config(nodes, files_of(directory, garbage=garbage), own=own, garbage=garbage)))
    command = [str(programs["kind"]), "create", "cluster", "--name", name, "--image", image]
    with taking(f"kind cluster {name} with {nodes} node(s)", "25 s"):
        command += ["--config", str(path), "--kubeconfig", str(kubeconfig)]
        run(command, env=env, log=directory / "kind.log", record=Record(directory / "processes"))
        found = run([str(programs["kind"]), "get", "nodes", "--name", name], env=env).split()
        cluster = KindCluster(name, "kind", directory, kubeconfig, programs["kubectl"], None, tuple(sorted(found)), env)
        if own:
            _connect(cluster)
            _give_volumes(cluster)
            cluster.kubectl("-n", "kube-system", "delete", "deployment", "coredns")  # its image is not built: it is not needed here
        cluster.kubectl("taint", "node", "--all", "node-role.kubernetes.io/control-plane-", check=False)  # it runs pods, too
        cluster.kubectl("wait", "node", "--all", "--for=condition=Ready", "--timeout=120s")
        _await_default_account(cluster)
    return cluster


def remove_kind(name: str, directory: Path) -> None:
    """Remove a kind cluster, and with the last one the private engine."""
    env = dockerd.running_engine()
    if env and not wait_until(lambda: _without_nodes(name, env), REMOVED_SECONDS, 0.5):
        raise ClusterError(f"the nodes of {name} come back as they are deleted: look at `docker ps`, then end it again")
    (directory / "cluster.json").unlink(missing_ok=True)
    stop_idle_engine(env)


def _without_nodes(name: str, env: dict[str, str]) -> bool:
    """Delete a cluster's nodes and list them again: a `docker run` of a killed creation may still be at work."""
    run([str(find(["kind"])["kind"]), "delete", "cluster", "--name", name], env=env)
    return not run(["docker", "ps", "-aq", "--filter", f"label=io.x-k8s.kind.cluster={name}"], env=env)


def stop_idle_engine(env: dict[str, str] | None) -> None:
    """End the private engine if no cluster of ours exists, or is being created, that needs it."""
    with dockerd.nobody_else_starts_or_ends_it():
        if any('"kind"' in path.read_text() for path in runtime_dir().glob("*/cluster.json")):
            return
        if env and dockerd.is_private(env):
            subprocess.run(["docker", "network", "rm", "kind"], env=env, capture_output=True, check=False)
        dockerd.stop_private_engine()


def _connect(cluster: KindCluster) -> None:
    """Give every node its bridge, and a route to every other node's pods.

    Addresses without a pod or Service must not leave through the default route: they are unreachable.
    """
    listed: list[dict[str, str]] = []

    def assigned() -> bool:
        items = yaml.safe_load(cluster.kubectl("get", "nodes", "-o", "yaml"))["items"]
        listed[:] = [_node_facts(item) for item in items]
        return len(listed) == len(cluster.nodes) and all(node["range"] and node["address"] for node in listed)

    if not wait_until(assigned, READY_SECONDS, 0.5):
        raise ClusterError(f"the nodes of {cluster.name} were given no pod ranges in {READY_SECONDS:.0f} s")
    for node in listed:
        script = [f"ip route replace unreachable {gap}" for gap in (POD_RANGE, SERVICE_RANGE)]
        script += [f"ip route replace {other['range']} via {other['address']}" for other in listed if other is not node]
        script.append(f"printf '%s' '{_conflist(node['range'])}' > /etc/cni/net.d/10-bridge.conflist")
        cluster.on_node(node["name"], "sh", "-euc", "\n".join(script))


def _node_facts(node: dict[str, dict[str, object]]) -> dict[str, str]:
    addresses = node["status"]["addresses"]
    internal = [a["address"] for a in addresses if a["type"] == "InternalIP"] if isinstance(addresses, list) else []
    return {
        "name": str(node["metadata"]["name"]),
        "range": str(node["spec"].get("podCIDR", "")),
        "address": str(internal[0]) if internal else "",
    }


def _conflist(pod_range: str) -> str:
    return f"""{{"cniVersion": "0.4.0", "name": "runwatchman", "plugins": [
 {{"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
  "ipam": {{"type": "host-local", "ranges": [[{{"subnet": "{pod_range}"}}]], "routes": [{{"dst": "0.0.0.0/0"}}]}}}},
 {{"type": "portmap", "capabilities": {{"portMappings": true}}}}]}}"""


def _give_volumes(cluster: KindCluster) -> None:
    """Create local volumes for claims to bind to: our node image has no provisioner."""
    volumes = []
    for node in cluster.nodes:
        paths = [f"/var/runwatchman/volume-{number}" for number in range(VOLUMES_PER_NODE)]
        cluster.on_node(node, "mkdir", "-p", *paths)
        volumes += [_volume(f"{node}-{number}", node, path, MODES[number < ALONE_PER_NODE]) for number, path in enumerate(paths)]
    cluster.kubectl("apply", "-f", "-", stdin=yaml.safe_dump_all(volumes))


def _volume(name: str, node: str, path: str, modes: list[str]) -> dict[str, object]:
    on_node = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": VOLUME_SIZE},
            "accessModes": modes,
            "storageClassName": "standard",
            "persistentVolumeReclaimPolicy": "Retain",
            "local": {"path": path},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [on_node]}]}},
        },
    }


def _await_default_account(cluster: KindCluster) -> None:
    def there() -> bool:
        return "default" in cluster.kubectl("get", "serviceaccount", "-n", "default", "-o", "name", check=False)

    if not wait_until(there, READY_SECONDS, 0.3):
        raise ClusterError(f"cluster {cluster.name} has no default service account: its controller-manager does not work")
