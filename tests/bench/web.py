"""The page with many Runs: the time of its first page, cold and warm, its memory, and the watches and CPU of fifty open tabs.

scripts/run python -m tests.bench.web [--runs N]... [--rounds N]: a line for each number of Runs. Needs no root.
"""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import time
from pathlib import Path

import aiohttp
import click

from controller.api.base import JsonObject
from controller.kube.resources import RUNS
from tests.bench.scale.etcd import Etcd, stored
from tests.bench.wire import NO_LIMIT, call, session
from tests.cluster import Cluster, lifecycle
from tests.conftest import install
from tests.support import apply, await_that, get, run_of
from tests.web_page import Tab, local_page

NAMESPACE, TABS, CHANGES = "bench-web", 50, 200
SETTLE_SECONDS = 5.0
WARM = 20
MILLISECONDS = 1000
STATUS: JsonObject = {
    "phase": "Running",
    "reason": "Supervising",
    "ready": "1/1",
    "restarts": 1,
    "startTime": "2026-01-01T10:00:00Z",
    "policy": {"name": "default", "digest": "0" * 64},
    "agents": [{"name": "coder", "attempt": 1, "podName": "x-coder-r1", "health": "Healthy", "restarts": 1}],
    "usage": {"inputTokens": 120_000, "outputTokens": 4_000, "costMicroUSD": 1_000_000},
    "conditions": [
        {"type": kind, "status": "True", "reason": "Supervising", "message": "", "lastTransitionTime": "2026-01-01T10:00:00Z"}
        for kind in ("Healthy", "PolicyResolved", "WritesAccepted", "ProgressReported", "Advised")
    ],
}


@click.command()
@click.option("--runs", "sizes", multiple=True, type=int, default=(100, 10_000), show_default=True, help="Numbers of Runs, rising.")
@click.option("--rounds", default=5, show_default=True, help="How often the page's server is started anew.")
def main(sizes: tuple[int, ...], rounds: int) -> None:
    """Measure the page."""
    cluster = lifecycle.up("api")
    try:
        install(cluster)
        apply(cluster, "default", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        apply(cluster, NAMESPACE, run_of("pattern", {"env": [{"name": f"V{n}", "value": "x" * 20} for n in range(20)]}))
        patch = json.dumps({"status": STATUS})
        cluster.kubectl("-n", NAMESPACE, "patch", "run", "pattern", "--subresource=status", "--type=merge", "-p", patch)
        there = 1
        for size in sizes:
            asyncio.run(_fill(cluster, there, size))
            there = size
            click.echo(json.dumps(_measure(cluster, size, rounds)))
    finally:
        lifecycle.end(cluster)


async def _fill(cluster: Cluster, there: int, size: int) -> None:
    """Put copies of the first Run into etcd."""
    pattern = get(cluster, NAMESPACE, "run", "pattern")
    text = stored(pattern)
    places = asyncio.Semaphore(16)
    async with Etcd(cluster) as etcd, asyncio.TaskGroup() as group:

        async def put(name: str, uid: str) -> None:
            async with places:
                await etcd.put(
                    RUNS, NAMESPACE, name, text.replace('"pattern"', f'"{name}"').replace(pattern["metadata"]["uid"], uid)
                )

        for number in range(there, size):
            group.create_task(put(f"run-{number:05}", f"00000000-0000-0000-0000-{number:012}"))


def _measure(cluster: Cluster, size: int, rounds: int) -> JsonObject:
    colds, completes, warms, memory = [], [], [], []
    for _ in range(rounds):
        with local_page(cluster, "-A") as tab:
            start = time.perf_counter()
            first = _timed(tab)
            await_that(lambda tab=tab: "are read" not in tab.get("/").text, "all Runs")  # type: ignore[misc]
            completes.append(time.perf_counter() - start)
            colds.append(first)
            warms += [_timed(tab) for _ in range(WARM)]
            memory.append(_kilobytes(tab.pid, "VmRSS"))
    before = _watches(cluster)
    with local_page(cluster, "-A") as tab:
        tabs = asyncio.run(_tabs(cluster, tab, before))
    return {
        "runs": size,
        "first page, cold, ms": _spread(colds),
        "first page, warm, ms": _spread(warms),
        "all Runs read, ms": _spread(completes),
        "memory, MiB": round(max(memory) / 1024),
        **tabs,
    }


def _timed(tab: Tab) -> float:
    start = time.perf_counter()
    assert tab.get("/").code == 200
    return time.perf_counter() - start


def _spread(seconds: list[float]) -> dict[str, int]:
    shown = {"min": min(seconds), "median": statistics.median(seconds), "max": max(seconds)}
    return {name: round(value * MILLISECONDS) for name, value in shown.items()}


async def _tabs(cluster: Cluster, tab: Tab, others: int) -> JsonObject:
    """Open many pages, change a Run again and again, and return what that costs the API server and the page's server.

    `others` is the number of watches without the page.
    """
    headers = {"Host": f"127.0.0.1:{tab.port}", "Cookie": "; ".join(f"{name}={value}" for name, value in tab.cookies.items())}
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        aiohttp.ClientSession(connector=connector, headers=headers, timeout=NO_LIMIT) as http,
        session(cluster.kubeconfig) as api,
    ):
        reading = [asyncio.create_task(_read(http, f"{tab.origin}/live{path}")) for path in ("/", "/inbox") * (TABS // 2)]
        await asyncio.sleep(SETTLE_SECONDS)
        before, start = _cpu(tab.pid), time.perf_counter()
        for number in range(CHANGES):
            patch = {"status": {"restarts": number}}
            path = f"{RUNS.path(NAMESPACE, 'pattern')}/status"
            await call(api, "PATCH", path, patch, headers={"Content-Type": "application/merge-patch+json"})
        seconds = time.perf_counter() - start
        assert not any(task.done() for task in reading), "a tab has lost its stream"
        found = {
            "tabs": TABS,
            "watches": await asyncio.to_thread(_watches, cluster) - others,
            "memory with tabs, MiB": round(_kilobytes(tab.pid, "VmRSS") / 1024),
            "changes a second": round(CHANGES / seconds, 1),
            "CPU of the page's server, cores": round((_cpu(tab.pid) - before) / seconds, 2),
        }
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
        return found


async def _read(http: aiohttp.ClientSession, url: str) -> None:
    async with http.get(url) as answer:
        assert answer.status == 200
        async for _ in answer.content.iter_any():
            pass


def _watches(cluster: Cluster) -> int:
    """Return the API server's own count of watches of our kinds."""
    text = cluster.kubectl("get", "--raw", "/metrics")
    found = re.findall(r'^apiserver_longrunning_requests\{(.*group="runwatchman.dev".*verb="WATCH".*)\} (\d+)', text, re.MULTILINE)
    return sum(int(count) for _, count in found)


def _kilobytes(pid: int, field: str) -> int:
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1])


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


if __name__ == "__main__":
    main()
