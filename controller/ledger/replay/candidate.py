"""Judges a ledger by a candidate policy: follows each Run to the first decision that the candidate makes otherwise. Pure.

After that point nothing is judged: what the agent and the people would have done then is not recorded.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

from controller.api.llm_policy import LLMMode
from controller.api.phases import TERMINAL_PHASES
from controller.api.policy import RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.timestamps import format_time
from controller.ledger.entry import SEEN
from controller.ledger.reading import Row
from controller.ledger.replay.between import part_between
from controller.ledger.replay.carried import NOTHING, Difference, difference, shifted
from controller.ledger.replay.decision import Change, Decided, Effect, decided, effects_of, recorded_later
from controller.ledger.replay.passes import Pair, Parted, follow
from controller.ledger.replay.reproduce import Finding, Situation, reproduce
from controller.ledger.replay.shards import AnyRow
from controller.plan import Snapshot
from controller.plan.snapshot_reader import read_snapshot

KEPT = ("dry_run", "runtime_class_name", "token_audiences")
"""Fields that a candidate without a value takes from the recorded policy: the operator fills in its own values of the last two."""
RECENT = 64
"""Recorded policies for which the completed candidate is kept."""


class Standing(StrEnum):
    """The relation of a row to the candidate."""

    AGREES = "agrees"
    PARTS = "parts"
    AFTER = "after"
    UNJUDGED = "unjudged"


@dataclass(frozen=True, slots=True)
class Parting:
    """The first point where a Run's history and the candidate part: both decisions, and the effects of the candidate's.

    `id` is that of the row; for a time `between` two rows it is the earlier one's.
    """

    id: int
    at: str
    recorded: Decided
    candidate: Decided
    effects: tuple[Effect, ...]
    between: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """The result of one row; `finding` is why it cannot be judged.

    After a parting, `sooner` are added effects of it that this row has too.
    """

    uid: str
    namespace: str
    run: str
    standing: Standing
    parting: Parting | None = None
    finding: Finding | None = None
    sooner: tuple[Effect, ...] = ()


@dataclass(slots=True)
class History:
    """What is known of a Run so far. A `closed` one is not judged any more; `added` are effects that the record may have later.

    `seen` is the last row if that is a situation in which the operator did not act: its ID and its snapshot, compressed.
    """

    difference: Difference = NOTHING
    closed: bool = False
    added: tuple[Effect, ...] = ()
    seen: tuple[int, bytes] | None = None


@dataclass(slots=True)
class Candidate:
    """Judges rows by one policy, in order; keeps what it knows of each Run."""

    policy: RunPolicySpec
    _histories: dict[str, History] = field(default_factory=dict)
    _completed: Any = None

    def __post_init__(self) -> None:
        """Remember the completed candidates of recent policies."""
        self._completed = lru_cache(maxsize=RECENT)(self._complete)

    def __call__(self, row: AnyRow) -> Judged:
        """Judge one row."""
        if not isinstance(row, Row):
            found = reproduce(row)
            return Judged("", "", "", Standing.UNJUDGED, finding=found if isinstance(found, Finding) else None)
        history = self._histories.setdefault(row.uid, History())
        if history.closed:
            return replace(_judged(row, Standing.AFTER), sooner=_catch_up(history, row))
        situation = reproduce(row)
        if isinstance(situation, Finding):
            history.closed, history.seen = True, None
            return _judged(row, Standing.UNJUDGED, finding=situation)
        return self._follow(row, situation, history)

    def _follow(self, row: Row, situation: Situation, history: History) -> Judged:
        if parted := self._parted_between(situation, history):
            parting = _part(history, parted[0], parted[1], parted[2], between=True)
            return replace(_judged(row, Standing.AFTER, parting), sooner=_catch_up(history, row))
        found = follow(self._pair(situation.snapshot, history), situation.now, situation.plan, _acted(row))
        if isinstance(found, Parted):
            return _judged(row, Standing.PARTS, _part(history, row.id, row.at, found))
        history.difference = difference(found.recorded, found.candidate)
        watched = row.kind == SEEN and situation.plan.verdict.phase not in TERMINAL_PHASES
        history.seen = (row.id, zlib.compress(row.snapshot.encode())) if watched else None
        return _judged(row, Standing.AGREES)

    def _parted_between(self, situation: Situation, history: History) -> tuple[int, datetime, Parted] | None:
        """Return where the candidate parts after the last situation and before this one: the last row, the time and the plans."""
        if history.seen is None:
            return None
        number, compressed = history.seen
        earlier, since = read_snapshot(json.loads(zlib.decompress(compressed)))
        found = part_between(self._pair(earlier, history), since, situation.snapshot, situation.now)
        return (number, found[1], found[0]) if found else None

    def _pair(self, recorded: Snapshot, history: History) -> Pair:
        return Pair(recorded, shifted(self._with_policy(recorded), history.difference))

    def _with_policy(self, snapshot: Snapshot) -> Snapshot:
        """Return a snapshot under the candidate. A Run for which no policy was in force keeps that."""
        if snapshot.policy is None:
            return snapshot
        policy: ResolvedPolicy = self._completed(snapshot.policy)
        return replace(snapshot, policy=policy, mode=_mode(snapshot, policy))

    def _complete(self, recorded: ResolvedPolicy) -> ResolvedPolicy:
        kept = {key: getattr(recorded.spec, key) for key in KEPT if getattr(self.policy, key) in (None, False)}
        return ResolvedPolicy.of(recorded.name, self.policy.model_copy(update=kept))


def _part(history: History, number: int, at: datetime, parted: Parted, *, between: bool = False) -> Parting:
    """Close a history and return its parting."""
    effects = effects_of(parted.recorded, parted.candidate, parted.snapshot)
    history.closed, history.difference, history.seen = True, NOTHING, None
    history.added = tuple(effect for effect in effects if effect.change is Change.ADDED)
    return Parting(number, format_time(at), decided(parted.recorded), decided(parted.candidate), effects, between)


def _catch_up(history: History, row: Row) -> tuple[Effect, ...]:
    """Return the added effects of a parting that this later row has too."""
    if not history.added:
        return ()
    at = format_time(row.at)
    found = recorded_later(history.added, _acted(row), at)
    history.added = tuple(effect for effect in history.added if replace(effect, change=Change.SOONER, at=at) not in found)
    return found


def _mode(snapshot: Snapshot, policy: ResolvedPolicy) -> LLMMode:
    """Return the advisor's effective mode under a policy. One that sets none has the operator's, which the recorded mode shows."""
    if not snapshot.advisor:
        return LLMMode.OFF
    own = snapshot.policy.spec.llm.mode if snapshot.policy else None
    return policy.spec.llm.mode or (LLMMode.ASSIST if own else snapshot.mode)


def _acted(row: Row) -> list[Any]:
    """Return the documents of a pass's actions; none if they cannot be read."""
    try:
        found = json.loads(row.outcome)["acted"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
    return found if isinstance(found, list) else []


def _judged(row: Row, standing: Standing, parting: Parting | None = None, finding: Finding | None = None) -> Judged:
    return Judged(row.uid, row.namespace, row.run, standing, parting, finding)
