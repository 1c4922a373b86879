"""Plays one Run in virtual time over the shipped plan.

The world moves by simpy's events. Between two of them the operator makes the passes that time and reports lead to; after each it
looks at what has changed. No decision is written here.
"""

from __future__ import annotations

from controller.api.phases import Phase
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.run import Agent, RunSpec
from controller.plan.snapshot import RunFacts
from controller.reporter.settings import DEFAULT_INTERVAL_SECONDS
from controller.simulation.account import Account, Event
from controller.simulation.cluster import Cluster
from controller.simulation.draws import Draws
from controller.simulation.lazily import Watch
from controller.simulation.passes import Passes
from controller.simulation.result import RunResult
from controller.simulation.scenario import Scenario
from controller.simulation.virtual_time import SECOND, Clock

NAMESPACE, RUN, AGENT, IMAGE = "default", "run", "agent", "simulated"
UID_DIGITS = 2**32

NOT_SIMULATED = (
    "maxActiveRuns",
    "verification and publication",
    "workspaces",
    "several agents of one Run",
    "lost nodes",
    "refused writes",
)
"""What a simulation leaves out; its output says so."""


def simulate_run(
    scenario: Scenario,
    policy: ResolvedPolicy,
    draws: Draws,
    *,
    report_seconds: int = DEFAULT_INTERVAL_SECONDS,
    trace: list[Event] | None = None,
    lazy: bool = True,
) -> RunResult:
    """Return how a Run goes under a policy. The same arguments give the same result on every machine.

    Agents report every `report_seconds`. What happens is appended to `trace`. `lazy` is False to plan for each report: slow, with
    the same result.
    """
    created = scenario.arrivals.moment(draws.uniform("arrival"))
    clock, account = Clock(created), Account(events=trace)
    uid = f"{int(draws.uniform('uid') * UID_DIGITS):08x}"
    limits = scenario.limits
    spec = RunSpec(
        agents=(Agent(name=AGENT, image=IMAGE),),
        active_deadline_seconds=limits.active_deadline_seconds,
        token_budget=limits.token_budget,
    )
    cluster = Cluster(scenario, policy.spec, draws, clock, account, report_seconds)
    passes = Passes(cluster, RunFacts(NAMESPACE, RUN, uid, 1, spec, created_at=created), policy)
    _play(cluster, passes, Watch(cluster, passes, lazy=lazy))
    return _result(cluster, passes, account)


def _play(cluster: Cluster, passes: Passes, watch: Watch) -> None:
    """Play until the Run has ended, or until the horizon."""
    passes.reconcile()
    while not passes.finished:
        time = min(cluster.upcoming(), cluster.horizon)
        if watch.until(time):
            continue
        if time >= cluster.horizon:
            return cluster.advance(time)
        cluster.step()
        if cluster.changed:
            passes.reconcile()
    return None


def _result(cluster: Cluster, passes: Passes, account: Account) -> RunResult:
    now, stop = cluster.now, passes.state.stop if passes.state else None
    if cluster.life is not None:
        cluster.life_over(cluster.life, keeps_all=True)  # at the horizon
    account.enter(account.phase, account.reason, now)
    failed = passes.finished and stop is not None and stop.phase is not Phase.COMPLETED
    used = cluster.prices.tokens(account.spending)
    wasted = used if failed else cluster.prices.tokens(account.wasting)
    return RunResult(
        phase=account.phase,
        reason=account.reason,
        finished_seconds=now / SECOND if passes.finished else None,
        attempts=account.attempts,
        charged=account.charged,
        free=account.free,
        questions=account.questions,
        approvals=account.approvals,
        blocks=account.blocks,
        waiting_seconds=account.waiting / SECOND,
        blocked_seconds=account.blocked / SECOND,
        stuck_seconds=account.stuck / SECOND,
        false_stops=account.false_stops,
        tokens_used=used,
        tokens_wasted=wasted,
        cost_micro_usd=cluster.prices.cost(used),
        cost_wasted_micro_usd=cluster.prices.cost(wasted),
        plans=account.plans,
    )
