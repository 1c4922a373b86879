"""The only importer of kopf, which discovers, lists and watches the custom resources. No handler decides or writes.

kopf keeps each watch alive: it connects again after an error or a timeout, lists again after 410 Gone, and asks for credentials.
Its session (`session.py`) passes the objects to the sinks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import kopf

from controller.kube.client import Client
from controller.kube.connection import Connection
from controller.kube.reflector import Sink, apply_event
from controller.kube.resources import Resource
from controller.kube.responses import Subscription
from controller.kube.session import WatchSession

FINALIZER = "runwatchman.dev/kopf"
"""kopf's finalizer. It is never set, since no handler needs one; the name cannot be mistaken for another operator's."""


def build_registry(
    sinks: dict[Resource, Sink], connection: Connection, client: Client, namespaces: Sequence[str | None]
) -> kopf.OperatorRegistry:
    """Return a registry with which kopf watches these resources in these namespaces (None: all), and fills their sinks."""
    registry = kopf.OperatorRegistry()
    for resource, sink in sinks.items():
        _on_event(registry, resource, sink)
    subscriptions = {
        resource.path(where): Subscription(resource, where, sinks[resource]) for resource in sinks for where in namespaces
    }

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.AiohttpSession:
        session: Any = WatchSession(connection, client, subscriptions)
        return kopf.AiohttpSession(aiohttp_session=session, server=connection.server, default_namespace=connection.namespace)

    return registry


def _on_event(registry: kopf.OperatorRegistry, resource: Resource, sink: Sink) -> None:
    """Register a handler, without which kopf does not watch a resource.

    The session has passed each event to the sink before, so kopf calls it only for a watch that the session does not recognise.
    """

    @kopf.on.event(resource.group, resource.version, resource.plural, registry=registry)
    async def handle(event: kopf.RawEvent, **_: Any) -> None:
        apply_event(sink, event["type"], dict(event["object"]))


def build_settings() -> kopf.OperatorSettings:
    """Return kopf's settings: it watches, and writes nothing."""
    settings = kopf.OperatorSettings()
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.watching.connect_timeout = 10
    settings.networking.request_timeout = 30
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.persistence.finalizer = FINALIZER
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
