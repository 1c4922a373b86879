"""Opens the advisor that the settings name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from controller.adapter.adapter import Limits, LocalAdapter
from controller.adapter.client import SocketAdvisor
from controller.adapter.command import Command
from controller.adapter.commands import load
from controller.adapter.contract import Advisor
from controller.adapter.metrics import AdapterMetrics
from controller.adapter.process_tree import adopt_orphans
from controller.advisor.agent_log import log_tail
from controller.advisor.consultations import Consultations
from controller.api.names import RunKey
from controller.kube.client import Client
from controller.observability.metrics import Metrics
from controller.settings import Settings


def load_commands(settings: Settings) -> Mapping[str, Command]:
    """Return the commands that this process may run itself. Raises RunwatchmanError for a file that cannot be read."""
    return load(settings.adapter_commands) if settings.adapter == "local" else {}


@asynccontextmanager
async def open_advisor(
    settings: Settings, commands: Mapping[str, Command], client: Client, metrics: Metrics, wake: Callable[[RunKey], None]
) -> AsyncIterator[Consultations | None]:
    """Yield the consultations, None without an advisor. The end of the context cancels those under way."""
    async with AsyncExitStack() as stack:
        advisor = await _advisor(settings, commands, metrics, stack)
        if advisor is None:
            yield None
            return
        consultations = Consultations(advisor, log_tail(client), client.server_now, wake)
        stack.push_async_callback(consultations.close)
        yield consultations


async def _advisor(settings: Settings, commands: Mapping[str, Command], metrics: Metrics, stack: AsyncExitStack) -> Advisor | None:
    match settings.adapter:
        case "socket":
            return SocketAdvisor(settings.adapter_socket)
        case "local":
            adopt_orphans()
            adapter = LocalAdapter(commands, Limits(), AdapterMetrics(metrics.registry))
            return await stack.enter_async_context(adapter)
        case _:
            return None
