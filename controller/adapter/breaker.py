"""When a command that fails is left alone, and when it is tried again. Pure: the time is passed in."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum

from controller.adapter.contract import Ended

FAILURES = frozenset({Ended.TIMED_OUT, Ended.FAILED, Ended.TOO_LONG, Ended.MISUSED, Ended.UNREACHABLE})
"""What counts against a command."""
MAX_TENANTS = 4096
"""Tenants whose breakers are remembered, of each command."""
GOOD = frozenset({Ended.ANSWERED, Ended.ABSTAINED})


@dataclass(frozen=True, slots=True)
class BreakerConfig:
    """How many failures in a row are too many, and the pauses in seconds.

    The first pause and the first backoff double up to the longest; the one after a refused login is always the same. Once so many
    `tenants` have failed, and nobody was answered since, one failure is too many: the command is ill, and not what it is asked.
    """

    failures: int = 5
    tenants: int = 3
    first_pause: float = 30.0
    longest_pause: float = 600.0
    first_backoff: float = 5.0
    auth_pause: float = 300.0


class OpenReason(StrEnum):
    """Why a command is left alone."""

    FAILURES = "it failed too often in a row"
    AUTH = "it was refused its login"
    BACKOFF = "it asked for some time"


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to ask once. What comes of it counts only while the breaker is as it was then."""

    generation: int
    probe: bool


class Breaker:
    """One command's for one tenant: closed (`hold` is None), or open until a time, after which a single probe decides."""

    def __init__(self, patience: BreakerConfig) -> None:
        self._patience = patience
        self.hold: OpenReason | None = None
        self.until = 0.0
        self._probing = False
        self._failures = self._era = 0
        self._pause, self._backoff = patience.first_pause, patience.first_backoff

    def refusal(self, now: float) -> Ended | None:
        """Return how a question would end that must not be asked now; None where it may be."""
        if self.hold is None or (now >= self.until and not self._probing):
            return None
        return Ended.AUTH_FAILED if self.hold is OpenReason.AUTH else Ended.SUSPENDED

    def permit(self, now: float) -> Permit | Ended:
        """Give leave to ask, or say how the question ends without. Each permit must come back: `record` or `release`."""
        if (refused := self.refusal(now)) is not None:
            return refused
        self._probing = self.hold is not None
        return Permit(self._era, self._probing)

    def release(self, permit: Permit) -> None:
        """Take a permit back that was not used, or of which nothing is known."""
        if permit.probe and permit.generation == self._era:
            self._probing = False

    def record(self, permit: Permit, ended: Ended, now: float, *, doubted: bool = False) -> None:
        """Learn what came of a question. `doubted` says that the command fails for others, too: then one failure opens it."""
        if permit.generation != self._era:
            return
        if ended in GOOD:
            self._close()
        elif ended is Ended.AUTH_FAILED:
            self._open(OpenReason.AUTH, now + self._patience.auth_pause)
        elif ended is Ended.TEMPORARY:
            self._open(OpenReason.BACKOFF, now + self._backoff)
            self._backoff = self._longer(self._backoff)
        elif ended in FAILURES:
            self._fail(now, 1 if doubted else self._patience.failures)
        else:
            self.release(permit)

    def _fail(self, now: float, too_many: int) -> None:
        self._failures += 1
        if self.hold in {OpenReason.FAILURES, OpenReason.AUTH} or self._failures >= too_many:
            self._open(OpenReason.FAILURES, now + self._pause)
            self._pause = self._longer(self._pause)
        elif self.hold is OpenReason.BACKOFF:
            self._change(None)

    def _close(self) -> None:
        self._failures, self._pause, self._backoff = 0, self._patience.first_pause, self._patience.first_backoff
        if self.hold is not None:
            self._change(None)

    def _open(self, hold: OpenReason, until: float) -> None:
        self._change(hold)
        self.until = until

    def _change(self, hold: OpenReason | None) -> None:
        self.hold, self._probing = hold, False
        self._era += 1

    def _longer(self, pause: float) -> float:
        return min(2 * pause, self._patience.longest_pause)


class Breakers:
    """One command's breakers, one a tenant: no tenant's failures keep another from asking.

    A policy with a wrong model, a tiny timeout or a hostile text makes a command fail for its tenant alone, and no end tells that
    from an illness of the command. A command that is ill shows it by failing for several tenants without an answer in between;
    from then on each tenant's first failure opens its own breaker, and any answer ends the doubt.
    """

    def __init__(self, patience: BreakerConfig) -> None:
        self._patience = patience
        self._of: OrderedDict[str, Breaker] = OrderedDict()
        self._failed: set[str] = set()
        """Tenants that it has failed since it answered anybody; no more than make it doubted."""

    @property
    def doubted(self) -> bool:
        """Whether the command itself seems to be ill."""
        return len(self._failed) >= self._patience.tenants

    @property
    def open(self) -> int:
        """How many tenants' breakers are open."""
        return sum(breaker.hold is not None for breaker in self._of.values())

    def of(self, tenant: str) -> Breaker:
        """Return a tenant's breaker; of too many, the one that was not asked for longest is forgotten."""
        breaker = self._of.setdefault(tenant, Breaker(self._patience))
        self._of.move_to_end(tenant)
        if len(self._of) > MAX_TENANTS:
            self._of.popitem(last=False)
        return breaker

    def record(self, tenant: str, permit: Permit, ended: Ended, now: float) -> None:
        """Learn what came of a tenant's question."""
        if ended in GOOD:
            self._failed.clear()
        elif (ended in FAILURES or ended is Ended.AUTH_FAILED) and not self.doubted:
            self._failed.add(tenant)
        self.of(tenant).record(permit, ended, now, doubted=self.doubted)
