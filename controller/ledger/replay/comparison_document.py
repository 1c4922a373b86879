"""The result of a replay with a candidate policy as JSON and as text. Pure; texts of the ledger are written as they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict

from pydantic.alias_generators import to_camel

from controller.api.base import JsonObject
from controller.ledger.replay.comparison import Comparison, RunComparison
from controller.ledger.replay.decision import Change, Decided, Effect, Kind
from controller.ledger.replay.document import finding_document, number, scope_document, scope_line, table
from controller.ledger.replay.reproduce import Finding
from controller.ledger.replay.summary import LISTED, Scope

NOT_JUDGED = "Not judged: what follows a parting"
UNWATCHED = f"{NOT_JUDGED}, and what the candidate would have decided between two passes that acted (see --ledger-detail)."
WATCHED = f"{NOT_JUDGED}. Between two rows, the candidate was judged by the situation in the earlier one."
"""What a replay cannot know, by what the ledger has."""


def comparison_document(scope: Scope, found: Comparison) -> JsonObject:
    """Return the result of a replay with a candidate policy."""
    counted = found.effects
    effects = {kind.value: {change.value: counted[kind, change] for change in Change} for kind in Kind}
    parted = found.parted
    return {
        **scope_document(scope),
        "decisions": found.rows,
        "judged": found.judged,
        "runsTheSame": len(found.runs) - len(parted) - len(found.unjudged),
        "runsParted": len(parted),
        "runsNotJudged": len(found.unjudged),
        "effects": effects,
        "situations": scope.watched,
        "partings": [_parting(run) for run in parted[:LISTED]],
        "notJudged": [finding_document(each) for each in _findings(found)[:LISTED]],
    }


def comparison_lines(scope: Scope, found: Comparison) -> Iterator[str]:
    """Yield the same for people."""
    parted, unjudged = found.parted, found.unjudged
    yield scope_line(scope, found.rows)
    share = f"{found.judged / found.rows:.0%}" if found.rows else "0%"
    yield f"judged: {number(found.judged, 'decision')} ({share}), up to the first point where a history and the candidate part"
    same = len(found.runs) - len(parted) - len(unjudged)
    ends = f", {number(len(unjudged), 'Run')} not judged to the end" if unjudged else ""
    yield f"{number(same, 'Run')} the same, {number(len(parted), 'Run')} parted{ends}"
    if counted := found.effects:
        yield ""
        yield from _sums(counted)
    if parted:
        yield ""
        for run in parted[:LISTED]:
            yield from _parting_lines(run)
        if len(parted) > LISTED:
            yield f"and {len(parted) - LISTED:,} more"
    if findings := _findings(found):
        yield ""
        rows = [(each.id, (each.at or "-", f"{each.namespace}/{each.run}" if each.run else "-", _why(each))) for each in findings]
        yield from table(("ROW", "TIME", "RUN", "NOT JUDGED FROM HERE"), rows[:LISTED])
    yield ""
    yield WATCHED if scope.watched else UNWATCHED


def _sums(counted: Counter[tuple[Kind, Change]]) -> Iterator[str]:
    yield "".join(["              ", *(f"{change.value.upper():>9}" for change in Change)])
    for kind in Kind:
        if any(counted[kind, change] for change in Change):
            yield "".join([f"{kind.value + 's':<14}", *(f"{counted[kind, change]:>9,}" for change in Change)])


def _parting_lines(run: RunComparison) -> Iterator[str]:
    if parting := run.parting:
        effects = ", ".join(map(_effect, parting.effects)) or "other"
        yield f"{'after ' if parting.between else ''}row {parting.id}, {parting.at}, {run.namespace}/{run.run}: {effects}"
        yield f"  recorded:  {_decision(parting.recorded)}"
        yield f"  candidate: {_decision(parting.candidate)}"


def _decision(decided: Decided) -> str:
    """Return a decision in one line: the rule, and its actions or the reason to wait."""
    what = (
        ", ".join(decided.actions)
        or f"waits: {decided.reason}{f', looks again {decided.next_check}' if decided.next_check else ''}"
    )
    return f"{decided.rule}: {what}"


def _effect(effect: Effect) -> str:
    agent = f" of {effect.agent}" if effect.agent else ""
    asks = " (after the advisor's answer)" if effect.change is Change.LATER else ""
    at = f" ({TIMES[effect.change]} {effect.at})" if effect.at else asks
    return f"{effect.kind.value}{agent} {effect.change.value}{at}"


TIMES = {Change.LATER: "if nothing changes,", Change.SOONER: "recorded"}
"""The meaning of an effect's time."""


def _findings(found: Comparison) -> list[Finding]:
    return [*(run.finding for run in found.unjudged if run.finding), *found.damaged]


def _why(finding: Finding) -> str:
    return f"{finding.result.value}: {finding.problem}" if finding.problem else finding.result.value


def _parting(run: RunComparison) -> JsonObject:
    found = asdict(run.parting) if run.parting else {}
    sides = {side: {to_camel(key): value for key, value in found.pop(side).items()} for side in ("recorded", "candidate")}
    return {"namespace": run.namespace, "run": run.run, "rows": run.rows, "judged": run.judged, **found, **sides}
