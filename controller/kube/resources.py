"""The resources that the operator uses, and their API paths."""

from __future__ import annotations

from dataclasses import dataclass

from controller.api.names import GROUP, VERSION


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of the Kubernetes API."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    max_bytes: int = 32 * 2**20
    """Maximum JSON of one object that is decoded. etcd takes 1.5 MiB, and escapes can make that six times as long in JSON."""

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """Return the resource's path: a collection (cluster-wide where `namespace` is None) or one object."""
        parts = ["", "apis", self.group, self.version] if self.group else ["", "api", self.version]
        if namespace and self.namespaced:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        parts += [part for part in (name, subresource) if part]
        return "/".join(parts)


MAX_RUN_BYTES = 512 * 1024
"""Maximum JSON of a Run that is decoded; larger ones are Unreadable. The cache holds whole Runs, and users can create many."""

RUNS = Resource(GROUP, VERSION, "runs", "Run", max_bytes=MAX_RUN_BYTES)
RUN_POLICIES = Resource(GROUP, VERSION, "runpolicies", "RunPolicy")
ESCALATIONS = Resource(GROUP, VERSION, "escalations", "Escalation")
AGENT_REPORTS = Resource(GROUP, VERSION, "agentreports", "AgentReport")
PROVIDERS = Resource(GROUP, VERSION, "providers", "Provider")
HALTS = Resource(GROUP, VERSION, "halts", "Halt")
CLUSTER_HALTS = Resource(GROUP, VERSION, "clusterhalts", "ClusterHalt", namespaced=False)
PODS = Resource("", "v1", "pods", "Pod")
CLAIMS = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
SECRETS = Resource("", "v1", "secrets", "Secret")
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")
ROLE_BINDINGS = Resource("rbac.authorization.k8s.io", "v1", "rolebindings", "RoleBinding")
NETWORK_POLICIES = Resource("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")
EVENTS = Resource("", "v1", "events", "Event")
NODES = Resource("", "v1", "nodes", "Node", namespaced=False)
NAMESPACES = Resource("", "v1", "namespaces", "Namespace", namespaced=False)
LEASES = Resource("coordination.k8s.io", "v1", "leases", "Lease")
TOKEN_REVIEWS = Resource("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", namespaced=False)
SUBJECT_ACCESS_REVIEWS = Resource("authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False)
