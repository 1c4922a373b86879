"""`runwatchman web`: the page for everybody, in the cluster; each user's own bearer token goes to the API server."""

from __future__ import annotations

import os
import re
from pathlib import Path

import click

HOUR = 3600
HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,63}")
ORIGIN = re.compile(r"https://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?|http://(localhost|127\.0\.0\.1)(:[0-9]{1,5})?")
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


def _origins(_: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Return the origins of some URLs. A session must not cross a network in clear text."""
    for value in values:
        if not ORIGIN.fullmatch(value.rstrip("/")):
            raise click.BadParameter(
                f"{value!r} is not https://HOST or https://HOST:PORT without a path; http is for localhost only"
            )
    return tuple(value.rstrip("/") for value in values)


def _header(_: click.Context, parameter: click.Parameter, value: str) -> str:
    if value and not HEADER.fullmatch(value):
        raise click.BadParameter(f"{value!r} is not the name of a header, such as Authorization or X-Forwarded-Access-Token")
    return value


def _own_cluster() -> str:
    """Return the API server of the cluster that this pod is in, by its address, which needs no DNS."""
    host, port = os.environ.get("KUBERNETES_SERVICE_HOST", ""), os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        return "https://kubernetes.default.svc"
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


@click.command(context_settings={"show_default": True})
@click.option(
    "--url", "urls", multiple=True, callback=_origins, help="Where browsers find the page: https://HOST; may be repeated."
)
@click.option("--listen", default="127.0.0.1", help="Address to listen on; :: in a pod: IPv6 and IPv4.")
@click.option("--port", type=click.IntRange(0, 65535), default=8080, help="Port to listen on; 0 picks one.")
@click.option("--tls-dir", type=FOLDER, help="Folder with tls.crt and tls.key, to serve over TLS; read again when they change.")
@click.option(
    "--api-server", default=_own_cluster, show_default=False, help="URL of the API server; default: that of the pod's cluster."
)
@click.option("--api-ca", type=FILE, help="File with the CA of the API server; default: the system's.")
@click.option(
    "--token-header",
    default="",
    callback=_header,
    help="Header in which an authenticating proxy sends each user's token, bare or after `Bearer`; default: a login page asks.",
)
@click.option("--session-hours", type=click.IntRange(1, 168), default=8, help="Hours after which a session ends.")
@click.option("--log-format", type=click.Choice(["json", "console"]), default="json", help="Format of the log.")
def web(
    urls: tuple[str, ...],
    listen: str,
    port: int,
    tls_dir: Path | None,
    api_server: str,
    api_ca: Path | None,
    token_header: str,
    session_hours: int,
    log_format: str,
) -> None:
    """Show Runs, their reasons and the inbox in a browser, to everybody with a bearer token of the cluster.

    The server has no rights of its own. It also answers as http://localhost:PORT, for `kubectl port-forward`.
    """
    import asyncio

    from controller.cli.web.api_access import ApiServer
    from controller.cli.web.cluster_server import Settings, run

    server = ApiServer(api_server.rstrip("/"), authority=str(api_ca) if api_ca else "")
    settings = Settings(server, urls, listen, port, tls_dir, token_header, float(session_hours * HOUR), log_format == "json")
    asyncio.run(run(settings))
