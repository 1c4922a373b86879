"""The time from an object's creation to its started container, under arrivals at random times: `make latency`.

scripts/run python -m tests.bench.openloop [--cluster api|kind] [--rate N] [--kinds pod,job,run]
"""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click

from tests.bench.machine import facts
from tests.bench.openloop.campaign import SHOWN, half_of, play, saturation, take_turn
from tests.bench.openloop.kinds import DEFAULT_KINDS, KINDS, REPORTING_RUN
from tests.bench.openloop.plan import FIRST_RATE, NODES, Plan
from tests.bench.openloop.results import OpenLoop
from tests.bench.openloop.tables import report, summary
from tests.bench.openloop.turn import Pace
from tests.bench.profile import hottest, recording
from tests.bench.restarts import bench_cluster
from tests.cluster import Cluster
from tests.cluster.processes import interrupt_on_signals
from tests.cluster.progress import say
from tests.cluster.settings import KIND
from tests.reporter_image import load_reporter_image

RESULT, TABLE, STACKS, PROFILE = "openloop-{}.json", "openloop-{}.md", "openloop-{}.folded", "openloop-{}-profile.md"
SHOWN_FUNCTIONS = 60
AUTO = "auto"
MACHINES = {"api": 2, "kind": 1}
"""Nodes: two kubelets would share the cores of one machine."""
OF_API = ("kwok", "etcd")
"""Facts that hold only for the control plane with simulated nodes."""


@click.command(context_settings={"show_default": True})
@click.option("--cluster", "provider", type=click.Choice([*NODES]), default="api", help="Simulated nodes, or a real kubelet.")
@click.option("--attach", "there", help="A cluster that `python -m tests.cluster up` has left; else one is made.")
@click.option("--rate", default=AUTO, help="Arrivals a second; auto: half of the highest rate with which every kind keeps up.")
@click.option("--ramp", default=15.0, help="Seconds of each step of the search for that rate.")
@click.option("--seconds", default=60.0, help="How long objects arrive.")
@click.option("--window", default=10.0, help="Seconds of a window.")
@click.option("--rounds", default=3, help="In each every kind has its turn.")
@click.option("--kinds", default=",".join(DEFAULT_KINDS), help=f"Of {', '.join(KINDS)}.")
@click.option("--seed", default=1, help="Another seed gives other times of arrival.")
@click.option("--profile", is_flag=True, help="Only sample where the operator's CPU goes, in one turn of the last kind.")
@click.option("--output", type=click.Path(path_type=Path), default=Path("artifacts/bench"), help="Where results go.")
def main(
    provider: str,
    there: str | None,
    rate: str,
    ramp: float,
    seconds: float,
    window: float,
    rounds: int,
    kinds: str,
    seed: int,
    profile: bool,
    output: Path,
) -> None:
    """Measure bare pods, Jobs and Runs, each alone in turn, in an open loop."""
    interrupt_on_signals()
    output.mkdir(parents=True, exist_ok=True)
    plan = Plan(seconds, window, ramp, rounds, seed, _chosen(kinds), FIRST_RATE[provider])
    with bench_cluster(provider, there, MACHINES[provider]) as cluster:
        if REPORTING_RUN in plan.kinds:
            load_reporter_image(cluster)
        found = saturation(cluster, plan) if rate == AUTO else {}
        chosen = half_of(found.values()) if found else float(rate)
        if profile:
            _profile(cluster, plan, chosen, output)
            return
        loop = OpenLoop(NODES[provider], _facts(cluster), chosen, seconds, window, found)
        try:
            play(cluster, plan, loop, partial(_keep, loop, provider, output))
        finally:  # Show the results so far after an interrupt, too.
            _show(loop, provider, output)


def _chosen(kinds: str) -> tuple[str, ...]:
    if unknown := [name for name in kinds.split(",") if name not in KINDS]:
        raise click.BadParameter(f"{', '.join(unknown)}: there are {', '.join(KINDS)}", param_hint="--kinds")
    return tuple(kinds.split(","))


def _facts(cluster: Cluster) -> dict[str, str]:
    version = json.loads(cluster.kubectl("get", "--raw", "/version"))["gitVersion"].removeprefix("v")
    found = facts() | {"kube-apiserver": version}
    return (
        found if cluster.provider == "api" else {name: fact for name, fact in found.items() if name not in OF_API} | {"kind": KIND}
    )


def _profile(cluster: Cluster, plan: Plan, rate: float, output: Path) -> None:
    name = plan.kinds[-1]
    stacks, pace = output / STACKS.format(name), Pace(rate, plan.seconds, plan.window_seconds, str(plan.seed))
    turn = take_turn(cluster, KINDS[name], pace, plan.warm_up, partial(recording, stacks))
    text = (
        "\n".join([f"{summary(turn, rate, *SHOWN)}, sampled", "", *hottest(stacks.read_text().splitlines(), SHOWN_FUNCTIONS)])
        + "\n"
    )
    (output / PROFILE.format(name)).write_text(text)
    click.echo(text)


def _keep(loop: OpenLoop, provider: str, output: Path) -> None:
    (output / RESULT.format(provider)).write_text(json.dumps(asdict(loop), indent=1) + "\n")


def _show(loop: OpenLoop, provider: str, output: Path) -> None:
    table = f"{report([loop])}\n"
    (output / TABLE.format(provider)).write_text(table)
    say(f"the figures: {output / RESULT.format(provider)}")
    click.echo(table)


if __name__ == "__main__":
    main()
