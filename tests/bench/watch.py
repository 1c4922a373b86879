"""The cost of a watch event of a Run: kopf's own path to a handler, kopf with our session, and our reflector, in turn.

scripts/run python -m tests.bench.watch [--runs N] [--rounds N] [--pace SECONDS]

The API server is another process, on loopback without TLS. The CPU is the watching process's: socket, JSON, kopf, cache of Runs.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import click
import orjson
import uvloop
import yaml
from aiohttp import web

from controller.api.names import RunKey
from controller.cache.run_cache import RunCache
from controller.kube import kopf_watch
from controller.kube.client import Client
from controller.kube.connection import Connection, connect
from controller.kube.reflector import Reflector, Sink
from controller.kube.resources import RUNS
from tests.unit.kube.conftest import write_kubeconfig
from tests.unit.kube.faults import DISCOVERY

SAMPLE = Path("tests/unit/api/stored/0.1.0.dev1/run.yaml")
LIFE = ("ADDED", "MODIFIED", "MODIFIED")
LAG = 100
"""Events between two of one Run."""
WARM_UP_SECONDS, SETTLING_SECONDS, PATIENCE_SECONDS, MILLI = 0.5, 0.5, 600, 1000
OWN_PATH, SESSION, REFLECTOR = "kopf's own path, by its defaults", "kopf with our session", "our reflector"


def stream(runs: int) -> Iterator[bytes]:
    """Yield the lines of a watch: so many Runs, each added and modified twice, interleaved."""
    run, version = yaml.safe_load(SAMPLE.read_text()), 1
    for turn in range(runs + LAG * (len(LIFE) - 1)):
        for lag, kind in enumerate(LIFE):
            number = turn - lag * LAG
            if 0 <= number < runs:
                version += 1
                meta = {"namespace": "ns", "name": f"run-{number}", "uid": str(number), "resourceVersion": str(version)}
                yield orjson.dumps({"type": kind, "object": run | {"metadata": meta | {"generation": 1}}}) + b"\n"


def serve(listener: socket.socket, runs: int, pace: float) -> None:
    """Run an API server without Runs, whose watches stream events, one each `pace` seconds."""
    lines = list(stream(runs))

    async def handle(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            return web.json_response(DISCOVERY.get(request.path, {"metadata": {"resourceVersion": "1"}, "items": []}))
        response = web.StreamResponse()
        await response.prepare(request)
        began = time.monotonic() + WARM_UP_SECONDS
        for number, line in enumerate(lines):
            await asyncio.sleep(max(0.0, began + number * pace - time.monotonic()))
            await response.write(line)
        await asyncio.Event().wait()
        return response

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    web.run_app(app, sock=listener, print=None)


class Count:
    """Counts the changes of a cache; notes the process's CPU at the first one, and when all have come."""

    def __init__(self, expected: int) -> None:
        self.missing, self.before, self.complete = expected, 0.0, asyncio.Event()

    def __call__(self, _: RunKey) -> None:
        self.before = self.before or time.process_time()
        self.missing -= 1
        if not self.missing:
            self.complete.set()


def by_kopf(connection: Connection, client: Client, sink: Sink, subscribed: str | None) -> Coroutine[Any, Any, None]:
    """Watch all namespaces; the session knows those that are subscribed (None: all), and kopf's own path takes the rest."""
    registry = kopf_watch.build_registry({RUNS: sink}, connection, client, (subscribed,))
    return kopf_watch.watch(registry, (), asyncio.Event())


WAYS: dict[str, Callable[[Connection, Client, Sink], Coroutine[Any, Any, None]]] = {
    OWN_PATH: partial(by_kopf, subscribed="elsewhere"),
    SESSION: partial(by_kopf, subscribed=None),
    REFLECTOR: lambda _, client, sink: Reflector(client, RUNS, (None,), sink).run(),
}


async def measure(way: str, kubeconfig: Path, events: int) -> float:
    """Return the CPU of an event, in milliseconds."""
    connection, count = await connect(kubeconfig), Count(events)
    async with Client(connection) as client:
        task = asyncio.create_task(WAYS[way](connection, client, RunCache(count).runs))
        async with asyncio.timeout(PATIENCE_SECONDS):
            await count.complete.wait()
        await asyncio.sleep(SETTLING_SECONDS)  # kopf ends its tasks when they have been idle for a while
        spent = time.process_time() - count.before
        task.cancel()
        await asyncio.wait([task])
    return spent / events * MILLI


@contextmanager
def server(runs: int, pace: float) -> Iterator[str]:
    """Yield the URL of an API server in a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = multiprocessing.get_context("fork").Process(target=serve, args=(listener, runs, pace), daemon=True)
        process.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            process.kill()


@click.command()
@click.option("--runs", default=2000, show_default=True, help="Runs, of three events each.")
@click.option("--rounds", default=5, show_default=True, help="Rounds, each of all three ways, forwards and backwards in turn.")
@click.option("--pace", default=0.001, show_default=True, help="Seconds between two events; 0 sends all at once.")
def main(runs: int, rounds: int, pace: float) -> None:
    """Print the CPU of an event, and its ratio to that on kopf's own path in the same round."""
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    with server(runs, pace) as url, tempfile.TemporaryDirectory() as folder:
        kubeconfig = write_kubeconfig(Path(folder) / "kubeconfig", url)
        for number in range(rounds):
            for way in list(WAYS)[:: -1 if number % 2 else 1]:
                found[way].append(uvloop.run(measure(way, kubeconfig, runs * len(LIFE))))
    click.echo("| CPU of an event, ms | median | least | most | of kopf's own path |\n|---|---|---|---|---|")
    for way, times in found.items():
        ratio = median([mine / its for mine, its in zip(times, found[OWN_PATH], strict=True)])
        click.echo(f"| {way} | {median(times):.3f} | {min(times):.3f} | {max(times):.3f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
