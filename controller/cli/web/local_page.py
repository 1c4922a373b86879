"""`kubectl rw web`: the page on this machine, with the caller's kubeconfig and rights."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import tempfile

import click

from controller.cli.rw import options
from controller.cli.rw.kubectl import Call
from controller.cli.rw.session import Session, with_kubectl_flags
from controller.cli.rw.user_error import Problem

LOOPBACK = "127.0.0.1"
SECRET_BYTES = 24
HAS_UNIX_SOCKETS = os.name == "posix"


@click.command()
@options.all_namespaces
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port on 127.0.0.1; default: a free one.")
@click.option("--no-browser", is_flag=True, help="Only print the address.")
@with_kubectl_flags
def web(session: Session, all_namespaces: bool, port: int, no_browser: bool) -> None:
    """Show Runs, their reasons and the inbox in a browser, until interrupted.

    Without -n the page shows all namespaces; if you may not list them all, that of your context. Only this machine reaches the
    page. The address works once: it opens a session in the browser that uses it.
    """
    if all_namespaces and session.namespace:
        raise Problem("-A and -n exclude each other", "give one of them")
    with _bound(port) as opened, tempfile.TemporaryDirectory(prefix="kubectl-rw-") as folder:
        proxy, words = _proxy(session, folder)
        home = "" if all_namespaces else session.namespace or session.kubectl.default_namespace()
        _show(session, opened, (proxy, words), home, "" if no_browser else folder)


def _bound(port: int) -> socket.socket:
    """Return a socket on the port, so that a taken one is an error before anything starts."""
    opened = socket.socket()
    try:
        if HAS_UNIX_SOCKETS:  # On Windows this option would let others take the port.
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((LOOPBACK, port))
    except OSError as error:
        opened.close()
        raise Problem(f"port {port} cannot be used ({error.strerror})", "name another with --port, or none") from error
    return opened


def _proxy(session: Session, folder: str) -> tuple[Call, str]:
    """Start kubectl's proxy where nobody else on this machine finds it: a socket in a folder of the caller's, or a secret path.

    Return it with that socket or path.
    """
    if HAS_UNIX_SOCKETS:
        path = f"{folder}/api.sock"
        return session.kubectl.start("proxy", f"--unix-socket={path}"), path
    prefix = f"/{secrets.token_urlsafe(SECRET_BYTES)}/"
    return session.kubectl.start("proxy", "--port=0", f"--api-prefix={prefix}"), prefix


def _show(session: Session, opened: socket.socket, proxied: tuple[Call, str], home: str, folder: str) -> None:
    """Serve the page, and open it by a file in a folder, if there is one."""
    from controller.cli.web.kubectl_exec import by_kubectl
    from controller.cli.web.local_server import application, endpoint, run
    from controller.cli.web.visit import View

    proxy, port, key = proxied[0], opened.getsockname()[1], secrets.token_urlsafe(SECRET_BYTES)
    view = View(session.namespace, home, execute=by_kubectl(session.kubectl))
    app = application(endpoint(proxy.first_line(), proxied[1]), port, key, view)
    address = f"http://{LOOPBACK}:{port}/start/{key}"

    def ready() -> None:
        click.echo(address)
        sys.stdout.flush()
        session.hint("The address works once, in one browser. Ctrl-C ends the page.")
        if folder:
            import webbrowser

            from controller.cli.web.redirect_file import redirect_file

            webbrowser.open(redirect_file(folder, address))

    run(app, opened, proxy, ready)
