"""Whether a node is lost, asked live of the API server: only a lost node makes a running pod's word worthless."""

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
    """Looks nodes up. Where the operator may not read them, no node ever counts as lost, and that is said once."""

    def __init__(self, client: Client) -> None:
        self._client, self._forbidden = client, False

    async def lost_since(self, pod: PodFacts) -> datetime | None:
        """Return since when the pod's node has been not ready or gone, None where it is ready or cannot be read."""
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
