"""The operator's policy file: read at start, read again when it changes, and the last good one kept through a broken edit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from controller.api.policy import RunPolicySpec
from controller.api.policy_file import PolicyFileError, read_policy_file
from controller.api.resolved_policy import ResolvedPolicy

log = structlog.get_logger(__name__)

POLL_SECONDS = 2.0
"""Time between two reads of the file."""

FILE_POLICY, BUILT_IN_POLICY = "operator-policy-file", "built-in-defaults"
"""Values of status.policy.name where no RunPolicy object is in force."""


class PolicyFileWatcher:
    """The policy for Runs without a RunPolicy.

    Raises PolicyFileError if the file cannot be read at start, because no earlier policy can stay in force.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._data = b""
        self.error: str | None = None
        self.current = ResolvedPolicy.of(BUILT_IN_POLICY, RunPolicySpec())
        if path is not None:
            self._data = _read(path)
            self.current = ResolvedPolicy.of(FILE_POLICY, read_policy_file(self._data))

    def poll(self) -> bool:
        """Read the file again; return whether the policy changed. A file that cannot be read only sets `error`."""
        if self._path is None:
            return False
        try:
            data = _read(self._path)
            if data == self._data:
                self.error = None
                return False
            policy = ResolvedPolicy.of(FILE_POLICY, read_policy_file(data))
        except PolicyFileError as error:
            self.error = f"{self._path}: {error}; the last good policy stays in force"
            return False
        changed = policy.digest != self.current.digest
        self._data, self.current, self.error = data, policy, None
        return changed

    async def watch(self, changed: Callable[[], None]) -> None:
        """Read the file again and again until cancelled; call `changed` for each new policy, and log each new error once."""
        logged_error: str | None = None
        while True:
            if await asyncio.to_thread(self.poll):
                log.info("policy file loaded", digest=self.current.digest)
                changed()
            if self.error and self.error != logged_error:
                log.error("policy file refused", error=self.error)
            logged_error = self.error
            await asyncio.sleep(POLL_SECONDS)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PolicyFileError.of(str(path), f"cannot be read: {error}") from error
