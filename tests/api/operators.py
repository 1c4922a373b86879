"""Several operators that share the Runs, as processes, with data from their Leases, metrics and logs."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain
from typing import NamedTuple

from tests.cluster import Cluster
from tests.support import OperatorProcess, await_that

QUICK_LEASE = ("--lease-duration", "10", "--lease-renew-deadline", "8", "--lease-retry-period", "0.5")
"""Short enough for a test to wait until a replica counts as dead, long enough for a shared machine."""
PATIENCE_SECONDS = 180.0
"""Time until shares are even: on a shared machine the start of one operator has taken 50 s."""
HELD = re.compile(r'^runwatchman_shard_held{shard="(\d+)"} 1\.0$', re.MULTILINE)
SHARDS = re.compile(r"^runwatchman_shards (\d+)\.0$", re.MULTILINE)


class OperatorAccount(NamedTuple):
    """The operator's own account, with the namespace of its Leases."""

    cluster: Cluster
    home: str

    def operator(self, namespace: str) -> OperatorProcess:
        """An operator of a namespace, with reporters."""
        return OperatorProcess(self.cluster, "--namespace", namespace, "--lease-namespace", self.home, "--reporter-image", "x")


class Fleet:
    """Operators of one namespace and one set of Leases."""

    def __init__(self, cluster: Cluster, namespace: str, stack: ExitStack, options: Sequence[str]) -> None:
        self._cluster, self._namespace, self._stack, self._options = cluster, namespace, stack, options
        self.all: list[OperatorProcess] = []

    def start(self, shards: int, *options: str) -> OperatorProcess:
        """Start one more operator, without waiting."""
        told = ("--namespace", self._namespace, "--lease-name", self._namespace, "--shards", str(shards))
        operator = OperatorProcess(self._cluster, *told, *self._options, *options)
        self._stack.callback(self._end, operator)
        operator.start_without_waiting()
        self.all.append(operator)
        return operator

    def _end(self, operator: OperatorProcess) -> None:
        if not operator.ended():
            operator.stop(signal.SIGKILL)

    def of(self, number: int, shards: int) -> None:
        """Start this many at once, and wait until they share evenly."""
        for _ in range(number):
            self.start(shards)
        fair, rest = divmod(shards, number)
        self.await_shares(shards, [fair + (place < rest) for place in range(number)])

    def held(self) -> list[list[int]]:
        """Return the shards that each living operator reports."""
        return [held_by(operator) for operator in self.all if not operator.ended()]

    def await_shares(self, shards: int, sizes: Sequence[int]) -> None:
        """Wait until every shard has one owner, and the shares have these sizes."""

        def fair() -> bool:
            held = self.held()
            return sorted(chain.from_iterable(held)) == list(range(shards)) and sorted(map(len, held)) == sorted(sizes)

        await_that(
            fair, f"{shards} shards to be held as {sizes}, see {[str(operator.log) for operator in self.all]}", PATIENCE_SECONDS
        )


@contextmanager
def fleet_of(cluster: Cluster, namespace: str, options: Sequence[str] = ()) -> Iterator[Fleet]:
    """A fleet without operators yet, all to be started with these options; remaining ones are killed at the end."""
    with ExitStack() as stack:
        yield Fleet(cluster, namespace, stack, options)


def held_by(operator: OperatorProcess) -> list[int]:
    """Return the shards that an operator reports."""
    return [int(shard) for shard in HELD.findall(operator.probe("metrics", "metrics")[1])]


def told_by(operator: OperatorProcess) -> str:
    """Return the text of an operator's `/readyz`."""
    return operator.probe("health", "readyz")[1]
