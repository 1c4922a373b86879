"""A storm: every agent dies at once, repeatedly, until the budgets are spent. Charges, attempts and cooldowns must be exact.

scripts/run python -m tests.bench.storm [--count N]
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from copy import deepcopy
from functools import partial

import click

from controller.kube.resources import PODS, RUNS
from tests.bench.controllers import run_for, start_ours
from tests.bench.kubelet import end
from tests.bench.load import all_of, create, watching
from tests.bench.measured import Latency, Load, latency
from tests.bench.pace import asking
from tests.bench.series import arena
from tests.bench.storm_check import Sky
from tests.bench.turn import stage_for, tidy
from tests.bench.wire import session
from tests.cluster import Cluster
from tests.cluster.progress import say
from tests.support import apply, policy_of

BUDGET, COOLDOWN_SECONDS = 2, 10
POLICY = {"restartBudget": BUDGET, "restartCooldownSeconds": COOLDOWN_SECONDS, "confirmationIntervalSeconds": 1}
POLL_SECONDS = 0.2
SOMETHING_SMALL = "/api/v1/namespaces/default"


@click.command()
@click.option("--count", default=300, show_default=True, help="Runs whose agents die at once.")
def main(count: int) -> None:
    """Kill all agents until every budget is spent, on a control plane with simulated nodes; the exit code shows whether all was
    exact.
    """
    with arena() as cluster:
        faults = storm(cluster, count)
    click.echo("\n".join(faults) or f"{count} Runs: every charge, attempt and cooldown is exact.")
    sys.exit(1 if faults else 0)


def storm(cluster: Cluster, count: int) -> list[str]:
    """Run a storm over this many Runs, and return the inexact results."""
    load = Load(count)
    with stage_for(cluster, load) as stage, ExitStack() as stack:
        apply(cluster, stage.namespace, policy_of(POLICY))
        start_ours("status", stage, stack)
        found = asyncio.run(_strike(cluster, stage.namespace, load))
    return found.faults(BUDGET, COOLDOWN_SECONDS)


async def _strike(cluster: Cluster, namespace: str, load: Load) -> Sky:
    sky = Sky()
    async with (
        session(cluster.kubeconfig) as http,
        asyncio.timeout(load.patience * (BUDGET + 1)),
        watching(http, PODS, namespace, sky.see_pod),
        watching(http, RUNS, namespace, sky.see_run),
    ):
        await create(http, RUNS, namespace, [run_for(f"run-{number}", True) for number in range(load.count)])
        for death in range(1, BUDGET + 2):
            await _until(lambda: len(sky.running()) == load.count)
            struck = time.monotonic()
            async with asking(http, SOMETHING_SMALL) as answers:
                await all_of(partial(end, http, pod, failed=True) for pod in sky.running())
                await _until(partial(_over, sky, load.count, death))
            _tell(death, latency([born - struck for born in sky.born.values() if born > struck]), latency(answers))
        found = deepcopy(sky)
        await tidy(http, namespace, RUNS, load)
    return found


def _over(sky: Sky, count: int, death: int) -> bool:
    """Whether every Run has handled this number of deaths: with a successor for each, and at the end with none."""
    return sky.spent() == count if death > BUDGET else sum(map(len, sky.pods.values())) == count * (death + 1)


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  # watches set no event
        await asyncio.sleep(POLL_SECONDS)


def _tell(death: int, successors: Latency, answers: Latency) -> None:
    say(f"death {death}: {successors.number} successors{_within(successors)}; the API server answered{_within(answers)}")


def _within(found: Latency) -> str:
    return f" within {found.p50:.2f} s, p99 {found.p99:.2f} s" if found.number else ""


if __name__ == "__main__":
    main()
