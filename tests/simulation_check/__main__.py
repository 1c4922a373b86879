"""Plays a scenario for real and simulates it: `scripts/run python -m tests.simulation_check`.

For real means: a kube-apiserver with its scheduler and its controllers, the operator in a process of its own, and pods, reports and
answers that this program writes as a kubelet, a reporter and a person would. Times are shortened: an agent works for a minute and
reports every five seconds.
"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from typing import Any

import click

from controller.api.base import JsonObject, dump
from controller.api.names import LABEL_RUN
from controller.api.phases import Phase
from controller.api.policy import HealthThresholds, RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.kube.resources import AGENT_REPORTS, ESCALATIONS, PODS, RUNS, Resource
from controller.simulation.draws import Draws
from controller.simulation.engine import simulate_run
from controller.simulation.result import RunResult
from controller.simulation.scenario import Scenario, scenario_of
from controller.simulation.virtual_time import SECOND
from tests.bench.load import watching
from tests.bench.wire import call, session
from tests.cluster import Cluster, lifecycle
from tests.cluster.progress import say
from tests.conftest import install
from tests.simulation_check.comparison import compare, same, table
from tests.simulation_check.played_run import PlayedRun
from tests.support import OperatorProcess, apply, policy_of, run_of

REPORT_SECONDS, HORIZON = 5, 240
SCENARIO = {
    "agent": {
        "workSeconds": {"lognormal": {"median": 60, "p90": 120}},
        "progressEverySeconds": {"exponential": {"mean": 5}},
        "keepsWork": 0.5,
        "crash": {"perHour": 20},
        "quiet": {"perHour": 20, "lastsSeconds": {"lognormal": {"median": 15, "p90": 40}}},
        "hang": {"perHour": 15, "lastsSeconds": {"exponential": {"mean": 40}}},
        "loop": {"perHour": 10, "lastsSeconds": {"exponential": {"mean": 60}}},
        "questions": {"perHour": 20, "parks": 0.4},
    },
    "people": {"answerSeconds": {"lognormal": {"median": 15, "p90": 60}}, "retry": 0.7, "ignore": 0.1},
    "nodes": {"drainsPerDay": 300, "startSeconds": {"lognormal": {"median": 2, "p90": 5}}},
    "provider": {"limitsPerDay": 200, "lastsSeconds": {"exponential": {"mean": 15}}},
    "reporter": {"outagesPerDay": 200, "lastsSeconds": {"exponential": {"mean": 20}}},
}
POLICY = RunPolicySpec(
    unhealthy_confirmations=1,
    restart_budget=2,
    restart_budget_reset_seconds=0,
    restart_cooldown_seconds=4,
    restart_cooldown_max_seconds=30,
    stale_run_age_seconds=60,
    health=HealthThresholds(activity_stalled_seconds=20, progress_stalled_seconds=30, pending_stalled_seconds=60),
    blocked_timeout_seconds=90,
    question_timeout_seconds=120,
)
NODE = "played"
CONTROLLERS = "*,-node-lifecycle-controller"
"""The node is only an object: nobody renews its Lease."""
MANY = 2000
"""Simulated Runs by which the intervals are known."""


@click.command(context_settings={"show_default": True})
@click.option("--runs", default=200, help="Runs to play.")
@click.option("--horizon", default=HORIZON, help="Seconds for which each Run is played.")
@click.option("--seed", default=1, help="Seed of the draws.")
@click.option("--spread", default=200.0, help="Seconds over which the Runs are created.")
def main(runs: int, horizon: int, seed: int, spread: float) -> None:
    """Print the comparison; exit with 1 if a figure differs by more than its interval."""
    scenario, policy = scenario_of(SCENARIO | {"horizonSeconds": horizon}), ResolvedPolicy.of("default", POLICY)
    with _cluster() as cluster:
        played = asyncio.run(_play(cluster, scenario, runs, seed, spread))
    simulated = [simulate_run(scenario, policy, Draws(seed, run), report_seconds=REPORT_SECONDS) for run in range(runs)]
    many = [simulate_run(scenario, policy, Draws(seed + 1, run), report_seconds=REPORT_SECONDS) for run in range(MANY)]
    rows = compare(played, simulated, many, horizon)
    click.echo(table(rows))
    click.echo(f"\n{same(played, simulated):.0%} of the {runs} Runs ended alike, in the same phase after as many attempts.")
    for number, (one, other) in enumerate(zip(played, simulated, strict=True)):
        if (one.phase, one.attempts) != (other.phase, other.attempts):
            say(f"run {number}:\n  played    {one}\n  simulated {other}")
    sys.exit(0 if all(row.agrees for row in rows) else 1)


@contextmanager
def _cluster() -> Iterator[Cluster]:
    cluster = lifecycle.up("api", controllers=CONTROLLERS)
    try:
        install(cluster)
        resources = {"cpu": "10000", "memory": "10Ti", "pods": "10000"}
        status = {"capacity": resources, "allocatable": resources, "conditions": [{"type": "Ready", "status": "True"}]}
        node: JsonObject = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}, "status": status}
        cluster.kubectl("create", "-f", "-", stdin=json.dumps(node))
        cluster.kubectl("taint", "nodes", NODE, "node.kubernetes.io/not-ready-", check=False)
        yield cluster
    finally:
        lifecycle.end(cluster)


async def _play(cluster: Cluster, scenario: Scenario, runs: int, seed: int, spread: float) -> list[RunResult]:
    """Play all Runs, created one after the other."""
    place, person = f"played-{uuid.uuid4().hex[:6]}", cluster.user
    found: dict[str, PlayedRun] = {}
    cluster.kubectl("create", "namespace", place)
    apply(cluster, place, policy_of(dump(POLICY)))

    def see(kind: str, _: float, change: str, event: JsonObject) -> None:
        if run := found.get(_run_of(kind, event)):
            run.see(kind, change, event)

    options = ("--namespace", place, "--lease-name", place, "--reporter-image", "reporter")
    async with AsyncExitStack() as stack:
        stack.enter_context(OperatorProcess(cluster, *options))
        http = await stack.enter_async_context(session(cluster.kubeconfig))
        for resource, kind in WATCHED.items():
            await stack.enter_async_context(watching(http, resource, place, partial(see, kind)))
        async with asyncio.TaskGroup() as group:
            for number in range(runs):
                body = run_of(f"run-{number}", {"name": "agent"})
                run = await call(http, "POST", RUNS.path(place), body)
                found[f"run-{number}"] = one = PlayedRun(http, person, run, scenario, POLICY, Draws(seed, number), REPORT_SECONDS)
                group.create_task(one.play())
                if number % PROGRESS == 0:
                    say(f"{number} of {runs} Runs created")
                await asyncio.sleep(spread / runs)
            say("all Runs created")
    for refusal, number in sum((run.refusals for run in found.values()), Counter()).most_common():
        say(f"refused {number} times: {refusal}")
    return [_result(run) for run in found.values()]


PROGRESS = 50
WATCHED: dict[Resource, str] = {PODS: "pod", RUNS: "run", ESCALATIONS: "escalation", AGENT_REPORTS: "report"}


def _run_of(kind: str, event: JsonObject) -> str:
    """Return the name of the Run that an object belongs to."""
    if kind == "run":
        return str(event["metadata"]["name"])
    return str(event["metadata"].get("labels", {}).get(LABEL_RUN) or event.get("spec", {}).get("runName", ""))


def _result(run: PlayedRun) -> RunResult:
    """Return how a played Run went."""
    account = run.account
    agents = run.status.get("operatorState", {}).get("agents", {})
    counts: dict[str, Any] = dict.fromkeys(RunResult.__dataclass_fields__, 0)
    counts |= {name: getattr(account, name) for name in COUNTED}
    return RunResult(
        **counts
        | {
            "phase": account.phase if run.status else Phase.PENDING,
            "finished_seconds": run.finished_seconds,
            "charged": sum(agent.get("restarts", 0) for agent in agents.values()),
            "free": sum(agent.get("freeRestarts", 0) for agent in agents.values()),
            "waiting_seconds": account.waiting / SECOND,
            "blocked_seconds": account.blocked / SECOND,
        }
    )


COUNTED = ("reason", "attempts", "questions", "approvals", "blocks", "false_stops")
"""The figures that the world counts itself."""


if __name__ == "__main__":
    main()
