"""The only importer of kopf: passes events of custom resources to the cache and the queue. No handler decides or writes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import kopf

from controller.kube.client import Client
from controller.kube.connection import Connection
from controller.kube.reflector import Sink, relist
from controller.kube.resources import Resource
from controller.kube.session import WatchSession

FINALIZER = "runwarden.dev/kopf"
"""kopf's finalizer. It is never set, since no handler needs one; the name cannot be mistaken for another operator's."""

IDLE_SECONDS = 0.05
"""How long kopf keeps an idle per-object worker; short, since each busy object has a task."""


def build_registry(
    sinks: dict[Resource, Sink], connection: Connection, client: Client, namespaces: Sequence[str | None]
) -> kopf.OperatorRegistry:
    """Return a registry whose event handlers pass every object of these resources and namespaces (None: all) to its sink."""
    registry = kopf.OperatorRegistry()
    for resource, sink in sinks.items():
        _on_event(registry, resource, sink)
    watched = {resource.path(namespace): (resource, namespace) for resource in sinks for namespace in namespaces}

    async def taken_in(resource: Resource, namespace: str | None) -> str:
        return await relist(client, resource, namespace, sinks[resource])

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.AiohttpSession:
        session: Any = WatchSession(connection, watched, taken_in)
        return kopf.AiohttpSession(aiohttp_session=session, server=connection.server, default_namespace=connection.namespace)

    return registry


def _on_event(registry: kopf.OperatorRegistry, resource: Resource, sink: Sink) -> None:
    @kopf.on.event(resource.group, resource.version, resource.plural, registry=registry)
    async def handle(event: kopf.RawEvent, **_: Any) -> None:
        obj: dict[str, Any] = dict(event["object"])
        if event["type"] == "DELETED":
            sink.remove(obj)
        else:
            sink.upsert(obj)


class NoopDiffBaseStorage(kopf.DiffBaseStorage):
    """Stores no last-handled state. No handler needs a diff, yet kopf's default copies every object deeply to compute one."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        """Return nothing to compare."""
        return kopf.BodyEssence()

    def fetch(self, **_: Any) -> None:
        """Return nothing to compare with."""

    def store(self, **_: Any) -> None:
        """Store nothing."""


def build_settings() -> kopf.OperatorSettings:
    """Return kopf's settings, measured to be best for many objects; see docs/architecture.md."""
    settings = kopf.OperatorSettings()
    settings.queueing.idle_timeout = IDLE_SECONDS
    settings.queueing.worker_limit = None
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.watching.connect_timeout = 10
    settings.networking.request_timeout = 30
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.persistence.finalizer = FINALIZER
    settings.persistence.diffbase_storage = NoopDiffBaseStorage()
    return settings


async def watch(registry: kopf.OperatorRegistry, namespaces: Sequence[str], ready: asyncio.Event) -> None:
    """Watch the registry's resources until cancelled; no namespaces means all. Raises the error that ends a watcher."""
    await kopf.operator(
        registry=registry,
        settings=build_settings(),
        standalone=True,
        clusterwide=not namespaces,
        namespaces=namespaces,
        ready_flag=ready,
    )
