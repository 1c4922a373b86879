"""How an operator process ends: on a signal for good, on a change of the replicas' mode to start again with a new Operator."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine

import structlog

from controller.leadership.shard_map import Mode

log = structlog.get_logger(__name__)


class Lifecycle:
    """The request to stop, and the mode in which to start again, None for not at all."""

    def __init__(self) -> None:
        self.stop = asyncio.Event()
        self.next_mode: Mode | None = None

    def catch_signals(self) -> None:
        """Stop for good on SIGTERM and SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, self._end)

    def _end(self) -> None:
        self.next_mode = None
        self.stop.set()

    def restart_in(self, mode: Mode) -> None:
        """Stop, to start again in another mode with nothing kept in memory; a stop that was requested before stays one."""
        if not self.stop.is_set():
            log.info("restarting in another mode", mode=mode.value)
            self.next_mode = mode
            self.stop.set()

    async def unless_stopped(self, work: Coroutine[None, None, None]) -> bool:
        """Wait for some work or for the stop, which cancels it; return whether the work finished. Raises what the work raises."""
        task = asyncio.ensure_future(work)
        stop = asyncio.ensure_future(self.stop.wait())
        await asyncio.wait([task, stop], return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if task.done():
            await task
            return True
        task.cancel()
        await asyncio.wait([task])
        return False
