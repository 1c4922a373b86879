"""`runwatchman adapter`: serves the registered commands over a unix socket until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import click

from controller.adapter.contract import DEFAULT_SOCKET
from controller.cli.serving import OFF, serving
from controller.errors import RunwatchmanError
from controller.observability.logs import LogFormat, configure


@click.command(context_settings={"show_default": True})
@click.option("--socket", type=click.Path(path_type=Path), default=DEFAULT_SOCKET, help="Socket to listen on.")
@click.option(
    "--commands",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The registered commands; default: the presets.",
)
@click.option("--concurrency", type=click.IntRange(1, 256), default=4, help="Commands that run at once.")
@click.option(
    "--longest-seconds",
    type=click.IntRange(1, 86_400),
    default=900,
    help="Maximum seconds of a command, even if a policy's llm.timeoutSeconds is longer.",
)
@serving(metrics_port=OFF, health_port=8083)
def adapter(
    socket: Path,
    commands: Path | None,
    concurrency: int,
    longest_seconds: int,
    metrics_port: int,
    health_port: int,
    listen: str,
    log_format: LogFormat,
    log_level: str,
) -> None:
    """Run the advisor's commands for an operator. Every option can also be set as RUNWATCHMAN_ADAPTER_<OPTION>."""
    configure(log_format, log_level)
    try:
        limits = {"concurrency": concurrency, "seconds": longest_seconds}
        asyncio.run(_serve(socket, commands, limits, metrics_port, health_port, listen))
    except (RunwatchmanError, OSError) as error:
        click.echo(f"runwatchman: {error}", err=True)
        sys.exit(1)


async def _serve(
    path: Path, commands: Path | None, limits: dict[str, Any], metrics_port: int, health_port: int, listen: str
) -> None:
    """Serve until SIGTERM or SIGINT."""
    import structlog
    from prometheus_client import CollectorRegistry, ProcessCollector

    from controller.adapter.adapter import Limits, LocalAdapter
    from controller.adapter.commands import load
    from controller.adapter.metrics import AdapterMetrics
    from controller.adapter.process_tree import adopt_orphans
    from controller.adapter.server import adapter_app, serve_socket
    from controller.observability.exposition import metrics_pages, of_registry
    from controller.observability.health import Pulse, health_pages
    from controller.observability.server import serve

    log = structlog.get_logger(__name__)
    adopt_orphans()
    registry, pulse, stop = CollectorRegistry(), Pulse(), asyncio.Event()
    ProcessCollector(registry=registry)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    registered = load(commands)
    live = {"loop": pulse.check}
    health, make = health_pages(live, live), of_registry(registry)
    async with AsyncExitStack() as stack:
        advisor = LocalAdapter(registered, Limits(**limits), AdapterMetrics(registry), sole=True)
        await stack.enter_async_context(advisor)
        for what, pages, port in (("metrics", metrics_pages(make), metrics_port), ("health", health, health_port)):
            if port != OFF:
                bound = await stack.enter_async_context(serve(pages, listen, port))
                log.info("listening", what=what, address=listen, port=bound)
        await stack.enter_async_context(serve_socket(adapter_app(advisor, {**health, **metrics_pages(make)}), path))
        beat = asyncio.create_task(pulse.keep())
        stack.callback(beat.cancel)
        log.info("adapter ready", socket=str(path), commands=sorted(registered))
        await stop.wait()
        log.info("adapter stopping")
