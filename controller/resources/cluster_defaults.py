"""Pure: gives an agent's pod what a policy sets for its cluster: variables, a CA bundle and nodes.

A template's own values come first.
The reporter gets only the nodes, because it reaches nothing but the API server.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.api.base import JsonObject, dump
from controller.api.ca_bundle import CaBundle
from controller.api.policy import RunPolicySpec
from controller.api.template_values import RESERVED_DIR

CA_VOLUME, CA_DIR, CA_FILE = "runwatchman-ca", f"{RESERVED_DIR}/ca", "ca.crt"
CA_VARIABLES = ("SSL_CERT_FILE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE")
"""Variables by which OpenSSL and Go, curl, git, Node.js and Python's requests find a CA bundle."""


def add_cluster_defaults(spec: JsonObject, policy: RunPolicySpec) -> None:
    """Add the policy's values to a pod's spec and its containers, the reporter not among them yet."""
    if policy.node_selector:
        spec["nodeSelector"] = {**policy.node_selector, **(spec.get("nodeSelector") or {})}
    if policy.tolerations:
        given = spec.get("tolerations") or []
        spec["tolerations"] = [*given, *(each for each in map(dump, policy.tolerations) if each not in given)]
    if policy.ca_bundle:
        spec["volumes"] = [*(spec.get("volumes") or []), _volume(policy.ca_bundle)]
    variables = dict(_variables(policy))
    for container in [*spec["containers"], *(spec.get("initContainers") or [])]:
        _add_variables(container, variables)
        if policy.ca_bundle:
            mount = {"name": CA_VOLUME, "mountPath": CA_DIR, "readOnly": True}
            container["volumeMounts"] = [*(container.get("volumeMounts") or []), mount]


def _variables(policy: RunPolicySpec) -> Iterator[tuple[str, str]]:
    if policy.ca_bundle:
        yield from ((name, f"{CA_DIR}/{CA_FILE}") for name in CA_VARIABLES)
    yield from ((variable.name, variable.value) for variable in policy.env or ())


def _add_variables(container: JsonObject, variables: dict[str, str]) -> None:
    """Put the variables that a container does not set before its own, which may refer to them."""
    own = container.get("env") or []
    taken = {variable["name"] for variable in own}
    if missing := [{"name": name, "value": value} for name, value in variables.items() if name not in taken]:
        container["env"] = [*missing, *own]


def _volume(bundle: CaBundle) -> JsonObject:
    return {"name": CA_VOLUME, "configMap": {"name": bundle.config_map_name, "items": [{"key": bundle.key, "path": CA_FILE}]}}
