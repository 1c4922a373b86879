"""Reads what a namespace has for all of its pods: ranges of users and groups, and the pull secrets of its default ServiceAccount.

Both are read before a pod is created, and kept for a time: a start costs two small reads at most, a burst of starts almost none.
Without the right to read one of them, pods are built without it.
"""

from __future__ import annotations

import contextlib
from datetime import timedelta

from controller.api.base import JsonObject
from controller.api.pod_policy import Provision
from controller.facts.namespaces import fs_group, pull_secrets, user_range
from controller.kube.errors import Forbidden, NotFound
from controller.kube.resources import NAMESPACES, SERVICE_ACCOUNTS, Resource
from controller.reconcile.actions.dependencies import Tools

DEFAULT_ACCOUNT = "default"
"""The ServiceAccount of pods that name none, to which people attach their pull secrets."""

LIFETIMES = {NAMESPACES: timedelta(minutes=10), SERVICE_ACCOUNTS: timedelta(seconds=30)}
"""How long a read counts. A platform assigns ranges once, but people attach a pull secret when they see an image fail."""


async def provision(tools: Tools, namespace: str) -> Provision:
    """Return what the namespace has for its pods."""
    found = await _kept(tools, NAMESPACES, namespace, namespace)
    account = await _kept(tools, SERVICE_ACCOUNTS, namespace, DEFAULT_ACCOUNT)
    return Provision(user_range(found), fs_group(found), pull_secrets(account))


def forget(tools: Tools, namespace: str) -> None:
    """Have the next pod of a namespace built by a new read."""
    for resource in LIFETIMES:
        tools.provisions.pop((resource, namespace), None)


async def _kept(tools: Tools, resource: Resource, namespace: str, name: str) -> JsonObject:
    """Return an object, empty if it does not exist or may not be read."""
    kept = tools.provisions.get((resource, namespace))
    if kept is not None and tools.now() - kept[0] < LIFETIMES[resource]:
        return kept[1]
    found: JsonObject = {}
    with contextlib.suppress(Forbidden, NotFound):
        found = await tools.client.get(resource, namespace, name)
    tools.provisions[resource, namespace] = tools.now(), found
    return found
