"""A short model check: small configurations searched completely, and mutants that must be detected. `make model` runs all of it."""

from __future__ import annotations

import pytest

from tests.model.__main__ import noticed
from tests.model.checker import Search
from tests.model.configs import CONFIGS, QUICK
from tests.model.mutants import MUTANTS
from tests.model.world import Config

LIMIT = 20_000
"""Number of states after which a short search stops; each of these needs fewer."""

CAUGHT_QUICKLY = (
    "no-gate",
    "uncharged",
    "asked-forgotten",
    "prolonged-is-waited-for",
    "answer-not-used-up",
    "run-by-uid",
    "reports-by-uid",
    "refused-and-unasked",
    "refusal-ends-the-pass",
    "agent-ends-with-its-pod",
    "helpers-run-on",
    "decided-beside-the-rest",
    "last-words-ignored",
    "rest-not-read",
    "recorded-is-terminated",
    "init-for-free",
    "rejected-is-charged",
    "source-away-is-charged",
    "source-denied-is-retried",
    "ungate-without-adopting",
    *("provider-ignored", "held-before-creation-only", "limited-starts-again", "limited-is-charged", "late-limit-ignored"),
    *("limited-for-ever", "wait-counts", "wait-unrecorded", "clock-stands", "clock-stands-beside-work"),
    "halt-ignored",
    "halt-of-live",
    "halt-unsaved",
    "publish-unverified",
    "completed-without-verification",
    "verified-once",
    "disruption-is-failure",
    "said-is-verified",
    "repeated-is-retried",
    "failed-work-is-done",
    "repeated-is-charged",
    "all-failures-are-equal",
)


@pytest.mark.parametrize("config", QUICK, ids=lambda config: config.name)
def test_the_shipped_decisions_keep_every_invariant(config: Config) -> None:
    """Every reachable state of the configuration is visited, and no invariant is broken in any."""
    result = Search(config).run(LIMIT)
    assert result.violation == "", "\n".join(result.trace)
    assert result.complete


@pytest.mark.parametrize("name", CAUGHT_QUICKLY)
def test_a_missing_guard_is_noticed(name: str) -> None:
    """The search can fail: without the guard it finds a violation, and shows the path to it."""
    mutant = next(mutant for mutant in MUTANTS if mutant.name == name)
    with mutant.applied():
        result = noticed(mutant, LIMIT)
    assert result.violation
    assert result.trace


def test_every_mutant_has_configurations_that_exist_and_something_to_say() -> None:
    """Every mutant has existing configurations, none is listed twice, and each replacement differs from the original."""
    known = {config.name for config in CONFIGS}
    for mutant in MUTANTS:
        assert mutant.configs
        assert set(mutant.configs) <= known, mutant.name
        assert all(getattr(target, name) is not value for target, name, value in mutant.patches()), mutant.name
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
