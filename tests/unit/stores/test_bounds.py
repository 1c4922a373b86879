"""The ledger's rows are bounded, valid JSON and without secrets; shared space is divided so that small tenants keep theirs."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.ledger.bounds import CUT, DEPTH, clip, text_of
from controller.ledger.entry import Entry
from controller.ledger.shares import level
from controller.ledger.waiting import Waiting
from tests.unit.stores.test_ledger import ENTRY

LIMIT = 4096
AT = "2026-11-30T11:59:50Z"
TOKEN = "ghp_" + "a1B2" * 9
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3000),
    lambda inner: st.lists(inner, max_size=40) | st.dictionaries(st.text(max_size=200), inner, max_size=40),
    max_leaves=60,
)


@given(JSON)
def test_any_document_is_bounded_json(document: Any) -> None:
    """Any document becomes valid JSON of a bounded size; a small one without secrets stays as it is."""
    text = text_of(clip({"run": document}, LIMIT), LIMIT)
    assert len(text.encode()) <= LIMIT
    json.loads(text)


@pytest.mark.parametrize(
    "document",
    [
        {"text": "word " * 100_000},
        {"text": "x" * 1_000_000},
        {"list": list(range(100_000))},
        {"env": [{"name": f"N{number}", "value": "v" * 100} for number in range(10_000)]},
        {f"field{number}": number for number in range(100_000)},
        {"k" * 100_000: 1},
        {"text": "\x00" * 4000},
        {"text": "\ud800" * 8000},
        {"text": "\N{SNOWMAN}" * 4000},
        {"numbers": [10**4000] * 5},
    ],
    ids=["words", "one word", "list", "objects", "fields", "key", "escapes", "halves", "wide", "numbers"],
)
def test_a_large_document_is_cut_with_a_mark(document: dict[str, Any]) -> None:
    """A document may be large in any way: its small parts are kept whole, and a mark shows that a part is missing."""
    told = {"now": "2026-01-01", "run": document, "pods": [{"name": "p"}]}
    text = text_of(clip(told, LIMIT), LIMIT)
    assert len(text.encode()) <= LIMIT
    kept = json.loads(text)
    assert CUT in text
    assert kept.get("pods", [{"name": "p"}]) == [{"name": "p"}]


def test_a_deep_document_ends_at_a_mark() -> None:
    """JSON that is nested deeper than readers can parse is not written."""
    document: Any = "deep"
    for _ in range(100_000):
        document = [document]
    kept = clip(document, LIMIT)
    depth = 0
    while isinstance(kept, list):
        kept, depth = kept[0], depth + 1
    assert (kept.keys(), depth) == ({CUT}, DEPTH)


def test_a_small_document_stays_as_it_is() -> None:
    """The usual row can be replayed."""
    document = {"run": {"name": "demo", "spec": {"agents": [{"image": "busybox:1", "env": [{"name": "MODE", "value": "fast"}]}]}}}
    assert clip(document, LIMIT) is document
    assert json.loads(text_of(document, LIMIT)) == document


@pytest.mark.parametrize(
    "document",
    [
        {"message": f"cannot push with {TOKEN}"},
        {"env": [{"name": "API_TOKEN", "value": "plain-words"}]},
        {"env": [{"name": "DATABASE_URL", "value": "postgresql://u:plain-words@db/x"}]},
        {"outputs": {"password": "plain-words"}},
        {"text": "password: plain-words"},
        {"deep": [{"deeper": [f"Bearer {TOKEN}"]}]},
        {"outputs": {"HOOK": "plain-words-0123456789"}},
        {"annotations": {"HOOK": "plain-words-0123456789"}},
        {"env": [{"name": "HOOK", "value": "plain-words-0123456789"}]},
    ],
)
def test_secrets_are_not_written(document: dict[str, Any]) -> None:
    """Secrets are found by their format, by their field's name, or by the name of the variable whose value they are."""
    text = text_of(document, LIMIT)
    assert TOKEN not in text
    assert "plain-words" not in text
    assert "[REDACTED]" in text


def test_times_names_and_uids_are_kept() -> None:
    """They look as random as the values of secrets do, and without them no row can be replayed."""
    document = {
        "run": {
            "name": "fix-flaky-test-20261130",
            "uid": "5f2b7c1e-93a4-4d0b-8e6f-1a2b3c4d5e6f",
            "spec": {"restartedAt": {"coder": AT}},
        },
        "state": {"agents": {"coder": {"cooldownUntil": AT, "blocked": {"escalation": "fix-flaky-test-20261130-coder-747a8e12"}}}},
        "pods": [{"podUid": "5f2b7c1e-93a4-4d0b-8e6f-1a2b3c4d5e70", "termination": {"finishedAt": AT}}],
    }
    assert json.loads(text_of(document, LIMIT)) == document


IDENTITIES: dict[str, Any] = {
    "now": "2026-01-01T12:00:00.123456+00:00",
    "run": {
        "name": "global-refactor-2026",
        "uid": "5f0c6f7e-2c8d-4a3b-9e51-7d1f0e6a9b42",
        "spec": {"restartedAt": {"auth": "2026-01-01T00:00:00Z"}},
    },
    "pods": [{"name": "global-refactor-2026-auth-r0", "createdAt": "2026-01-01T12:00:00Z", "node": "ip-10-0-1-23.ec2.internal"}],
    "state": {"agents": {"auth": {"asked": ["sk-migration-of-17-auth-4463a44a"], "verification": {"digest": "0a1b2c3d" * 8}}}},
    "images": {"image": "registry.example.com/team/agent@sha256:" + "0a1b2c3d" * 8},
}


def test_identities_are_no_secrets() -> None:
    """Decisions follow from names, UIDs, digests and times, so a row keeps them, whatever they look like."""
    assert json.loads(text_of(IDENTITIES, LIMIT)) == IDENTITIES


@pytest.mark.parametrize("key", ["annotations", "outputs"])
def test_what_follows_a_chosen_key_is_judged_as_a_variable(key: str) -> None:
    """A user or an agent may call a secret anything, even like one of our fields."""
    kept = json.loads(text_of({key: {"uid": "5f0c6f7e-2c8d-4a3b-9e51-7d1f0e6a9b42"}}, LIMIT))
    assert kept == {key: {"uid": "[REDACTED]"}}


@pytest.mark.parametrize("before", range(LIMIT - 400, LIMIT))
def test_no_piece_of_a_secret_is_left_at_a_cut(before: int) -> None:
    """A cut at any position leaves a whole token, which is replaced, or none at all."""
    words = ("word " * LIMIT)[: before - 1] + " "
    assert "ghp_" not in text_of(clip({"text": f"{words}{TOKEN} {'more ' * LIMIT}"}, LIMIT), LIMIT)


@given(st.lists(st.integers(0, 1000), max_size=20), st.integers(0, 5000))
def test_a_level_fits_and_is_the_highest(sizes: list[int], limit: int) -> None:
    """The sum stays within the limit, and no larger level for all would."""
    most = level(sizes, limit)
    assert sum(min(size, most) for size in sizes) <= limit
    if sum(sizes) > limit:
        assert sum(min(size, most + 1) for size in sizes) > limit


def test_a_flood_waits_in_its_own_share() -> None:
    """A namespace with a thousand waiting decisions drops its own; those of others are written, in turn."""
    waiting = Waiting[Entry](100, 10_000)
    quiet = [replace(ENTRY, namespace="quiet", digest=str(number)) for number in range(3)]
    dropped = sum(waiting.put(replace(ENTRY, namespace="noisy", digest=str(number)), 10) for number in range(1000))
    dropped += sum(waiting.put(entry, 10) for entry in quiet)
    assert (len(waiting), dropped) == (100, 903)
    assert [entry.namespace for entry in waiting.take(6)] == ["noisy", "quiet"] * 3
    assert waiting.take(1000)[-1].digest == "96", "what came first is what is kept"


def test_large_decisions_are_bounded_together() -> None:
    """The limit counts bytes too: the namespace with the most bytes drops decisions, not the one with the most decisions."""
    waiting = Waiting[Entry](100, 1000)
    for _ in range(20):
        waiting.put(replace(ENTRY, namespace="small"), 10)
    assert [waiting.put(replace(ENTRY, namespace="large"), 300) for _ in range(4)] == [0, 0, 1, 1]
    assert len(waiting) == 22
