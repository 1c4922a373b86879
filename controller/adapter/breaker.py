"""Circuit breakers for commands: when a failing command is suspended and when it is tried again. Pure: the time is passed in."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import StrEnum

from controller.adapter.contract import Ended

FAILURES = frozenset({Ended.TIMED_OUT, Ended.FAILED, Ended.TOO_LONG, Ended.MISUSED, Ended.UNREACHABLE})
"""The ends of a consultation that count as failures of the command."""
MAX_TENANTS = 4096
"""Maximum tenants, for each command, whose breakers are kept."""
GOOD = frozenset({Ended.ANSWERED, Ended.ABSTAINED})


@dataclass(frozen=True, slots=True)
class BreakerConfig:
    """The limits of consecutive failures, and the pauses in seconds.

    The first pause and the first backoff double up to the longest. The pause after a refused login is constant. Once `tenants`
    tenants have failed without an answer to anybody since, a single failure opens a breaker: the command is at fault, not the
    requests.
    """

    failures: int = 5
    tenants: int = 3
    first_pause: float = 30.0
    longest_pause: float = 600.0
    first_backoff: float = 5.0
    auth_pause: float = 300.0


class OpenReason(StrEnum):
    """The reason of an open breaker."""

    FAILURES = "it failed too often in a row"
    AUTH = "its login was refused"
    BACKOFF = "it reported a temporary failure"


@dataclass(frozen=True, slots=True)
class Permit:
    """Permission to run the command once. The result counts only if the breaker has not changed since."""

    generation: int
    probe: bool


class Breaker:
    """The breaker of a command for a tenant: closed (`hold` is None), or open until a time, after which a single probe decides."""

    def __init__(self, config: BreakerConfig) -> None:
        self._config = config
        self.hold: OpenReason | None = None
        self.until = 0.0
        self._probing = False
        self._failures = self._generation = 0
        self._pause, self._backoff = config.first_pause, config.first_backoff

    def refusal(self, now: float) -> Ended | None:
        """Return the end of a question that must not be asked now, None if it may be asked."""
        if self.hold is None or (now >= self.until and not self._probing):
            return None
        return Ended.AUTH_FAILED if self.hold is OpenReason.AUTH else Ended.SUSPENDED

    def permit(self, now: float) -> Permit | Ended:
        """Return a permit, or the end of the question without one. Each permit must be returned with `record` or `release`."""
        if (refused := self.refusal(now)) is not None:
            return refused
        self._probing = self.hold is not None
        return Permit(self._generation, self._probing)

    def release(self, permit: Permit) -> None:
        """Take back a permit that was not used, or whose result is unknown."""
        if permit.probe and permit.generation == self._generation:
            self._probing = False

    def record(self, permit: Permit, ended: Ended, now: float, *, doubted: bool = False) -> None:
        """Record the end of a question. With `doubted`, the command fails for others too, and one failure opens the breaker."""
        if permit.generation != self._generation:
            return
        if ended in GOOD:
            self._close()
        elif ended is Ended.AUTH_FAILED:
            self._open(OpenReason.AUTH, now + self._config.auth_pause)
        elif ended is Ended.TEMPORARY:
            self._open(OpenReason.BACKOFF, now + self._backoff)
            self._backoff = self._longer(self._backoff)
        elif ended in FAILURES:
            self._fail(now, 1 if doubted else self._config.failures)
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
        self._failures, self._pause, self._backoff = 0, self._config.first_pause, self._config.first_backoff
        if self.hold is not None:
            self._change(None)

    def _open(self, hold: OpenReason, until: float) -> None:
        self._change(hold)
        self.until = until

    def _change(self, hold: OpenReason | None) -> None:
        self.hold, self._probing = hold, False
        self._generation += 1

    def _longer(self, pause: float) -> float:
        return min(2 * pause, self._config.longest_pause)


class Breakers:
    """The breakers of one command, one for each tenant, so that no tenant's failures block another.

    A policy with a wrong model, a tiny timeout or a hostile text makes a command fail for its tenant alone. The end of a
    consultation does not distinguish this from a fault of the command. A faulty command fails for several tenants without an answer
    in between. From then on it is doubted: each tenant's first failure opens its own breaker, until any tenant gets an answer.
    """

    def __init__(self, config: BreakerConfig) -> None:
        self._config = config
        self._of: OrderedDict[str, Breaker] = OrderedDict()
        self._failed: set[str] = set()
        """Tenants with a failure since the last answer to anybody, at most as many as make the command doubted."""

    @property
    def doubted(self) -> bool:
        """Whether the command itself seems faulty."""
        return len(self._failed) >= self._config.tenants

    @property
    def open(self) -> int:
        """Number of tenants whose breakers are open."""
        return sum(breaker.hold is not None for breaker in self._of.values())

    def of(self, tenant: str) -> Breaker:
        """Return a tenant's breaker. Above MAX_TENANTS the least recently used one is dropped."""
        breaker = self._of.setdefault(tenant, Breaker(self._config))
        self._of.move_to_end(tenant)
        if len(self._of) > MAX_TENANTS:
            self._of.popitem(last=False)
        return breaker

    def record(self, tenant: str, permit: Permit, ended: Ended, now: float) -> None:
        """Record the end of a tenant's question."""
        if ended in GOOD:
            self._failed.clear()
        elif (ended in FAILURES or ended is Ended.AUTH_FAILED) and not self.doubted:
            self._failed.add(tenant)
        self.of(tenant).record(permit, ended, now, doubted=self.doubted)
