"""Spreads rows over processes by their Run, so that each process has whole histories in order, with bounded memory."""

from __future__ import annotations

import multiprocessing
import os
import signal
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import ExitStack
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar

from controller.ledger.reading import DamagedRow, Row

BATCH = 200
"""Rows that go to a process at once."""
AHEAD = 2
"""Batches that may wait for a process. More would only take memory."""
SMALL = 2000
"""Rows that one process replays in less time than others need for their start."""

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")
AnyRow = Row | DamagedRow


class Judge(Protocol[T_co]):
    """Judges rows one after another; it may keep what it knows of their Runs."""

    def __call__(self, row: AnyRow) -> T_co:
        """Return the result of one row."""
        ...


def judge_all(rows: Iterable[AnyRow], make: Callable[[], Judge[T]], jobs: int) -> Iterator[list[T]]:
    """Yield the results of all rows, some at a time. Each of the `jobs` processes calls `make` once; one job needs no process."""
    if jobs <= 1:
        judge = make()
        for batch in _batches(rows):
            yield [judge(row) for row in batch]
        return
    with ExitStack() as stack:
        shards: list[Shard[T]] = [Shard(stack.enter_context(_process(make))) for _ in range(jobs)]
        for batch in _batches(rows):
            for number, part in enumerate(_split(batch, jobs)):
                yield from shards[number].put(part)
        for shard in shards:
            yield from shard.rest()


def cpus() -> int:
    """Return the number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Shard(Generic[T]):
    """One process and the batches that wait for it."""

    def __init__(self, process: ProcessPoolExecutor) -> None:
        self._process = process
        self._waiting: deque[Future[list[T]]] = deque()

    def put(self, rows: list[AnyRow]) -> Iterator[list[T]]:
        """Add rows; yield results for which there was no more room."""
        future: Future[Any] = self._process.submit(_judge, rows)
        self._waiting.append(future)
        while len(self._waiting) > AHEAD:
            yield self._waiting.popleft().result()

    def rest(self) -> Iterator[list[T]]:
        """Yield all other results."""
        while self._waiting:
            yield self._waiting.popleft().result()


def _batches(rows: Iterable[AnyRow]) -> Iterator[list[AnyRow]]:
    waiting = iter(rows)
    while batch := list(islice(waiting, BATCH)):
        yield batch


def _split(batch: list[AnyRow], jobs: int) -> list[list[AnyRow]]:
    parts: list[list[AnyRow]] = [[] for _ in range(jobs)]
    for row in batch:
        parts[zlib.crc32(row.uid.encode()) % jobs if isinstance(row, Row) else 0].append(row)
    return parts


def _process(make: Callable[[], Judge[T]]) -> ProcessPoolExecutor:
    """Return a process of its own. It is not forked: the database's connections belong to this one."""
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _begin, (make,))


_JUDGES: list[Judge[object]] = []
"""The judge of a process."""


def _begin(make: Callable[[], Judge[object]]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The first process ends the others.
    _JUDGES.append(make())


def _judge(rows: list[AnyRow]) -> list[object]:
    return [_JUDGES[0](row) for row in rows]
