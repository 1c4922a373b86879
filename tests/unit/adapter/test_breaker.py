"""The circuit breaker: failures open it, each pause has a length, and a single probe closes it."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from controller.adapter.breaker import FAILURES, GOOD, MAX_TENANTS, Breaker, BreakerConfig, Breakers, OpenReason, Permit
from controller.adapter.contract import Ended

PATIENCE = BreakerConfig(failures=3, first_pause=10, longest_pause=40, first_backoff=1, auth_pause=100)


def tell(breaker: Breaker, ended: Ended, now: float) -> None:
    """Ask at a time, and report this end."""
    permit = breaker.permit(now)
    assert isinstance(permit, Permit)
    breaker.record(permit, ended, now)


@pytest.mark.parametrize(
    ("ends", "refused", "until"),
    [
        ([Ended.FAILED, Ended.FAILED], None, None),
        ([Ended.FAILED, Ended.FAILED, Ended.FAILED], Ended.SUSPENDED, 10),
        ([Ended.TIMED_OUT, Ended.MISUSED, Ended.TOO_LONG], Ended.SUSPENDED, 10),
        ([Ended.FAILED, Ended.FAILED, Ended.ANSWERED, Ended.FAILED], None, None),
        ([Ended.FAILED, Ended.FAILED, Ended.ABSTAINED, Ended.FAILED], None, None),
        ([Ended.FAILED, Ended.FAILED, Ended.UNKNOWN_COMMAND], None, None),
        ([Ended.AUTH_FAILED], Ended.AUTH_FAILED, 100),
        ([Ended.TEMPORARY], Ended.SUSPENDED, 1),
    ],
)
def test_what_opens_it(ends: list[Ended], refused: Ended | None, until: float | None) -> None:
    """Each case is a row of ends at time 0: the next question is rejected with this end until this time."""
    breaker = Breaker(PATIENCE)
    for ended in ends:
        tell(breaker, ended, 0)
    assert breaker.refusal(0) is refused
    if until is not None:
        assert breaker.refusal(until - 0.01) is refused
        assert breaker.refusal(until) is None


@pytest.mark.parametrize(
    ("ended", "pauses"),
    [(Ended.FAILED, [10, 20, 40, 40]), (Ended.TEMPORARY, [1, 2, 4, 8, 16, 32, 40, 40]), (Ended.AUTH_FAILED, [100, 100])],
)
def test_pauses_double_up_to_the_longest(ended: Ended, pauses: list[float]) -> None:
    """While probes end alike, each pause is twice the previous one, up to the longest."""
    breaker, now, seen = Breaker(PATIENCE), 0.0, []
    while breaker.hold is None:
        tell(breaker, ended, now)
    for _ in pauses:
        seen.append(breaker.until - now)
        now = breaker.until
        tell(breaker, ended, now)
    assert seen == pauses


def test_one_probe_at_a_time() -> None:
    """One question is sent as a probe after the pause; all others wait for its result. A released probe makes way for the next."""
    breaker = Breaker(PATIENCE)
    tell(breaker, Ended.AUTH_FAILED, 0)
    probe = breaker.permit(100)
    assert isinstance(probe, Permit)
    assert breaker.permit(100) is Ended.AUTH_FAILED
    breaker.release(probe)
    tell(breaker, Ended.ANSWERED, 101)
    assert breaker.hold is None


def test_late_ends_change_nothing() -> None:
    """Results of questions from before the breaker opened neither close it nor lengthen its pause."""
    breaker = Breaker(PATIENCE)
    early = [breaker.permit(0) for _ in range(5)]
    for permit, ended in zip(early, [Ended.FAILED] * 4 + [Ended.ANSWERED], strict=True):
        assert isinstance(permit, Permit)
        breaker.record(permit, ended, 0)
    assert (breaker.hold, breaker.until) == (OpenReason.FAILURES, 10)


def test_temporary_failures_are_none() -> None:
    """A command's request for more time never counts as a failure: the next failure is its first."""
    breaker, now = Breaker(PATIENCE), 0.0
    for _ in range(10):
        tell(breaker, Ended.TEMPORARY, now)
        now = breaker.until
    tell(breaker, Ended.FAILED, now)
    assert breaker.hold is None


def tell_of(breakers: Breakers, tenant: str, ended: Ended, now: float = 0) -> None:
    """Ask for a tenant, and report this end."""
    permit = breakers.of(tenant).permit(now)
    assert isinstance(permit, Permit)
    breakers.record(tenant, permit, ended, now)


@pytest.mark.parametrize("ended", sorted(FAILURES | {Ended.AUTH_FAILED, Ended.TEMPORARY}))
def test_one_tenants_failures_are_its_own(ended: Ended) -> None:
    """One tenant may make a command fail by its model, its time limit or its text; other tenants' questions are still sent."""
    breakers = Breakers(PATIENCE)
    while breakers.of("noisy").refusal(0) is None:
        tell_of(breakers, "noisy", ended)
    assert breakers.of("quiet").refusal(0) is None
    for _ in range(PATIENCE.failures - 1):
        tell_of(breakers, "quiet", Ended.FAILED)
    assert breakers.of("quiet").refusal(0) is None, "and it has all of its own patience"
    assert (breakers.open, breakers.doubted) == (1, False)


def test_a_dead_command_is_left_alone_by_all() -> None:
    """After the command has failed for several tenants, the first failure of any other tenant suspends it for that tenant."""
    breakers = Breakers(PATIENCE)
    for tenant in ("a", "b", "c"):
        tell_of(breakers, tenant, Ended.FAILED)
    assert breakers.doubted
    for tenant in (f"t{number}" for number in range(20)):
        tell_of(breakers, tenant, Ended.TIMED_OUT)
        assert breakers.of(tenant).refusal(0) is Ended.SUSPENDED
    assert breakers.open == 21, "and the third of the first: it was the one that made it several"


def test_an_answer_to_anybody_ends_the_doubt() -> None:
    """A command that answers one tenant works: for the other tenants only their own failures count again."""
    breakers = Breakers(PATIENCE)
    for tenant in ("a", "b", "c"):
        tell_of(breakers, tenant, Ended.FAILED)
    tell_of(breakers, "well", Ended.ANSWERED)
    assert not breakers.doubted
    tell_of(breakers, "d", Ended.FAILED)
    assert breakers.of("d").refusal(0) is None


def test_tenants_are_remembered_in_bounds() -> None:
    """The number of remembered tenants is bounded: the least recently used one is dropped."""
    breakers = Breakers(PATIENCE)
    for number in range(MAX_TENANTS + 10):
        tell_of(breakers, str(number), Ended.AUTH_FAILED)
    assert breakers.open == MAX_TENANTS
    assert breakers.of("0").refusal(0) is None


class Breaking(RuleBasedStateMachine):
    """Questions and results in any order and at any time."""

    permits = Bundle("permits")

    def __init__(self) -> None:
        super().__init__()
        self.breaker, self.now = Breaker(PATIENCE), 0.0

    @rule(seconds=st.integers(0, 1600).map(lambda eighths: eighths / 8))  # exact in binary, so that sums are
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    @rule(target=permits)
    def ask(self) -> object:
        """Ask for a permit: it is granted exactly where the breaker reported no refusal."""
        refused, held = self.breaker.refusal(self.now), self.breaker.hold
        permit = self.breaker.permit(self.now)
        if isinstance(permit, Ended):
            assert permit is refused
            assert permit is (Ended.AUTH_FAILED if held is OpenReason.AUTH else Ended.SUSPENDED)
            return multiple()
        assert refused is None
        assert permit.probe == (held is not None)
        if permit.probe:
            assert self.now >= self.breaker.until
            assert self.breaker.refusal(self.now) is not None, "one probe at a time"
        return permit

    @rule(permit=consumes(permits), ended=st.sampled_from(Ended))
    def end(self, permit: Permit, ended: Ended) -> None:
        """Report a result: a current success closes it, a refused login opens it, an old result changes nothing."""
        before = (self.breaker.hold, self.breaker.until)
        current = permit.generation == self.breaker._generation
        self.breaker.record(permit, ended, self.now)
        if not current:
            assert (self.breaker.hold, self.breaker.until) == before
        elif ended in GOOD:
            assert self.breaker.hold is None
        elif ended is Ended.AUTH_FAILED:
            assert (self.breaker.hold, self.breaker.until) == (OpenReason.AUTH, self.now + PATIENCE.auth_pause)
        elif ended in FAILURES and before[0] is OpenReason.FAILURES:
            assert self.breaker.hold is OpenReason.FAILURES
            assert self.breaker.until > self.now

    @rule(permit=consumes(permits))
    def give_back(self, permit: Permit) -> None:
        """Return a permit unused: this neither opens nor closes the breaker."""
        before = self.breaker.hold
        self.breaker.release(permit)
        assert self.breaker.hold is before

    @invariant()
    def never_shut_for_longer_than_its_longest_pause(self) -> None:
        """No reopening time is further off than the longest pause."""
        if self.breaker.hold is not None:
            assert self.breaker.until - self.now <= max(PATIENCE.longest_pause, PATIENCE.auth_pause)


TestBreaking = Breaking.TestCase
