"""When a reconcile may start from the cached Run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import pytest

from controller.api.names import RunKey
from controller.plan import Plan
from controller.reconcile import run_freshness
from controller.reconcile.run_freshness import RunFreshness
from controller.store import Store

KEY, OTHER = RunKey("ns", "demo", "u1"), RunKey("ns", "other", "u2")
PLAN = cast(Plan, "a plan")


@dataclass
class FakeStore:
    """A store that keeps the state on the Run, or outside of it."""

    detached: bool = False


def freshness(store: FakeStore | None = None) -> RunFreshness:
    """Return the collaborator over a store."""
    return RunFreshness(cast(Store, store or FakeStore()))


@pytest.fixture(autouse=True)
def _a_save_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_freshness, "saves_first", lambda decision: decision is PLAN)


def test_the_cached_run_is_used_where_a_save_comes_first() -> None:
    """The save proves the cached Run; an effect before any save would follow from a Run that nothing proved."""
    assert freshness().may_use_cached(KEY, PLAN)
    assert not freshness().may_use_cached(KEY, cast(Plan, "another"))


def test_a_failed_reconcile_puts_its_run_in_doubt_until_a_live_read() -> None:
    """A write may have arrived although its answer did not; other Runs are not concerned."""
    found = freshness()
    found.failed(KEY)
    assert (found.may_use_cached(KEY, PLAN), found.may_use_cached(OTHER, PLAN)) == (False, True)
    found.confirmed(KEY)
    assert found.may_use_cached(KEY, PLAN)


def test_a_state_outside_of_the_run_proves_no_run() -> None:
    """A save to a database succeeds over any version of the Run."""
    assert not freshness(FakeStore(detached=True)).may_use_cached(KEY, PLAN)
