"""The reporter's settings, from its environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

DEFAULT_INTERVAL_SECONDS = 60
CREDENTIALS = "/var/run/secrets/kubernetes.io/serviceaccount"
"""Mount path of a pod's token."""

NEEDED = ("RUN", "RUN_UID", "AGENT", "ATTEMPT", "POD_UID", "NAMESPACE")


class Settings(NamedTuple):
    """The agent's identity, its folders, and the address of the API server."""

    run: str
    run_uid: str
    agent: str
    attempt: int
    pod_uid: str
    namespace: str
    interval: int
    directory: Path
    workspace: Path
    credentials: Path
    last_words: Path
    host: str
    port: int
    sees_processes: bool


def settings_from(env: Mapping[str, str]) -> Settings:
    """Return the settings in an environment. Raises ValueError, which names the missing or wrong variable."""
    missing = [f"RUNWATCHMAN_{name}" for name in NEEDED if not env.get(f"RUNWATCHMAN_{name}")]
    if missing:
        raise ValueError(f"not set: {', '.join(missing)}; the operator sets them in the sidecar that it adds to agents' pods")
    return Settings(
        run=env["RUNWATCHMAN_RUN"],
        run_uid=env["RUNWATCHMAN_RUN_UID"],
        agent=env["RUNWATCHMAN_AGENT"],
        attempt=_number(env, "RUNWATCHMAN_ATTEMPT", 0),
        pod_uid=env["RUNWATCHMAN_POD_UID"],
        namespace=env["RUNWATCHMAN_NAMESPACE"],
        interval=max(1, _number(env, "RUNWATCHMAN_REPORT_INTERVAL_SECONDS", DEFAULT_INTERVAL_SECONDS)),
        directory=Path(env.get("RUNWATCHMAN_DIR", "/runwatchman")),
        workspace=Path(env.get("RUNWATCHMAN_WORKSPACE", "/workspace")),
        credentials=Path(env.get("RUNWATCHMAN_CREDENTIALS", CREDENTIALS)),
        last_words=Path(env.get("RUNWATCHMAN_LAST_WORDS", "/dev/termination-log")),
        host=env.get("KUBERNETES_SERVICE_HOST", "kubernetes.default.svc"),
        port=_number(env, "KUBERNETES_SERVICE_PORT", 443),
        sees_processes=env.get("RUNWATCHMAN_REPORTER") == "Full",
    )


def _number(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name, str(default))
    if not text.isdecimal():
        raise ValueError(f"{name} is {text!r}, but must be a whole number")
    return int(text)
