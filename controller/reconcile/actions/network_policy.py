"""Keeps the NetworkPolicy for a namespace's agents: created before the first pod that needs it, checked every ten minutes."""

from __future__ import annotations

import contextlib
from datetime import timedelta

from controller.api.base import JsonObject
from controller.kube.errors import AlreadyExists, ApiError, Forbidden, NotFound, refused_for_good
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
"""Time until a namespace's policy is checked again: somebody may delete it, and the API server's address may change."""

API_SERVER = ("default", "kubernetes")
"""Namespace and name of the EndpointSlice in which the API server keeps its own addresses."""


async def isolate(tools: Tools, namespace: str) -> str:
    """Ensure the NetworkPolicy of a namespace's agents; return the reason if that was refused, else an empty text."""
    looked = tools.isolated.get(namespace)
    if looked is not None and tools.now() - looked < LOOK_AGAIN:
        return ""
    try:
        await _keep(tools, namespace, network_policy(tools.network or AgentsNetwork(), await _api_server(tools)))
    except ApiError as error:
        if not refused_for_good(error):
            raise
        return (
            f"the operator may not keep the NetworkPolicy {AGENTS_POLICY} in namespace {namespace}: let it (role "
            f"runwatchman-operator-network), or set `networkPolicy: Unmanaged` in the policy ({error.message})"
        )
    tools.isolated[namespace] = tools.now()
    return ""


async def _keep(tools: Tools, namespace: str, wanted: JsonObject) -> None:
    """Create the policy, or replace it if it differs. A policy without our label belongs to somebody else and stays."""
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
    """Return the API server's addresses; none if the operator may not read them, when the installer's list has to contain them."""
    with contextlib.suppress(Forbidden, NotFound):
        return endpoints(await tools.client.get(ENDPOINT_SLICES, *API_SERVER))
    return ()
