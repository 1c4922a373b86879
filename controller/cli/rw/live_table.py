"""A live table of Runs: redrawn on a terminal, otherwise one line per change."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

from controller.cli.rw.get_view import header, live_line, row, runs_table
from controller.cli.rw.objects import JsonObject
from controller.cli.rw.session import RUNS, Session
from controller.cli.rw.text import Cell

REDRAWS_PER_SECOND = 2
Seen = dict[str, JsonObject]
Done = Callable[[Seen], bool]


def never(_: Seen) -> bool:
    """Continue until interrupted."""
    return False


def watch_runs(
    session: Session, names: tuple[str, ...], where: tuple[str, ...], *, spaces: bool, wide: bool, done: Done = never
) -> Seen:
    """Show Runs as they change until `done` returns true for the Runs by UID; return their last versions."""
    events = _events(session, names, where)
    if sys.stdout.isatty():
        return _redrawn(session, events, done, spaces=spaces, wide=wide)
    return _follow(session, events, done, spaces=spaces, wide=wide)


def _events(session: Session, names: tuple[str, ...], where: tuple[str, ...]) -> Iterator[JsonObject]:
    """Yield each event of the watched Runs; the watch is restarted, since the server ends it from time to time."""
    one = names if len(names) == 1 else ()
    while True:
        for event in session.kubectl.watch("get", RUNS, *one, *where):
            if not names or event["object"]["metadata"]["name"] in names:
                yield event


def _update(seen: Seen, event: JsonObject) -> None:
    run = event["object"]
    if event["type"] == "DELETED":
        seen.pop(run["metadata"]["uid"], None)
    else:
        seen[run["metadata"]["uid"]] = run


def _redrawn(session: Session, events: Iterator[JsonObject], done: Done, *, spaces: bool, wide: bool) -> Seen:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    seen: Seen = {}

    def drawn() -> Text:
        runs = sorted(seen.values(), key=lambda run: (run["metadata"]["namespace"], run["metadata"]["name"]))
        return runs_table(runs, {}, session.now, session.width(), spaces=spaces, wide=wide)

    with Live(console=Console(highlight=False), get_renderable=drawn, refresh_per_second=REDRAWS_PER_SECOND):
        for event in events:
            _update(seen, event)
            if done(seen):
                break
    return seen


def _follow(session: Session, events: Iterator[JsonObject], done: Done, *, spaces: bool, wide: bool) -> Seen:
    seen: Seen = {}
    shown: dict[str, list[Cell]] = {}
    session.show(live_line(header(spaces=spaces, wide=wide)))
    for event in events:
        _update(seen, event)
        cells = row(event["object"], (), session.now, spaces=spaces, wide=wide)
        uid = event["object"]["metadata"]["uid"]
        if event["type"] == "DELETED" or shown.get(uid) != _without_age(cells):
            session.show(live_line(cells))
            sys.stdout.flush()
        shown[uid] = _without_age(cells)
        if done(seen):
            break
    return seen


def _without_age(cells: list[Cell]) -> list[Cell]:
    """Return the cells whose change is worth a new line."""
    at = len(cells) - 2
    return cells[:at] + cells[at + 1 :]
