"""Options of every command that serves until SIGTERM: addresses, ports and log format."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

PORT = click.IntRange(-1, 65535)
FORMATS, LEVELS = ("json", "console"), ("debug", "info", "warning", "error")


OFF = -1
"""Port number that disables a server."""


def serving(*, metrics_port: int, health_port: int) -> Callable[[F], F]:
    """Add the options; the arguments are the default ports."""
    options = (
        click.option("--metrics-port", type=PORT, default=metrics_port, help="Port of /metrics; 0 picks one, -1 is off."),
        click.option("--health-port", type=PORT, default=health_port, help="Port of /livez and /readyz; 0 picks one, -1 is off."),
        click.option("--listen", default="127.0.0.1", help="Address that both listen on; :: in a pod: IPv6 and IPv4."),
        click.option("--log-format", type=click.Choice(FORMATS), default="json", help="Format of the log."),
        click.option("--log-level", type=click.Choice(LEVELS), default="info", help="Minimum level of the log."),
    )

    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add
