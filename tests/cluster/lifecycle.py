"""Creating, finding and ending clusters, and cleaning up after runs that were killed."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.cluster.api import start_api
from tests.cluster.base import Cluster
from tests.cluster.binaries import find
from tests.cluster.dockerd import running_engine
from tests.cluster.existing import existing_cluster
from tests.cluster.kind import kind_unavailable, remove_kind, start_kind, stop_idle_engine
from tests.cluster.processes import Record, start_time
from tests.cluster.progress import ClusterError, say
from tests.cluster.settings import runtime_dir

ALL_CONTROLLERS = "*"
PROVIDERS = ("auto", "existing", "kind", "api")


def choose(provider: str = "auto") -> str:
    """Return the provider that `auto` means here: kind if it can run, otherwise the API server alone."""
    if provider != "auto":
        return provider
    why_not = kind_unavailable()
    if why_not:
        say(f"kind cannot run here ({why_not}): using a real API server with simulated nodes")
    return "api" if why_not else "kind"


def up(
    provider: str = "auto",
    *,
    name: str | None = None,
    nodes: int = 1,
    kwok_nodes: int = 0,
    keep: bool = False,
    controllers: str = ALL_CONTROLLERS,
    garbage: bool = False,
) -> Cluster:
    """Create a cluster; unless `keep` is set it ends with this process, for any end of that.

    `controllers` are those of the controller-manager of an `api` cluster. With `garbage` the control plane collects its own rarely,
    and waits for no disk: it needs a tenth less CPU and twice the memory, so that no benchmark may measure it. Raises ClusterError.
    """
    clean_up_after_the_dead()
    provider = choose(provider)
    if provider == "existing":
        return existing_cluster()
    name = name or f"rw-{uuid.uuid4().hex[:8]}"
    directory = runtime_dir() / name
    if directory.exists():
        raise ClusterError(f"a cluster named {name} exists: end it with `python -m tests.cluster down {name}` or use another name")
    directory.mkdir(mode=0o700)
    owner = None if keep else {"pid": os.getpid(), "start": start_time(os.getpid())}
    (directory / "cluster.json").write_text(json.dumps({"provider": provider, "owner": owner}))
    with ExitStack() as stack:
        stack.callback(down, name)  # Ctrl-C in the middle of it leaves no cluster either.
        if provider == "kind":
            cluster: Cluster = start_kind(name, directory, nodes=nodes, garbage=garbage)
        else:
            cluster = start_api(name, directory, kwok_nodes=kwok_nodes, keep=keep, controllers=controllers, garbage=garbage)
        stack.pop_all()
    return cluster


def end(cluster: Cluster) -> None:
    """End a cluster that is ours; an existing one is left as it is."""
    if cluster.provider != "existing":
        down(cluster.name)


def down(name: str) -> None:
    """End a cluster by name and remove its files. Raises ClusterError if none has that name."""
    directory = runtime_dir() / name
    if not directory.exists():
        raise ClusterError(f"there is no cluster named {name}: `python -m tests.cluster list` shows those that there are")
    Record(directory / "processes").stop_all()  # first: one of them may still create files
    if _told(directory).get("provider") == "kind":
        remove_kind(name, directory)
    shutil.rmtree(directory, ignore_errors=True)


def clusters() -> list[str]:
    """Return the names of the clusters of this machine, by name."""
    return sorted(path.parent.name for path in runtime_dir().glob("*/cluster.json"))


def attach(name: str) -> Cluster:
    """Return a cluster that an earlier `up` left running."""
    directory = runtime_dir() / name
    if not directory.exists():
        raise ClusterError(f"there is no cluster named {name}: bring one up with `python -m tests.cluster up --name {name}`")
    told = _told(directory)
    kubeconfig = directory / ("kubeconfig" if told["provider"] == "kind" else "admin.kubeconfig")
    return Cluster(name, told["provider"], directory, kubeconfig, find(["kubectl"])["kubectl"])


def clean() -> None:
    """Remove the leftovers of killed runs on this machine at once, instead of by the next run."""
    clean_up_after_the_dead()
    stop_idle_engine(running_engine())


def clean_up_after_the_dead() -> None:
    """End every cluster whose owner died without ending it: killed test runs leave nothing for long."""
    for name in clusters():
        owner = _told(runtime_dir() / name).get("owner")
        if owner and start_time(owner["pid"]) != owner["start"]:
            say(f"cleaning up cluster {name}, left by a run that was killed")
            down(name)


def _told(directory: Path) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads((directory / "cluster.json").read_text())
    except (OSError, ValueError):
        return {}
    return told
