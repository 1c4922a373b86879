"""`runwatchman policy check --against-ledger`: a policy's replay and simulation in five lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from controller.api.resolved_policy import ResolvedPolicy
from controller.cli.fitting import progress
from controller.errors import RunwatchmanError
from controller.ledger.reading import Row, count, read
from controller.ledger.replay.candidate import Candidate
from controller.ledger.replay.comparison import Comparison
from controller.ledger.replay.decision import Change, Kind
from controller.ledger.replay.document import scope_line
from controller.ledger.replay.shards import SMALL, AnyRow, cpus, judge_all
from controller.ledger.replay.summary import Scope
from controller.simulation import pool, table
from controller.simulation.document import Setting, sentence
from controller.simulation.figures import ASKED, CHARGED, COMPLETED, FALSE_STOPS, compare
from controller.simulation.fit import Fit, fit
from controller.simulation.history import Histories
from controller.simulation.pool import Case

SHOWN = (COMPLETED, CHARGED, ASKED, FALSE_STOPS)
"""The figures in the summary, of ten."""
SEED = 1


@dataclass(slots=True)
class Trial:
    """What a ledger says about a policy: the replay's comparison, the fit, and the policy in force at the last decision."""

    scope: Scope
    found: Comparison
    fit: Fit
    recorded: ResolvedPolicy


def trial(url: str, policy: ResolvedPolicy) -> Trial:
    """Read a ledger once, for both. Raises BadStore, StoreUnavailable, and RunwatchmanError for a ledger without a policy."""
    scope, found, histories, rows = Scope(), Comparison(), Histories(), count(url)
    with progress("reading", rows) as advance:
        read_once = _read(url, scope, histories, advance)
        for results in judge_all(read_once, partial(Candidate, policy.spec), 1 if rows < SMALL else cpus()):
            found.add(results)
    if histories.policy is None:
        raise RunwatchmanError("this ledger has no decision under a policy: nothing can be compared")
    return Trial(scope, found, fit(histories), histories.policy)


def _read(url: str, scope: Scope, histories: Histories, advance: Callable[[int], None]) -> Iterator[AnyRow]:
    for row in read(url):
        scope.add(row)
        if isinstance(row, Row):
            histories.add(row)
        else:
            histories.skip()
        advance(1)
        yield row


def lines(tried: Trial, policy: ResolvedPolicy, runs: int) -> Iterator[str]:
    """Yield the summary; the simulation plays `runs` Runs of each policy."""
    found = tried.found
    yield f"ledger: {scope_line(tried.scope, found.rows)}; {_percent(found.judged, found.rows)} of the decisions can be judged"
    yield f"replay: {len(found.parted):,} of {len(found.runs):,} Runs would have gone otherwise{_effects(found)}"
    defaults = [each.field for each in tried.fit.figures if each.is_default]
    known = len(tried.fit.figures) - len(defaults)
    yield f"scenario: {known} of {len(tried.fit.figures)} figures are fitted to the ledger; defaults: {', '.join(defaults)}"
    setting = Setting("ledger", tried.fit.scenario, runs, SEED)
    cases = [Case(tried.fit.scenario, each) for each in (tried.recorded, policy)]
    with progress("playing", runs * len(cases)) as advance:
        now, new = pool.play(cases, runs, SEED, pool.cpus(), advance)
    yield f"simulation of {runs:,} Runs: " + "; ".join(table.change(setting, measure, now, new) for measure in SHOWN)
    names = f"the recorded policy {tried.recorded.name}", policy.name
    yield f"verdict, on the same random numbers: {sentence(*names, compare(now, new))}"


def _percent(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if whole else "0%"


def _effects(found: Comparison) -> str:
    """Return what would have been different, in the order of the kinds."""
    counted = found.effects
    shown = [
        f"{counted[kind, change]:,} {kind.value}s {change.value}" for kind in Kind for change in Change if counted[kind, change]
    ]
    return f": {', '.join(shown)}" if shown else ""
