"""The operator's settings: one field for each option of `runwatchman operator`."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from controller.adapter.contract import DEFAULT_SOCKET
from controller.api.container_fields import PullPolicy
from controller.api.pod_policy import DEFAULT_REPORTER_RESOURCES, OWN_POD_SECURITY, ImagePullSecret, PodSecurity, ReporterResources
from controller.api.policy import RunPolicySpec
from controller.api.policy_defaults import NOTHING_SET

NOTIFY_SCHEMES = (
    *("slack", "discord", "workflow", "workflows", "gchat", "tgram", "pover", "webex", "wxteams", "zulip", "signl4"),
    *("pagerduty", "opsgenie", "ntfys", "gotifys", "mmosts", "rockets", "matrixs", "mailtos"),
)
"""Services that notifications may use by default: well known, encrypted, and without requests that the URL itself defines."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Options of the operator. Times are in seconds. A port of None is disabled, 0 picks a free one."""

    kubeconfig: Path | None = None
    namespaces: tuple[str, ...] = ()
    store: str = "status"
    ledger: str | None = None
    ledger_detail: Literal["actions", "all"] = "actions"
    ledger_max_age_days: int = 30
    ledger_max_rows: int = 100_000
    ledger_max_megabytes: int = 512
    notify_schemes: tuple[str, ...] = NOTIFY_SCHEMES
    notify_allow: tuple[str, ...] = ()
    page_url: str = ""
    policy_file: Path | None = None
    adapter: Literal["local", "socket"] | None = None
    adapter_socket: Path = DEFAULT_SOCKET
    adapter_commands: Path | None = None
    workers: int = 16
    shards: int = 1
    pod: str | None = None
    reporter: bool = True
    reporter_image: str | None = None
    reporter_image_pull_policy: PullPolicy | None = None
    reporter_interval_seconds: int = 60
    git_image: str | None = None
    reporter_resources: ReporterResources = DEFAULT_REPORTER_RESOURCES
    agents_pod_security: PodSecurity = OWN_POD_SECURITY
    agents_image_pull_secrets: tuple[ImagePullSecret, ...] = ()
    agents_pods: RunPolicySpec = NOTHING_SET
    admission_policies: bool = False
    agents_network: bool = False
    agents_network_allow: tuple[str, ...] = ()
    lease_name: str = "runwatchman"
    lease_namespace: str | None = None
    lease_duration: float = 15
    lease_renew_deadline: float = 10
    lease_retry_period: float = 2
    identity: str | None = None
    metrics_port: int | None = 8080
    metrics_secure: bool | None = None
    metrics_cert_dir: Path | None = None
    health_port: int | None = 8081
    listen: str = "127.0.0.1"

    @property
    def metrics_secured(self) -> bool:
        """Whether metrics need TLS and the API server's authorization. By default they do unless only loopback reaches the port."""
        return not is_loopback(self.listen) if self.metrics_secure is None else self.metrics_secure


def is_loopback(host: str) -> bool:
    """Return whether an address is reachable only from this machine or pod."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
