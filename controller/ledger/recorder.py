"""Decides which passes become rows of the ledger: those that acted, and with the detail `all` each distinct situation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from controller.api.names import RunKey
from controller.ledger.entry import Entry, entry_of
from controller.ledger.situations import Situation, Situations
from controller.plan import Action


class Recorder:
    """Gives the ledger what it has to write: entries of passes that acted and, if there are `situations`, the distinct ones."""

    def __init__(self, write: Callable[[Entry | Situation], None], situations: Situations | None = None) -> None:
        self._write, self._situations = write, situations

    def record(self, first: Situation, acted: Sequence[Action], error: str) -> None:
        """Record the end of a pass, which began with a situation and was perhaps ended by an error."""
        if self._situations is not None:
            self._write_all(self._situations.acted(first) if acted else self._situations.seen(first))
        if acted:
            self._write(entry_of(first.snapshot, first.plan, acted, error, first.at))

    def forget(self, key: RunKey) -> None:
        """Keep nothing of a Run that is gone, or that another replica reconciles now."""
        if self._situations is not None:
            self._write_all(self._situations.forget(key))

    def close(self) -> None:
        """Record the silences that are not over."""
        if self._situations is not None:
            self._write_all(self._situations.forget_all())

    def _write_all(self, rows: Iterable[Situation]) -> None:
        for row in rows:
            self._write(row)
