"""Pure: the table of Runs: a row of each Run, as small as ten thousand need it, and which rows a page shows."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from controller.cli.rw.get_view import requester, tokens, why
from controller.cli.rw.objects import FIRST, JsonObject, created, name_of, namespace_of, phase_of, status_of, used
from controller.cli.rw.terminal_safe import clean
from controller.cli.web.pages.run_figures import UNREAD, RunFigures, figures_of
from controller.cli.web.pages.unreadable import FAULTS, unread

PER_PAGE = 100
MAX_MESSAGE = 300
"""Maximum characters of a message in the table; a Run's page shows all."""

FILTERS = ("namespace", "phase", "policy", "provider")
"""Fields of a row that the table can be filtered by, as parameters of the page's URL; each has a list of its values."""

NAME = "name"
"""The parameter for a part of a Run's name."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """What the table shows of a Run."""

    namespace: str
    name: str
    uid: str
    version: str
    phase: str
    ready: str
    restarts: int
    inbox: int
    created: datetime
    policy: str
    provider: tuple[str, ...]
    tokens: str
    requester: str
    message: str
    figures: RunFigures


def row_of(run: JsonObject) -> RunRow:
    """Return a Run's row. A Run that cannot be read, because somebody wrote it by hand, says so."""
    try:
        return _row(run)
    except FAULTS:
        meta, space = run["metadata"], namespace_of(run)
        words = _short(f"cannot be read: {unread('Run', run).remedy}")
        figures, version = UNREAD._replace(namespace=space), meta.get("resourceVersion", "")
        return RunRow(space, meta["name"], meta["uid"], version, "Pending", "-", 0, 0, FIRST, "-", (), "-", "-", words, figures)


def _row(run: JsonObject) -> RunRow:
    status, spec = status_of(run), run["spec"]
    return RunRow(
        namespace=sys.intern(namespace_of(run)),
        name=name_of(run),
        uid=run["metadata"]["uid"],
        version=run["metadata"]["resourceVersion"],
        phase=sys.intern(phase_of(run)),
        ready=sys.intern(status.get("ready") or f"0/{len(spec['agents'])}"),
        restarts=int(status.get("restarts", 0)),
        inbox=int(status.get("openEscalations", 0)),
        created=created(run) or FIRST,
        policy=sys.intern(_short(status.get("policy", {}).get("name", "-"))),
        provider=_providers(spec["agents"]),
        tokens=_tokens(run),
        requester=_short(requester(run)) or "-",
        message=_short(why(run, (), datetime.now(UTC))),
        figures=figures_of(run),
    )


def _tokens(run: JsonObject) -> str:
    """Return the used tokens, with the budget if there is one."""
    limit = run["spec"].get("tokenBudget")
    return f"{tokens(used(run, ()))} of {limit:,}" if limit else tokens(used(run, ()))


def _short(text: str) -> str:
    """Return a text on one line, cut to the length that the table shows."""
    line = " ".join(clean(text[: MAX_MESSAGE * 2]).split())
    return line if len(line) <= MAX_MESSAGE else line[: MAX_MESSAGE - 1] + "…"


def _providers(agents: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the Providers that the agents name, each once."""
    return tuple(sorted({sys.intern(agent["provider"]) for agent in agents if agent.get("provider")}))


@dataclass(frozen=True, slots=True)
class Selection:
    """A page of the table: the wanted values by field, and the number of the page, from 1."""

    wanted: Mapping[str, str]
    number: int = 1

    def takes(self, row: RunRow) -> bool:
        """Whether the filters let a row through. A part of a name is enough."""
        fields = ((field, value) for field, value in self.wanted.items() if field != NAME)
        return self.wanted.get(NAME, "") in row.name and all(_fits(getattr(row, field), value) for field, value in fields)


def _fits(found: str | Collection[str], wanted: str) -> bool:
    return found == wanted if isinstance(found, str) else wanted in found


def selection_of(query: Mapping[str, str]) -> Selection:
    """Return the selection in a URL's parameters. Parameters that mean nothing are ignored."""
    wanted = {field: query[field] for field in (NAME, *FILTERS) if query.get(field)}
    number = query.get("page", "1")
    return Selection(wanted, max(1, int(number)) if number.isascii() and number.isdigit() and len(number) < MAX_DIGITS else 1)


MAX_DIGITS = 7


@dataclass(frozen=True, slots=True)
class TablePage:
    """The rows of one page, and what to say about the others."""

    rows: tuple[RunRow, ...]
    selection: Selection
    matching: int
    total: int
    pages: int
    phases: tuple[tuple[str, int], ...]
    choices: Mapping[str, tuple[str, ...]]


def table_page(rows: Iterable[RunRow], selection: Selection) -> TablePage:
    """Return a page of the table: the newest Runs first. A page after the last is the last."""
    everything = list(rows)
    matching = sorted(filter(selection.takes, everything), key=lambda row: (row.namespace, row.name))
    matching.sort(key=lambda row: row.created, reverse=True)
    pages = max(1, -(-len(matching) // PER_PAGE))
    number = min(selection.number, pages)
    shown = matching[(number - 1) * PER_PAGE : number * PER_PAGE]
    counts = Counter(row.phase for row in matching)
    phases = tuple(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
    return TablePage(
        tuple(shown), Selection(selection.wanted, number), len(matching), len(everything), pages, phases, _choices(everything)
    )


MAX_CHOICES = 500
"""Maximum values that a filter offers; others can be typed into the URL."""


def _choices(rows: Iterable[RunRow]) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {field: set() for field in FILTERS}
    for row in rows:
        found["namespace"].add(row.namespace)
        found["phase"].add(row.phase)
        found["policy"].add(row.policy)
        found["provider"].update(row.provider)
    return {field: tuple(sorted(values - {"-"})[:MAX_CHOICES]) for field, values in found.items()}
