"""The NetworkPolicy of the agents in a namespace, kept there before the first pod that needs it, and looked at now and then."""

from __future__ import annotations

import contextlib
from datetime import timedelta

from controller.api.base import JsonObject
from controller.kube.errors import AlreadyExists, Forbidden, NotFound
from controller.kube.resources import ENDPOINT_SLICES, NETWORK_POLICIES
from controller.reconcile.actions.dependencies import Tools
from controller.resources.network_policy_builder import (
    AGENTS_POLICY,
    LABEL_MANAGED_BY,
    MANAGED_BY,
    AgentsNetwork,
    Endpoint,
    endpoints,
    network_policy,
)

LOOK_AGAIN = timedelta(minutes=10)
"""How long a namespace's policy is taken to be as it was left: somebody may delete it, and an API server may move."""

API_SERVER = ("default", "kubernetes")
"""Namespace and name of the EndpointSlice in which the API server keeps its own addresses."""


async def isolate(tools: Tools, namespace: str) -> str:
    """Make sure that a namespace's agents have their NetworkPolicy; return why that was refused, empty where they have it."""
    looked = tools.isolated.get(namespace)
    if looked is not None and tools.now() - looked < LOOK_AGAIN:
        return ""
    try:
        await _keep(tools, namespace, network_policy(tools.network or AgentsNetwork(), await _api_server(tools)))
    except Forbidden as error:
        return (
            f"the operator may not keep the NetworkPolicy {AGENTS_POLICY} in namespace {namespace}: let it (role "
            f"runwarden-operator-network), or set `networkPolicy: Unmanaged` in the policy ({error.message})"
        )
    tools.isolated[namespace] = tools.now()
    return ""


async def _keep(tools: Tools, namespace: str, wanted: JsonObject) -> None:
    """Create the policy, or write it anew where it differs; one that somebody made by hand is left alone."""
    try:
        found = await tools.client.get(NETWORK_POLICIES, namespace, AGENTS_POLICY)
    except NotFound:
        with contextlib.suppress(AlreadyExists):
            await tools.client.create(NETWORK_POLICIES, namespace, wanted)
        return
    ours = found["metadata"].get("labels", {}).get(LABEL_MANAGED_BY) == MANAGED_BY
    if ours and found["spec"] != wanted["spec"]:
        await tools.client.replace(NETWORK_POLICIES, namespace, AGENTS_POLICY, {**found, "spec": wanted["spec"]})


async def _api_server(tools: Tools) -> tuple[Endpoint, ...]:
    """The API server's addresses, none where the operator may not read them: the installer's list then has to hold them."""
    with contextlib.suppress(Forbidden, NotFound):
        return endpoints(await tools.client.get(ENDPOINT_SLICES, *API_SERVER))
    return ()
