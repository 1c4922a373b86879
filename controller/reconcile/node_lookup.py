"""Reads live whether a node is lost: only then a running pod's status cannot be trusted."""

from __future__ import annotations

from datetime import datetime

import structlog

from controller.facts.pods import node_lost_since
from controller.kube.client import Client
from controller.kube.errors import Forbidden, NotFound
from controller.kube.resources import NODES
from controller.plan.snapshot import PodFacts

log = structlog.get_logger(__name__)


class NodeLookup:
    """Looks nodes up. If the operator may not read them, no node counts as lost; this is logged once."""

    def __init__(self, client: Client) -> None:
        self._client, self._forbidden = client, False

    async def lost_since(self, pod: PodFacts) -> datetime | None:
        """Return the time since which the pod's node is not ready or gone, None if it is ready or cannot be read."""
        try:
            return node_lost_since(await self._client.get(NODES, None, pod.node), pod)
        except NotFound:
            return node_lost_since(None, pod)
        except Forbidden as error:
            self._say_once(str(error))
            return None

    def _say_once(self, error: str) -> None:
        if not self._forbidden:
            log.warning("nodes cannot be read, so lost ones are not noticed: let the operator get nodes", error=error)
        self._forbidden = True
