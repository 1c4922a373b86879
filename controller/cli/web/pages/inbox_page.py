"""Pure: the inbox: what waits for a human, the oldest first, and what was answered last."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from controller.cli.rw.kubectl_errors import Denied
from controller.cli.rw.objects import FIRST, JsonObject, created, oldest_first, time_of, waits
from controller.cli.web.pages.escalation_card import Card, card
from controller.cli.web.pages.unreadable import Unread

CARDS = 50
"""Maximum number of open escalations that are shown in full, the oldest ones."""

RECENT = 10
"""Maximum number of answered escalations, the newest ones."""


@dataclass(frozen=True, slots=True)
class InboxPage:
    """All data of the page. `mine` are those that name the caller; `left_out` is the number beyond the shown ones."""

    waiting: tuple[Card, ...]
    mine: int
    left_out: int
    recent: tuple[Card, ...]
    denied: tuple[Denied | Unread, ...]
    now: datetime


def inbox_page(
    escalations: Sequence[JsonObject],
    runs: Sequence[JsonObject],
    me: Collection[str],
    denied: Sequence[Denied | Unread],
    now: datetime,
) -> InboxPage:
    """Return the data of the inbox; `runs` are those that the caller may read."""
    by_uid = {run["metadata"]["uid"]: run for run in runs}
    waiting = oldest_first(escalations)
    over = sorted((e for e in escalations if not waits(e)), key=_ended, reverse=True)
    cards = [card(e, by_uid.get(e["spec"].get("runUID")), me, now) for e in [*waiting[:CARDS], *over[:RECENT]]]
    shown = len(waiting[:CARDS])
    return InboxPage(
        waiting=tuple(cards[:shown]),
        mine=sum(one.mine for one in cards[:shown]),
        left_out=len(waiting) - shown,
        recent=tuple(cards[shown:]),
        denied=tuple(denied),
        now=now,
    )


def _ended(escalation: JsonObject) -> datetime:
    return time_of((escalation.get("status") or {}).get("answeredAt")) or created(escalation) or FIRST
