"""Pure: a pod in which a person works in an agent's workspace while the agent does not run.

It is no attempt's pod: it has no label by which the operator finds pods, and no name that an attempt can have. It has nothing of
the agent's environment, Secrets or token. What an agent left in the workspace may run in it, so it has no more rights and no other
network than the agent's pod had.
"""

from __future__ import annotations

from controller.api.names import API_VERSION, LABEL_NETWORK
from controller.cli.rw.containers import judged
from controller.cli.rw.objects import JsonObject, label, name_of

CONTAINER = "shell"
WORKSPACE_DIR = "/workspace"
"""Mount path of the workspace unless the Run sets another one, as in `controller.resources.pod_builder`."""

AGENT_USER = 10001
"""User of an agent that has none, as in `controller.api.pod_policy`, which is slow to import."""

MANAGED = "managed"
"""The value of LABEL_NETWORK on the pods that the operator's NetworkPolicy selects."""

LIFETIME_SECONDS = 8 * 3600
"""Time after which the pod ends if the command that made it could not remove it."""

IDLE = ("sh", "-c", f"trap 'exit 0' TERM; sleep {LIFETIME_SECONDS} & wait")
WORK = 'cd -- "$1" || exit; shift; [ $# -gt 0 ] || set -- "$(command -v bash || command -v sh)"; exec "$@"'
"""Runs the command after the directory in that directory, or a shell without a command."""

RESOURCES: JsonObject = {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}}
PLACEMENT = ("hostUsers", "imagePullSecrets", "nodeSelector", "runtimeClassName", "schedulerName", "tolerations")
"""Fields of the agent's pod by which this one gets the same image, the same kind of node and the same sandbox."""

USERS = ("runAsUser", "runAsGroup", "fsGroup", "supplementalGroups", "seLinuxOptions")


def mount_path(agent: JsonObject) -> str:
    """Return where an agent's workspace is mounted."""
    found: str = (agent.get("workspace") or {}).get("mountPath", WORKSPACE_DIR)
    return found


def work_in(directory: str, command: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words that run a command, or a shell, in a directory of a container."""
    return ("sh", "-c", WORK, "sh", directory, *command)


def shell_pod(run: JsonObject, agent: JsonObject, name: str, claim: str, last: JsonObject | None, image: str | None) -> JsonObject:
    """Return the pod. `last` is the newest pod of the agent, from which it has its users and its image, None if none is left."""
    spec = last["spec"] if last else {}
    container = _judged_container(run, agent, last)
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": {"app.kubernetes.io/name": "kubectl-rw-shell", **_network(last)},
            "ownerReferences": [
                {"apiVersion": API_VERSION, "kind": "Run", "name": name_of(run), "uid": run["metadata"]["uid"]},
            ],
        },
        "spec": {
            **{field: spec[field] for field in PLACEMENT if field in spec},
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "activeDeadlineSeconds": LIFETIME_SECONDS,
            "terminationGracePeriodSeconds": 1,
            "securityContext": _pod_security(spec.get("securityContext") or {}),
            **_near(spec.get("nodeName")),
            "containers": [
                {
                    "name": CONTAINER,
                    "image": image or container["image"],
                    "command": list(IDLE),
                    "workingDir": mount_path(agent),
                    "env": _safe_directory(mount_path(agent)),
                    "resources": RESOURCES,
                    "securityContext": _container_security(container.get("securityContext") or {}),
                    "volumeMounts": [{"name": "workspace", "mountPath": mount_path(agent)}],
                }
            ],
            "volumes": [{"name": "workspace", "persistentVolumeClaim": {"claimName": claim}}],
        },
    }


def _judged_container(run: JsonObject, agent: JsonObject, last: JsonObject | None) -> JsonObject:
    """Return the agent's container: of its pod, else of its template, else its short form."""
    if last is not None:
        wanted = judged(run, last)
        return next(c for c in last["spec"]["containers"] if c["name"] == wanted)
    containers: list[JsonObject] = (agent.get("template") or {}).get("spec", {}).get("containers", ())
    named = [c for c in containers if c.get("name") == "agent"] or list(containers)
    return named[0] if named else agent


def _network(last: JsonObject | None) -> dict[str, str]:
    value = label(last, LABEL_NETWORK) if last else MANAGED
    return {LABEL_NETWORK: value} if value else {}


def _pod_security(given: JsonObject) -> JsonObject:
    users = {key: given[key] for key in USERS if key in given}
    return {
        "runAsUser": AGENT_USER,
        "fsGroup": AGENT_USER,
        **users,
        "runAsNonRoot": True,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _container_security(given: JsonObject) -> JsonObject:
    users = {key: given[key] for key in USERS if key in given}
    return {**users, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def _near(node: str | None) -> JsonObject:
    """Return the affinity to the node of the agent's last pod: a volume of one node is there already."""
    if not node:
        return {}
    there = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    return {
        "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": there}]}}
    }


def _safe_directory(workspace: str) -> list[JsonObject]:
    """Return the environment by which git trusts a repository in the workspace, whose root belongs to root."""
    settings = {"GIT_CONFIG_COUNT": "2"}
    for index, directory in enumerate((workspace, f"{workspace}/*")):
        settings |= {f"GIT_CONFIG_KEY_{index}": "safe.directory", f"GIT_CONFIG_VALUE_{index}": directory}
    return [{"name": name, "value": value} for name, value in settings.items()]
