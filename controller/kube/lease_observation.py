"""How long a Lease has stayed unchanged, by our own monotonic clock: that shows whether its holder is alive."""

from __future__ import annotations

from dataclasses import dataclass

from controller.api.base import JsonObject


@dataclass(frozen=True, slots=True)
class LeaseObservation:
    """A version of the Lease and its holder; `at` is when we first saw it, by our own monotonic clock."""

    version: str = ""
    holder: str = ""
    at: float = 0.0
    duration: float = 0.0
    renewed: bool = False
    """Whether this holder renewed the Lease while we watched. A dead holder never does."""

    def followed(self, lease: JsonObject, at: float, duration: float) -> LeaseObservation:
        """Return the observation after the Lease was read again."""
        version, holder = lease["metadata"]["resourceVersion"], lease["spec"].get("holderIdentity") or ""
        if version == self.version:
            return self
        return LeaseObservation(version, holder, at, duration, renewed=bool(holder) and holder == self.holder)

    def expired_by(self, now: float) -> bool:
        """Whether the Lease has stayed unchanged for its whole duration. Clocks of two machines are never compared."""
        return now - self.at > self.duration
