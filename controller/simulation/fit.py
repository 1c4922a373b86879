"""Fits a scenario to a ledger: each figure with its interval and its data. What the ledger cannot show keeps its default."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby, pairwise

from controller.api.base import JsonObject
from controller.api.escalation import Decision, EscalationType
from controller.simulation.ended_attempts import CRASHED, DRAINED, HUNG, LIMITED, LOOPED, Attempt, ended_attempt, last_report
from controller.simulation.estimates import DAY, ENOUGH, ENOUGH_HOURS, HOUR, Fitted, Made, quantile, short, window
from controller.simulation.history import Asked, Histories, RunHistory
from controller.simulation.scenario import EXIT_TEMPORARY, Scenario, scenario_of
from controller.simulation.silences import SHORTEST, Longest, silences

ENOUGH_TIMES = 40
"""Answers or Runs below which no hours are fitted."""
DOOMED = 3
"""Crashes, and at least half of its attempts, after which a Run that is not complete counts as one that cannot succeed."""
MILLION = 1_000_000


@dataclass(slots=True)
class Fit:
    """A fitted scenario with its figures, and how much of the ledger was read."""

    scenario: Scenario
    figures: list[Fitted]
    runs: int
    rows: int
    unreadable: int
    earlier: int = 0
    """Runs that were left out because they were created too early."""


@dataclass(slots=True)
class _Data:
    """All that the figures are computed from."""

    attempts: list[Attempt] = field(default_factory=list)
    doomed: list[Attempt] = field(default_factory=list)
    works: list[tuple[float, bool]] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    created: list[datetime] = field(default_factory=list)
    longest: list[Longest] = field(default_factory=list)
    situations: int = 0
    limits: list[float] = field(default_factory=list)
    parked: int = 0
    doomed_runs: int = 0
    ended_runs: int = 0

    @property
    def hours(self) -> float:
        """Return the hours of work."""
        return math.fsum(attempt.work for attempt in self.attempts) / HOUR

    def ended(self, ending: str) -> list[Attempt]:
        """Return the attempts that ended in a way."""
        return [attempt for attempt in self.attempts if attempt.ending == ending]


def fit(found: Histories) -> Fit:
    """Return the scenario that a ledger's histories are nearest to."""
    data = _Data()
    for run in found.runs.values():
        _gather(data, run)
    made = Made()
    data.situations = found.situations
    for part in (_agent, _quiet, _usage, _people, _surroundings, _arrivals):
        part(data, made)
    values = {"description": f"Fitted to {len(found.runs)} Runs of a ledger.", **made.values}
    return Fit(scenario_of(values), made.figures, len(found.runs), found.rows, found.unreadable, len(found.earlier))


def _gather(data: _Data, run: RunHistory) -> None:
    attempts = [attempt for key in sorted(run.pods) if (attempt := ended_attempt(run, run.pods[key])) is not None]
    crashes = [attempt for attempt in attempts if attempt.ending == CRASHED]
    if len(crashes) >= max(DOOMED, len(attempts) / 2) and not run.completed:
        data.doomed_runs += 1
        data.doomed += crashes
    else:
        data.attempts += attempts
        data.ended_runs += run.ended
        if attempts:
            data.works.append((math.fsum(attempt.work for attempt in attempts), run.completed))
    data.longest += [(attempt.work / HOUR, run.silences.get(attempt.key, 0.0)) for attempt in attempts]
    data.limits += _limits(attempts)
    for asked in run.asked.values():
        asked.closed = asked.closed or run.seen
    data.asked += run.asked.values()
    reports = [last_report(run, pod) for pod in run.pods.values()]
    data.parked += sum(report is not None and report.parked for report in reports)
    if run.created is not None:
        data.created.append(run.created)


def _limits(attempts: Sequence[Attempt]) -> list[float]:
    """Return how long each limit of the provider lasted: until between the last exit by it and the next attempt's start.

    Attempts that end with it one after another have met the same one.
    """
    found: list[float] = []
    groups = [(limited, list(group)) for limited, group in groupby(attempts, lambda attempt: attempt.ending == LIMITED)]
    for (limited, group), (_, after) in pairwise([*groups, (False, [])]):
        if limited:
            last = (group[-1].ended - group[0].ended).total_seconds()
            until = (after[0].began - group[0].ended).total_seconds() if after else last
            found.append((last + until) / 2)
    return found


def _agent(data: _Data, made: Made) -> None:
    hours, crashes = data.hours, data.ended(CRASHED)
    made.durations("agent.workSeconds", data.works, "completed Runs", "Runs")
    events = sum(attempt.progress for attempt in data.attempts)
    mean = math.fsum(attempt.work for attempt in data.attempts if attempt.progress) / events if events else 0.0
    every = {"exponential": {"mean": round(mean, 1)}} if events >= ENOUGH else None
    made.put("agent.progressEverySeconds", every, f"{short(mean)} on average", f"{events:,} reports of progress")
    made.rate("agent.crash.perHour", len(crashes), hours, "crashes/h")
    if crashes:
        made.values["agent"].setdefault("crash", {})["ends"] = _ends(crashes)
    made.share("agent.doomed.share", data.doomed_runs, data.doomed_runs + data.ended_runs, "Runs")
    if data.doomed:
        made.distribution("agent.doomed.afterSeconds", [attempt.running for attempt in data.doomed], "crashes of them")
    made.rate("agent.hang.perHour", len(data.ended(HUNG)), hours, "silent agents that were ended/h")
    made.rate("agent.loop.perHour", len(data.ended(LOOPED)), hours, "active agents without progress that were ended/h")
    questions = sum(asked.kind is EscalationType.QUESTION for asked in data.asked)
    made.rate("agent.questions.perHour", questions, hours, "questions/h")
    made.share("agent.questions.parks", min(data.parked, questions), questions, "questions")


def _quiet(data: _Data, made: Made) -> None:
    """Set the healthy silences, which only a ledger of all situations shows."""
    if not data.situations:
        made.put("agent.quiet", None, "", "only a ledger of --ledger-detail all shows it")
        return
    rate, lengths = silences(data.longest)
    enough = data.hours >= ENOUGH_HOURS
    shown = f"{rate:.3g} an hour of at least {SHORTEST} s, half under {short(quantile(lengths, 0.5))}" if enough else ""
    value = {"perHour": rate, "lastsSeconds": {"empirical": lengths} if lengths else SHORTEST} if enough else None
    made.put("agent.quiet", value, shown, f"the longest silences of {len(data.longest):,} attempts")


def _ends(crashes: Sequence[Attempt]) -> list[JsonObject]:
    """Return the exit codes of crashes with their weights, the most frequent first."""
    counts: dict[tuple[int, str], int] = {}
    for attempt in crashes:
        end = attempt.pod.termination
        if end is not None and 1 <= end.exit_code <= MAX_EXIT_CODE:
            key = end.exit_code, end.reason or "Error"
            counts[key] = counts.get(key, 0) + 1
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MAX_ENDS]
    return [{"exitCode": code, "reason": reason, "weight": count} for (code, reason), count in most] or [{"exitCode": 1}]


MAX_EXIT_CODE, MAX_ENDS = 255, 16


def _usage(data: _Data, made: Made) -> None:
    used = [attempt for attempt in data.attempts if attempt.tokens]
    hours, tokens = math.fsum(attempt.spending for attempt in used) / HOUR, sum(attempt.tokens for attempt in used)
    per_hour = round(tokens / hours) if hours >= ENOUGH_HOURS else None
    made.put("agent.tokensPerHour", per_hour, f"{per_hour or 0:,}", f"{tokens:,} tokens in {hours:,.1f} h of work and loops")
    price = round(sum(attempt.cost for attempt in used) * MILLION / tokens) if tokens else None
    made.put("agent.costMicroUSDPerMillionTokens", price, f"{price or 0:,}", f"{len(used):,} attempts that report tokens")


def _people(data: _Data, made: Made) -> None:
    answers = [asked for asked in data.asked if asked.opened is not None and asked.answered is not None]
    hours = window([asked.answered for asked in answers if asked.answered]) if len(answers) >= ENOUGH_TIMES else None
    shown = f"{hours['from']} to {hours['to']} UTC on {len(hours['days'])} days a week" if hours else ""
    made.put("people.hours", hours, shown, f"{len(answers):,} answers")
    within = scenario_of({"people": {"hours": hours}} if hours else {}).people.hours
    delays = [
        (within.between(asked.opened, end), asked.answered is not None)
        for asked in data.asked
        if asked.opened is not None and (end := asked.answered or asked.closed) is not None
    ]
    made.durations("people.answerSeconds", delays, "answers, in these hours" if hours else "answers", "escalations")
    decisions = [asked.decision for asked in answers]
    yes, no = decisions.count(Decision.APPROVE), decisions.count(Decision.DENY)
    made.share("people.approve", yes, yes + no, "answered approvals")
    stop, helped = decisions.count(Decision.STOP), decisions.count(Decision.RETRY) + decisions.count(Decision.WAIT)
    made.share("people.retry", helped, helped + stop, "answers about blocked Runs")
    expired = sum(asked.expired for asked in data.asked)
    made.share("people.ignore", expired, expired + len(answers), "escalations expired")


def _surroundings(data: _Data, made: Made) -> None:
    days = math.fsum(attempt.running for attempt in data.attempts) / DAY
    made.rate("nodes.drainsPerDay", len(data.ended(DRAINED)), days, "evictions/days")
    made.distribution("nodes.startSeconds", [max(0.0, attempt.starting) for attempt in data.attempts], "starts")
    made.rate("provider.limitsPerDay", len(data.limits), days, f"limits, by exits with {EXIT_TEMPORARY}/days")
    made.distribution("provider.lastsSeconds", data.limits, "of them")
    for path in ("agent.keepsWork", "reporter.outagesPerDay"):
        made.put(path, None, "", "a ledger does not show it")


def _arrivals(data: _Data, made: Made) -> None:
    span = (max(data.created) - min(data.created)).total_seconds() / DAY if data.created else 0.0
    per_day = min(round(len(data.created) / span, 2), MAX_PER_DAY) if span >= 1 else None
    made.put("runsPerDay", per_day, f"{per_day}", f"{len(data.created):,} Runs in {span:,.1f} days")
    hours = window(data.created) if len(data.created) >= ENOUGH_TIMES else None
    shown = f"{hours['from']} to {hours['to']} UTC on {len(hours['days'])} days a week" if hours else ""
    made.put("arrivals", hours, shown, f"{len(data.created):,} Runs")


MAX_PER_DAY = 3600
