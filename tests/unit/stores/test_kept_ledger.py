"""The ledger of an earlier revision: this one decides as its operator did, and a decision that changed is noticed and named."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from controller.cli import main
from controller.ledger.reading import Row, read
from tests.kept_ledger import BEFORE_IDENTITIES, KEPT, unpack
from tests.kept_ledger.stories import QUEUE, STORIES
from tests.model.mutants import MUTANTS

CHANGED = (
    "budget-plus-one",
    "completed-without-verification",
    "delivered-again",
    "early-release",
    "no-cooldown",
    "repeated-is-retried",
)
KIBIBYTES = 200
RENEW = "docs/testing.md says when to renew it: scripts/run python -m tests.kept_ledger"


@pytest.fixture
def kept(tmp_path: Path) -> str:
    """The URL of the kept ledger."""
    return unpack(KEPT, tmp_path / "ledger.db")


def replayed(url: str, *options: str) -> Result:
    """Replay a ledger."""
    return CliRunner().invoke(main, ["replay", "--ledger", url, *options])


def rows(url: str) -> list[Row]:
    """Return the rows of a ledger."""
    return [row for row in read(url) if isinstance(row, Row)]


def test_every_recorded_plan_is_made_again(kept: str) -> None:
    """Byte for byte. If you have changed a decision on purpose, renew the ledger."""
    done = replayed(kept)
    assert done.exit_code == 0, f"{done.output}\n{RENEW}"
    assert f"{len(rows(kept))} reproduced, 0 different" in done.output
    assert "not judged" not in done.output


def test_it_is_about_all_kinds_of_stories(kept: str) -> None:
    """Every story has rows, of passes that acted and of those that only saw; many rules and policies have decided."""
    found = rows(kept)
    assert {row.run for row in found} == {story.name for story in (*STORIES, *QUEUE)}
    assert {row.kind for row in found} == {"acted", "seen"}
    assert len({row.rule for row in found}) >= 15, sorted({row.rule for row in found})
    assert len({json.loads(row.snapshot)["policy"].get("digest") for row in found}) >= 10


def test_it_is_small() -> None:
    """Each renewal stays in the history for ever."""
    assert KEPT.stat().st_size < KIBIBYTES * 1024


@pytest.mark.parametrize("name", CHANGED)
def test_a_decision_that_changed_is_noticed_and_named(name: str, kept: str) -> None:
    """Each of these mutants of the model decides otherwise in some rows; they are listed with what differs."""
    mutant = next(mutant for mutant in MUTANTS if mutant.name == name)
    with mutant.applied():
        done = replayed(kept)
    assert done.exit_code == 1
    assert re.search(r"^\d+ .* stories/\w+ +different +\w+: ", done.output, re.MULTILINE), done.output


def test_a_ledger_from_before_identities_were_kept_is_read(tmp_path: Path) -> None:
    """Its times and UIDs were taken for secrets. The rows are counted as such; none is taken for reproduced or for damaged."""
    done = replayed(unpack(BEFORE_IDENTITIES, tmp_path / "old.db"))
    assert done.exit_code == 2
    assert re.search(r"^not judged: \d+ redacted$", done.output, re.MULTILINE), done.output
