"""The figures as Markdown. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from tests.bench.figures import METRICS, Round, Spread, ratio, spread
from tests.bench.measured import Series, Turn
from tests.bench.targets import Verdict, verdicts

COSTS = ("wall", "cpu", "server_cpu", "etcd_cpu", "peak")
WRITES = ("writes", "events", "refused", "tidying", "idle_writes", "idle_cpu")
TIMES = ("start_p50", "start_p99", "ending_p50", "ending_p99")
FAILING = ("wall", "cpu", "writes", "succession_p50", "succession_p99")
REFERENCES = ("job", "floor")
COMPARED = ("wall", "cpu", "server_cpu")
RATIO_DIGITS = 2
ABSENT = "-"
WORDS = {True: "met", False: "**missed**", None: "not measured"}


def report(series: Iterable[Series]) -> str:
    """Return every table of every series."""
    return "\n\n".join(part for each in series for part in _of(each))


def _of(series: Series) -> list[str]:
    rounds = series.rounds
    head = f"### {series.count:,} {'that fail once' if series.failing else 'healthy'}, {_rounds(rounds)}: median (least-most)"
    failed = [f"- {each}" for each in series.failures]
    if series.failing:
        return [head, judged(verdicts(rounds, failing=True)), figures(rounds, FAILING), *failed]
    tables = [figures(rounds, metrics) for metrics in (COSTS, WRITES, TIMES)]
    return [head, judged(verdicts(rounds)), *tables, written(rounds), ratios(rounds), *failed]


def written(rounds: Sequence[Round]) -> str:
    """Return each contestant's writes for an object, by verb and resource: the mean over all rounds."""
    found = {name: [each[name] for each in rounds if name in each] for name in names(rounds)}
    return markdown(["controller", "which writes, each"], ([name, _writes_of(turns)] for name, turns in found.items()))


def _writes_of(turns: Sequence[Turn]) -> str:
    total: Counter[str] = Counter()
    for turn in turns:
        total.update(turn.written.writes)
    objects = sum(turn.load.count for turn in turns)
    return ", ".join(f"{what} {number / objects:.{RATIO_DIGITS}f}" for what, number in sorted(total.items()))


def _rounds(rounds: Sequence[Round]) -> str:
    return f"{len(rounds)} round{'s' * (len(rounds) != 1)}"


def figures(rounds: Sequence[Round], metrics: Sequence[str]) -> str:
    """Return a row for each contestant and a column for each metric."""
    digits = {metric: METRICS[metric].digits for metric in metrics}
    return markdown(
        ["controller", *(METRICS[metric].title for metric in metrics)],
        ([name, *(spread_text(spread(rounds, name, metric), digits[metric]) for metric in metrics)] for name in names(rounds)),
    )


def ratios(rounds: Sequence[Round]) -> str:
    """Return each contestant's figures relative to the references that took part."""
    there = [reference for reference in REFERENCES if reference in names(rounds)]
    pairs = [(metric, reference) for metric in COMPARED for reference in there]
    return markdown(
        ["ratio", *(f"{METRICS[metric].title}: of {reference}'s" for metric, reference in pairs)],
        (
            [name, *(spread_text(ratio(rounds, name, reference, metric), RATIO_DIGITS) for metric, reference in pairs)]
            for name in names(rounds)
        ),
    )


def judged(found: Sequence[Verdict]) -> str:
    """Return a row for each target."""
    return markdown(
        ["target", "at most", "found", ""],
        ([each.claim, f"{each.limit:g}", _number(each.found), WORDS[each.met]] for each in found),
    )


def names(rounds: Sequence[Mapping[str, object]]) -> list[str]:
    """Return the contestants, in the order of the first round in which they took part."""
    return list(dict.fromkeys(name for each in rounds for name in each))


def _number(found: float | None) -> str:
    return ABSENT if found is None else f"{found:.{RATIO_DIGITS}f}"


def spread_text(found: Spread | None, digits: int) -> str:
    """Return the median, with the range if it is one."""
    if found is None:
        return ABSENT
    write: Callable[[float], str] = f"{{:.{digits}f}}".format
    middle, least, most = write(found.median), write(found.least), write(found.most)
    return middle if least == most else f"{middle} ({least}-{most})"


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of Markdown."""
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])
