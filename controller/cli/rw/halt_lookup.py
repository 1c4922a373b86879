"""Reads the halts that hold listed Runs, beside the command's own reads. A caller who may not read them gets no hint."""

from __future__ import annotations

from controller.cli.rw.halt_text import place_of, words_of
from controller.cli.rw.kubectl import Call
from controller.cli.rw.kubectl_errors import Refused
from controller.cli.rw.objects import JsonObject, items_of
from controller.cli.rw.session import CLUSTER_HALTS, HALTS, Session


def begin(session: Session, *, everywhere: bool) -> list[Call]:
    """Start to read the halts."""
    spaces = ("-A",) if everywhere else ()
    wanted = ((HALTS, *spaces), (CLUSTER_HALTS,))
    return [session.kubectl.start("get", *words, "-o", "json") for words in wanted]


def hints(calls: list[Call]) -> list[str]:
    """Return a line for each halt that the caller may see."""
    return [f"{place_of(halt)} is {words_of(halt)}" for call in calls for halt in _seen(call)]


def _seen(call: Call) -> list[JsonObject]:
    """Return the halts of an answer; none where the caller may not read them, or an older cluster does not know them."""
    try:
        return items_of(call.json())
    except Refused:
        return []
