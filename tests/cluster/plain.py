"""The plainest commands of kubectl in this process: each object is one request over the connection that is kept.

They are most of what tests do to a cluster, and kubectl needs a process, a handshake and reads of the API's kinds for each. A
command with a verb, flag or kind that is not here goes to kubectl itself. `tests/api/test_cluster_api.py` compares the two.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from subprocess import CompletedProcess
from typing import Any
from urllib.parse import urlencode

import yaml

from tests.cluster.progress import ClusterError
from tests.cluster.reading import Reader

Json = dict[str, Any]
RUNWATCHMAN, RBAC = "runwatchman.dev/v1alpha1", "rbac.authorization.k8s.io/v1"
NAMESPACED = {
    "v1": ("Pod", "Secret", "ConfigMap", "ServiceAccount", "PersistentVolumeClaim", "ResourceQuota", "Event"),
    RUNWATCHMAN: ("Run", "RunPolicy", "Escalation", "AgentReport", "Provider"),
    RBAC: ("Role", "RoleBinding"),
    "batch/v1": ("Job",),
    "coordination.k8s.io/v1": ("Lease",),
}
EVERYWHERE = {"v1": ("Namespace",), RBAC: ("ClusterRole", "ClusterRoleBinding")}
"""The kinds that are known here, by their groups: those of a namespace, and the others."""
DRY = {"--dry-run=server": ("dryRun", "All")}
VALIDATED = {"--validate=false": ("fieldValidation", "Ignore"), "--validate=ignore": ("fieldValidation", "Ignore")}
STRICT = {"fieldValidation": "Strict"}
MERGE, APPLY = "application/merge-patch+json", "application/apply-patch+yaml"


def plural(kind: str) -> str:
    """Return the name of a kind's collection."""
    lower = kind.lower()
    return f"{lower[:-1]}ies" if lower.endswith("y") else f"{lower}s"


def root(version: str) -> str:
    """Return the path of a group and version."""
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


PATHS = {
    **{(v, kind): f"{root(v)}/namespaces/{{0}}/{plural(kind)}" for v, kinds in NAMESPACED.items() for kind in kinds},
    **{(v, kind): f"{root(v)}/{plural(kind)}" for v, kinds in EVERYWHERE.items() for kind in kinds},
}
"""The paths of collections, by version and kind."""
NAMES = {name: path for (_, kind), path in PATHS.items() for name in (kind.lower(), plural(kind))}
"""The same by the words of a command."""


@dataclass(frozen=True)
class Request:
    """One request, with the words that kubectl prints for it."""

    words: str
    method: str
    path: str
    body: Json
    query: dict[str, str]
    media: str = "application/json"


def run(reader: Reader, args: tuple[str, ...], stdin: str | None) -> CompletedProcess[str] | None:
    """Return the end of a plain command, None for one that kubectl has to run."""
    try:
        requests = requests_of(args, stdin)
    except (RecursionError, ValueError, yaml.YAMLError):  # kubectl reads deeper texts, and knows what is wrong with others
        requests = None
    if requests is None:
        return None
    out, errors = "", ""
    for each in requests:
        try:
            send(reader, each)
            out += f"{each.words}\n"
        except ClusterError as error:
            errors += f"{error}\n"
    return CompletedProcess(args, int(bool(errors)), out, errors)


def send(reader: Reader, request: Request) -> Json | None:
    """Send a request and return the answer. Raises RefusedError."""
    path = f"{request.path}?{urlencode(request.query)}" if request.query else request.path
    return reader.send(request.method, path, request.body, request.media)


def requests_of(args: tuple[str, ...], stdin: str | None) -> list[Request] | None:
    """Return the requests of a plain command, None for any other."""
    words, flags = [arg for arg in args if not arg.startswith("--")], [arg for arg in args if arg.startswith("--")]
    namespace, words = (words[1], words[2:]) if words[:1] == ["-n"] else ("default", words)
    match words:
        case ["create", "-f", "-"]:
            made = [creation(namespace, each, flags) for each in documents(stdin or "")]
        case ["patch", target, "-p", body] if "--type=merge" in flags:
            made = [change(namespace, target, body, flags)]
        case ["patch", kind, name, "-p", body] if "--type=merge" in flags:
            made = [change(namespace, f"{kind}/{name}", body, flags)]
        case _:
            return None
    return None if None in made else [each for each in made if each]


def documents(text: str) -> Iterator[Json]:
    """Yield the objects of a text, those of lists one by one."""
    for each in [json.loads(text)] if text.startswith("{") else yaml.load_all(text, yaml.CSafeLoader):
        yield from each["items"] if each.get("kind") == "List" else [each]


def creation(namespace: str, obj: Json, flags: list[str]) -> Request | None:
    """Return the creation of an object; one of another namespace is kubectl's to refuse."""
    known = DRY | VALIDATED
    path, name = collection(namespace, obj), obj.get("metadata", {}).get("name")
    if not path or not name or not known.keys() >= set(flags):
        return None
    query = {"fieldManager": "kubectl-create"} | STRICT | dict(known[flag] for flag in flags)
    return Request(f"{obj['kind'].lower()}/{name} created", "POST", path, obj, query)


def collection(namespace: str, obj: Json) -> str:
    """Return the path of an object's collection, empty if it is not known or in another namespace."""
    path = PATHS.get((obj.get("apiVersion", ""), obj.get("kind", "")), "")
    return path.format(namespace) if obj.get("metadata", {}).get("namespace", namespace) == namespace else ""


def change(namespace: str, target: str, body: str, flags: list[str]) -> Request | None:
    """Return the merge patch of an object or its status."""
    kind, _, name = target.partition("/")
    fixed = {"--type=merge": "", "--subresource=status": "/status"}
    query = dict(DRY.get(flag, (flag.partition("=")[0], flag.partition("=")[2])) for flag in flags if flag not in fixed)
    manager = query.pop("--field-manager", "kubectl-patch")
    if kind not in NAMES or query.keys() - {"dryRun"}:
        return None
    path = f"{NAMES[kind].format(namespace)}/{name}{''.join(fixed.get(flag, '') for flag in flags)}"
    return Request(f"{target} patched", "PATCH", path, json.loads(body), {"fieldManager": manager} | query, MERGE)


def apply(reader: Reader, namespace: str, obj: Json) -> bool:
    """Apply an object on the server, as the manager that kubectl is; return whether its kind is known. Raises RefusedError."""
    path, query = collection(namespace, obj), {"fieldManager": "kubectl", "force": "true"}
    if path:
        send(reader, Request("", "PATCH", f"{path}/{obj['metadata']['name']}", obj, STRICT | query, APPLY))
    return bool(path)
