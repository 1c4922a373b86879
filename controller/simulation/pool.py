"""Plays many Runs in several processes. Each Run depends on its number only, so the processes change nothing but the time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context

from controller.api.resolved_policy import ResolvedPolicy
from controller.simulation.draws import Draws
from controller.simulation.engine import simulate_run
from controller.simulation.result import RunResult
from controller.simulation.scenario import Scenario

CHUNK = 50
"""Runs that a process plays at a time: long enough that the transport costs nothing, short enough for a smooth bar."""
SMALL = 150
"""Runs that are played sooner than a process has started."""


@dataclass(frozen=True, slots=True)
class Case:
    """A policy in a scenario."""

    scenario: Scenario
    policy: ResolvedPolicy


def play(cases: Sequence[Case], runs: int, seed: int, processes: int, advance: Callable[[int], None]) -> list[list[RunResult]]:
    """Return the results of each case, by the number of the Run. `advance` is called with the number of Runs that were played."""
    chunks = [(index, range(at, min(at + CHUNK, runs))) for index in range(len(cases)) for at in range(0, runs, CHUNK)]
    if processes == 1 or runs * len(cases) <= SMALL:
        found = {}
        for index, numbers in chunks:
            found[index, numbers.start] = _chunk(cases[index], seed, numbers)
            advance(len(numbers))
    else:
        found = dict(_in_processes(cases, seed, chunks, processes, advance))
    return [
        [result for index, numbers in chunks if index == case for result in found[index, numbers.start]]
        for case in range(len(cases))
    ]


def _in_processes(
    cases: Sequence[Case], seed: int, chunks: list[tuple[int, range]], processes: int, advance: Callable[[int], None]
) -> Iterator[tuple[tuple[int, int], list[RunResult]]]:
    """Yield each chunk's results as they come."""
    with ProcessPoolExecutor(min(processes, len(chunks)), get_context("spawn")) as pool:
        pending: dict[Future[list[RunResult]], tuple[int, range]] = {
            pool.submit(_chunk, cases[index], seed, numbers): (index, numbers) for index, numbers in chunks
        }
        try:
            for done in as_completed(pending):
                index, numbers = pending[done]
                yield (index, numbers.start), done.result()
                advance(len(numbers))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _chunk(case: Case, seed: int, numbers: range) -> list[RunResult]:
    return [simulate_run(case.scenario, case.policy, Draws(seed, number)) for number in numbers]


def cpus() -> int:
    """Return the number of CPUs that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
