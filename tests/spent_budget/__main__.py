"""Fifty Runs use up a budget of tokens while the operator is killed: it asks once, and the sum stays exact and within its bound.

make budgets, or scripts/run python -m tests.spent_budget [--runs N] [--kills N]
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import click

from tests.api.spending import DONE, EACH, a_provider, asked, kill, reasons, started, window, work
from tests.chaos.series import teller
from tests.cluster import Cluster, lifecycle
from tests.conftest import install
from tests.plugin import Plugin
from tests.support import OperatorProcess, apply, await_that, run_of, simulated

ACTIVE, NODES = 10, 2
"""Agents at work at once, and simulated nodes."""
PATIENCE_SECONDS = 900.0
PLAYERS = 4
"""Agents that use tokens and end at the same time."""


@click.command()
@click.option("--runs", default=50, show_default=True, help="The budget is for two fifths of them.")
@click.option("--kills", default=10, show_default=True, help="SIGKILLs of the operator while they work.")
def main(runs: int, kills: int) -> None:
    """Use up a budget while the operator is killed, approve more, and judge the sums and the questions."""
    cluster, tell = lifecycle.up("api", kwok_nodes=NODES), teller()
    try:
        install(cluster)
        cluster.kubectl("create", "namespace", "spent")
        with OperatorProcess(cluster, "--namespace", "spent", "--lease-name", "spent") as operator:
            faults = _play(cluster, operator, runs, kills)
    finally:
        lifecycle.end(cluster)
    for fault in faults:
        tell(fault)
    tell(f"{runs} Runs, {kills} kills, {len(faults) or 'no'} violations")
    sys.exit(1 if faults else 0)


def _play(cluster: Cluster, operator: OperatorProcess, runs: int, kills: int) -> list[str]:
    rw, budget = Plugin(cluster, "spent"), 2 * runs // 5 * EACH
    apply(cluster, "spent", a_provider({"tokens": budget, "extraTokens": runs * EACH, "window": "Month"}, maxActiveAgents=ACTIVE))
    await_that(lambda: window(rw), "the window")
    apply(cluster, "spent", *(run_of(f"r{n}", simulated("run-forever") | {"provider": "account"}) for n in range(runs)))
    _work_while_killed(rw, operator, kills // 2)
    await_that(lambda: window(rw)["tokens"] == _completed(rw) * EACH, "the sum", PATIENCE_SECONDS)
    sums, faults = window(rw), []
    if not budget <= sums["tokens"] <= budget + (ACTIVE - 1) * EACH:
        faults.append(f"{sums['tokens']} tokens were used of {budget}, with {ACTIVE} agents at once")
    names = [found["metadata"]["name"] for found in asked(rw)]
    if len(names) != 1:
        faults.append(f"asked {len(names)} times: {names}")
    rw.ok("approve", names[0])
    await_that(lambda: started(rw), "agents to start again", PATIENCE_SECONDS)
    _work_while_killed(rw, operator, kills - kills // 2)
    await_that(lambda: window(rw)["tokens"] == runs * EACH, "the exact sum", PATIENCE_SECONDS)
    if len(asked(rw)) != 1 or _completed(rw) != runs:
        faults.append(f"{len(asked(rw))} questions, {_completed(rw)} Runs completed")
    return faults


def _completed(rw: Plugin) -> int:
    return list(reasons(rw).values()).count(DONE)


def _work_while_killed(rw: Plugin, operator: OperatorProcess, kills: int) -> None:
    """Let agents work until none starts any more, and kill the operator meanwhile."""
    with ThreadPoolExecutor(PLAYERS + 1) as pool:
        killing = pool.submit(_kill, operator, kills)
        while runs := started(rw) or ([] if killing.done() and _rests(rw) else ["again"]):
            batch = [run for run in runs if run != "again"][:PLAYERS]
            list(pool.map(lambda run: work(rw, run), batch))
        killing.result()


def _rests(rw: Plugin) -> bool:
    """Whether every Run has completed, or waits for the budget."""
    return set(reasons(rw).values()) <= {DONE, "ProviderBudgetSpent"}


def _kill(operator: OperatorProcess, kills: int) -> None:
    for _ in range(kills):
        kill(operator)


if __name__ == "__main__":
    main()
