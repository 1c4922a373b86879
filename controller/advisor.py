"""From the settings to the advisor that they name, and to the parts of a Run that it is shown beside what the plan saw."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry

from controller.adapter.adapter import LocalAdapter
from controller.adapter.client import SocketAdvisor
from controller.adapter.commands import load
from controller.adapter.metrics import AdvisorMetrics
from controller.builders import container_name
from controller.cluster.client import Client
from controller.consultations import Consultations, LogTail
from controller.consulting import Advisor
from controller.plan.situation import Situation
from controller.plan.snapshot import Snapshot
from controller.settings import Settings

LOG_LINES, LOG_BYTES = 60, 16_384
"""How much of the end of an agent's log is read for the advisor, which is shown less of it."""


def make_advisor(settings: Settings, registry: CollectorRegistry) -> Advisor | None:
    """Return whom the operator asks; None where it has no advisor. Raises RunwardenError for commands that cannot be read."""
    match settings.adapter:
        case "socket":
            return SocketAdvisor(settings.adapter_socket)
        case "local":
            return LocalAdapter(load(settings.adapter_commands), metrics=AdvisorMetrics(registry), monotonic=time.monotonic)
        case _:
            return None


def log_tail(client: Client) -> LogTail:
    """Return what fetches the end of an agent's log; empty for one whose pod is gone or never ran."""

    async def fetch(snapshot: Snapshot, agent: str) -> str:
        at = Situation(snapshot, client.server_now())
        pod = at.own_pod(agent)
        spec = next((a for a in at.agents if a.name == agent), None)
        if pod is None or spec is None or not pod.bound:
            return ""
        return await client.log_tail(snapshot.run.namespace, pod.name, container_name(spec), LOG_LINES, LOG_BYTES)

    return fetch


@asynccontextmanager
async def closed_after(consultations: Consultations | None) -> AsyncIterator[None]:
    """End the consultations that are under way when the context ends."""
    try:
        yield
    finally:
        if consultations:
            await consultations.close()
