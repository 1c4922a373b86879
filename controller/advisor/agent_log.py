"""Reads the end of an agent's log for the advisor's prompt."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from controller.api.pod_template import container_name
from controller.kube.client import Client
from controller.plan.context import PlanContext

LOG_LINES, LOG_BYTES = 60, 16_384
"""The end of an agent's log that is read for the advisor; its prompt shows less."""

LogTail = Callable[[PlanContext, str], Awaitable[str]]
"""Fetches the last lines of an agent's log. May raise ApiError."""


def log_tail(client: Client) -> LogTail:
    """Return what fetches the end of an agent's log; empty for one whose pod is gone or never ran."""

    async def fetch(at: PlanContext, agent: str) -> str:
        pod = at.own_pod(agent)
        container = container_name(at.snapshot.run.spec, agent)
        if pod is None or not container or not pod.bound:
            return ""
        return await client.log_tail(at.snapshot.run.namespace, pod.name, container, LOG_LINES, LOG_BYTES)

    return fetch
