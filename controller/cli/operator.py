"""`runwatchman operator`: runs the operator until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click

from controller.adapter.contract import DEFAULT_SOCKET
from controller.cli import option_values
from controller.cli.option_values import parsed_by
from controller.cli.pod_options import pod_options
from controller.cli.serving import serving
from controller.cli.store import STORE
from controller.errors import RunwatchmanError
from controller.observability.logs import LogFormat, configure
from controller.settings import NOTIFY_SCHEMES, Settings

T = TypeVar("T")

MAX_SHARDS = 32
"""Maximum number of shards. With more, the check of every event would cost more than a pass saves; the API server is the limit
earlier.
"""

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(context_settings={"show_default": True})
@click.option(
    "--kubeconfig",
    type=FILE,
    help="Kubeconfig of the API server; default: $KUBECONFIG, the pod's account, ~/.kube.",
)
@click.option(
    "--namespace",
    "namespaces",
    multiple=True,
    envvar="RUNWATCHMAN_OPERATOR_NAMESPACE",
    help="Watch only this namespace; may be given several times.",
)
@click.option(
    "--store",
    type=STORE,
    default="status",
    help="Store of the Runs' states: status, annotations, or a database's URL (sqlite:////PATH, postgresql://...).",
)
@click.option("--ledger", help="Keep a record of every decision in this database, for example sqlite:////data/ledger.db.")
@click.option(
    "--ledger-detail",
    type=click.Choice(["actions", "all"]),
    default="actions",
    help="Decisions that the ledger keeps: those that acted, or each distinct situation of a Run too.",
)
@click.option("--ledger-max-age-days", type=click.IntRange(1, 36500), default=30, help="Maximum days that the ledger keeps.")
@click.option(
    "--ledger-max-rows", type=click.IntRange(1, 1_000_000_000), default=100_000, help="Maximum number of decisions in the ledger."
)
@click.option(
    "--ledger-max-megabytes", type=click.IntRange(1, 1_000_000), default=512, help="Maximum MiB of decisions in the ledger."
)
@click.option(
    "--policy-file",
    type=FILE,
    help="File with the policy of Runs without a RunPolicy; read again when it changes.",
)
@click.option(
    "--adapter",
    type=click.Choice(["local", "socket"]),
    help="Run the advisor's commands by `runwatchman adapter` (socket) or in this process (local); default: no advisor.",
)
@click.option(
    "--adapter-socket",
    type=click.Path(path_type=Path),
    default=DEFAULT_SOCKET,
    help="Socket of `runwatchman adapter` (--adapter=socket).",
)
@click.option("--adapter-commands", type=FILE, help="The registered commands (--adapter=local); default: the presets.")
@click.option(
    "--notify-schemes",
    default=",".join(NOTIFY_SCHEMES),
    callback=parsed_by(option_values.listed),
    help="Apprise's schemes that notifications may use; an empty list disables notifications.",
)
@click.option(
    "--notify-allow",
    default="",
    callback=parsed_by(option_values.addresses),
    help="Networks, addresses and HOST or HOST:PORT that notifications may reach in addition to the Internet, comma-separated.",
)
@click.option(
    "--page-url",
    default="",
    callback=parsed_by(option_values.page_url),
    help="URL of the page (`runwatchman web`), to which notifications link: https://HOST.",
)
@click.option("--workers", type=click.IntRange(1, 256), default=16, help="Runs that are processed concurrently.")
@click.option(
    "--shards",
    type=click.IntRange(1, MAX_SHARDS),
    default=1,
    help="Number of shards that divide the Runs among replicas; 1: one replica works, the others stand by.",
)
@click.option("--pod", help="Name of the operator's own pod, in the namespace of its Lease; default: it does not run in one.")
@click.option("--reporter/--no-reporter", default=True, help="Whether agents have a reporter sidecar, if its image is known.")
@click.option(
    "--reporter-image",
    help="Image of the reporter sidecar, this program's own; default: that of the container `operator` of --pod.",
)
@click.option(
    "--reporter-interval-seconds",
    type=click.IntRange(1, 3600),
    default=60,
    help="Seconds between two reports of an idle agent.",
)
@pod_options
@click.option(
    "--agents-network/--no-agents-network",
    default=False,
    help="Manage a NetworkPolicy for agents unless their policy sets Unmanaged; needs the role runwatchman-operator-network.",
)
@click.option(
    "--agents-network-allow",
    default="",
    callback=parsed_by(option_values.networks),
    help="Networks (CIDRs) that these agents may reach in addition to HTTPS on the Internet, comma-separated.",
)
@click.option(
    "--admission-policies/--no-admission-policies",
    default=False,
    help="Whether manifests/admission is installed, so that the API server checks spec.requestedBy: a status says so.",
)
@click.option("--lease-name", default="runwatchman", help="Name of the leader's Lease.")
@click.option("--lease-namespace", help="Namespace of the Lease; default: the operator's own.")
@click.option(
    "--lease-duration",
    type=float,
    default=15,
    help="Seconds after which a silent leader's Lease may be taken.",
)
@click.option(
    "--lease-renew-deadline",
    type=float,
    default=10,
    help="Seconds without renewal after which the leader exits.",
)
@click.option(
    "--lease-retry-period",
    type=float,
    default=2,
    help="Seconds between renewals, and between tries to acquire it.",
)
@click.option("--identity", help="This operator's name in the Lease; default: host, process and a random part.")
@serving(metrics_port=8080, health_port=8081)
@click.option(
    "--metrics-secure/--metrics-plain",
    default=None,
    help="Serve /metrics over TLS to authorized users, or in plain text to all; default: in plain text on loopback only.",
)
@click.option(
    "--metrics-cert-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Directory of tls.crt and tls.key for /metrics, read again when they change; default: a self-signed certificate.",
)
def operator(log_format: LogFormat, log_level: str, metrics_port: int, health_port: int, **options: Any) -> None:
    """Run the operator. Every option can also be set as RUNWATCHMAN_OPERATOR_<OPTION>."""
    import controller.kube  # noqa: F401  # before kopf, which would import the whole of `kubernetes`
    from controller.leadership.shard_map import Mode
    from controller.runtime.operator import Operator

    if options["ledger"] == options["store"]:
        raise click.UsageError("--ledger and --store are the same database: give the ledger its own database, since it may fill up")
    refuse_sqlite(options["shards"], options["store"], options["ledger"])
    configure(log_format, log_level)
    settings = Settings(metrics_port=_port(metrics_port), health_port=_port(health_port), **options)
    gc.freeze()
    mode: Mode | None = Mode.SHARED if settings.shards > 1 else Mode.ALONE
    sigterm_handler = signal.getsignal(signal.SIGTERM)
    try:
        while mode:
            signal.signal(signal.SIGTERM, sigterm_handler)  # The event loop installs its own handler and removes it at its end.
            mode = _in_event_loop(Operator(settings, mode).run())
            if mode is Mode.SHARED:
                refuse_sqlite(MAX_SHARDS, settings.store, settings.ledger)
    except (RunwatchmanError, OSError, ExceptionGroup) as error:
        for reason in _reasons(error):
            click.echo(f"runwatchman: {reason}", err=True)
        sys.exit(1)


def _in_event_loop(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in uvloop, which needs a quarter less CPU, or in asyncio's own loop where uvloop is not installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return uvloop.run(main)


def refuse_sqlite(shards: int, *databases: str | None) -> None:
    """Refuse an SQLite file if several operators write. Raises UsageError."""
    for option, name in zip(("--store", "--ledger"), databases, strict=True):
        if shards > 1 and (name or "").startswith("sqlite"):
            raise click.UsageError(
                f"{option} is an SQLite file, which has one writer, but the Runs are shared by shards: keep them in the Runs "
                "(--store status, annotations) or in a database server (postgresql://...), or use --shards 1 everywhere"
            )


def _port(number: int) -> int | None:
    return None if number < 0 else number


def _reasons(error: Exception) -> list[Exception]:
    """Return the errors in a group; an unexpected error is raised with its traceback."""
    if not isinstance(error, ExceptionGroup):
        return [error]
    expected, unexpected = error.split((RunwatchmanError, OSError))
    if unexpected is not None:
        raise unexpected
    return [reason for part in (expected.exceptions if expected else ()) for reason in _reasons(part)]
