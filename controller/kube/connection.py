"""Connection data and credentials for the API server, from a kubeconfig or from the pod's service account."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException, load_incluster_config, load_kube_config
from yaml import YAMLError

from controller.errors import RunwatchmanError
from controller.kube.proxies import proxy_for

MAX_CONNECTIONS = 40
"""Maximum number of concurrent requests."""

SERVICE_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class ConnectionRefused(RunwatchmanError):
    """No usable credentials were found; the message names the place that was searched."""


@dataclass(frozen=True, slots=True)
class Connection:
    """Connection data of an API server. `authorization` returns the current Authorization header, since tokens in pods rotate."""

    configuration: Any
    namespace: str
    authorization: Callable[[], Awaitable[str | None]]

    @property
    def server(self) -> str:
        """The API server's URL."""
        return str(self.configuration.host)


async def connect(kubeconfig: Path | None = None) -> Connection:
    """Find the API server: the given kubeconfig, else $KUBECONFIG, else the pod's service account, else ~/.kube/config.

    Raises ConnectionRefused.
    """
    configuration: Any = Configuration()
    configuration.connection_pool_maxsize = MAX_CONNECTIONS
    in_pod = "KUBERNETES_SERVICE_HOST" in os.environ and not (kubeconfig or os.environ.get("KUBECONFIG"))
    try:
        if in_pod:
            load_incluster_config(client_configuration=configuration)
        else:
            await load_kube_config(
                config_file=str(kubeconfig) if kubeconfig else None,
                client_configuration=configuration,
                persist_config=False,
            )
    except (ConfigException, OSError, TypeError, ValueError, YAMLError) as error:  # raised by the loader for a broken kubeconfig
        where = "the pod's service account" if in_pod else str(kubeconfig or os.environ.get("KUBECONFIG", "~/.kube/config"))
        why = "it is not a kubeconfig" if isinstance(error, TypeError) else str(error)
        raise ConnectionRefused(f"no credentials for an API server in {where}: {why}") from error

    _look_for_a_proxy_once(configuration)

    async def authorization() -> str | None:
        settings = await configuration.auth_settings()
        return settings["BearerToken"]["value"] if "BearerToken" in settings else None

    return Connection(configuration, _namespace(in_pod=in_pod), authorization)


def _look_for_a_proxy_once(configuration: Any) -> None:
    """Read HTTPS_PROXY and NO_PROXY once.

    Otherwise aiohttp reads them and ~/.netrc for every request, each in a thread: three times the CPU of the request itself.
    """
    if not configuration.proxy:
        configuration.proxy = proxy_for(configuration.host)


def _namespace(*, in_pod: bool) -> str:
    """Return the namespace of the operator's own objects (its Lease)."""
    if in_pod and SERVICE_ACCOUNT_NAMESPACE.exists():
        return SERVICE_ACCOUNT_NAMESPACE.read_text().strip()
    return "default"
