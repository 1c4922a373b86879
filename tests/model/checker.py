"""The search: breadth first, so that the first counterexample is a shortest one, over packed states."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Any
from unittest.mock import patch

from controller.plan.attempts import budget
from controller.plan.tasks import task_records
from tests.model import advisor, environment, reporters
from tests.model.bridge import TICK, Bridge, Finding, Table
from tests.model.invariants import Invariants
from tests.model.liveness import Liveness
from tests.model.world import Config, World, first
from tests.model.world_steps import Move, Operators, without_doomed

Key = bytes

PROGRESS = 100_000
"""States between two reports of progress."""


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a search: `complete` if every reachable state was seen, `violation` with its trace otherwise."""

    config: str
    states: int
    moves: int
    clusters: int
    depth: int
    complete: bool
    violation: str = ""
    trace: tuple[str, ...] = ()


class Packer:
    """Packs worlds into few bytes by numbering their parts. The operators are equivalent, so their order does not count."""

    def __init__(self, operators: int) -> None:
        self._operators = operators
        self._runs: Table[Any] = Table()
        self._pods: Table[Any] = Table()
        self._counters: Table[Any] = Table()
        self._rest: Table[Any] = Table()
        self._struct = Struct(f"{3 + operators}I")

    def pack(self, world: World) -> Key:
        """Return the same bytes for equivalent worlds, and only for them."""
        ops = sorted([self._counters.number(counter) if counter else 0 for counter in world.ops])
        heard = world.reports, world.said, world.hers
        rest = (
            world.now,
            world.left,
            world.ghost,
            world.escalations,
            world.created,
            world.unspaced,
            *heard,
            world.former,
            world.refusing,
            world.halted,
            world.noticed,
        )
        parts = self._runs.number(world.run or ()), self._pods.number(world.pods), self._rest.number(rest)
        return self._struct.pack(*parts, *ops)

    def unpack(self, key: Key) -> World:
        """Return a world with this packed form."""
        run, pods, rest, *ops = self._struct.unpack(key)
        counters = tuple(self._counters.values[number] if number else None for number in ops)
        return World(self._runs.values[run] or None, self._pods.values[pods], counters, *self._rest.values[rest])


class Search:
    """One search through one configuration."""

    def __init__(self, config: Config, *, liveness: bool = True) -> None:
        self._config = config
        self._bridge = Bridge(config)
        self._operators = Operators(config, self._bridge)
        self._invariants = Invariants(config, self._bridge)
        self._liveness = [Liveness(config, self._bridge, provider) for provider in config.facts] if liveness else []
        self._packer = Packer(config.operators)
        self._packer._counters.number("idle")
        self._from: dict[Key, Key | None] = {}
        self._moves = 0

    def run(self, limit: int, progress: Callable[[int, int], None] = lambda *_: None) -> Result:
        """Search until every state was seen, an invariant is broken, or `limit` states are known."""
        with (
            patch.object(budget, "FREE_RESTART_LIMIT", self._config.free_limit),
            patch.object(budget, "LIMITED_RESTART_LIMIT", self._config.limited_limit),
            patch.object(task_records, "TASK_FAULT_LIMIT", self._config.free_limit),
            patch.object(task_records, "TASK_RETRY_SECONDS", TICK if self._config.delayed else 0),
        ):
            return self._run(limit, progress)

    def _run(self, limit: int, progress: Callable[[int, int], None]) -> Result:
        start = first(self._config)
        key = self._packer.pack(start)
        self._from[key] = None
        queue = deque([key])
        told = PROGRESS
        while queue and len(self._from) < limit:
            key = queue.popleft()
            for found, violation in self._expand(key):
                if violation:
                    return self._result(violation, key, found)
                queue.append(found)
            if len(self._from) >= told:
                progress(len(self._from), len(queue))
                told += PROGRESS
        return self._result("", key, None, complete=not queue)

    def _expand(self, key: Key) -> Iterator[tuple[Key, str]]:
        """Return the new states after each move, and the invariant that the move broke."""
        before = self._packer.unpack(key)
        try:
            for move in self.moves(before):
                self._moves += 1
                after = self._packer.pack(move.world)
                violation = self._invariants.broken(before, move.event, move.world)
                if after in self._from and not violation:
                    continue
                self._from.setdefault(after, key)
                if not violation:
                    violation = next(filter(None, (judge.broken(move.world) for judge in self._liveness)), "")
                yield after, violation
        except Finding as finding:
            yield key, str(finding)

    def moves(self, world: World) -> Iterator[Move]:
        """Return every move of every party, with the facts to remember added to its world."""
        everybody = (
            *self._operators.moves(world),
            *environment.moves(self._config, world),
            *reporters.moves(self._config, world),
            *advisor.moves(self._config, world),
        )
        for move in everybody:
            after = without_doomed(move.world)
            if move.event is not None:
                after = after._replace(ghost=self._invariants.remember(world, move.event))
            if after.ghost.unasked and environment.is_human(move):
                after = after._replace(ghost=after.ghost._replace(unasked=()))
            yield move._replace(world=after)

    def _result(self, violation: str, key: Key, last: Key | None, *, complete: bool = False) -> Result:
        clusters = sum(judge.clusters for judge in self._liveness)
        path = self._path(key)
        trace = tuple(self._told([*path, last] if last and last != key else path)) if violation else ()
        return Result(self._config.name, len(self._from), self._moves, clusters, len(path), complete, violation, trace)

    def _path(self, key: Key) -> list[Key]:
        path, at = [key], self._from[key]
        while at is not None:
            path.append(at)
            at = self._from[at]
        return path[::-1]

    def _told(self, path: list[Key]) -> Iterator[str]:
        """Describe a path in words, replayed from its start so that each operator keeps its name."""
        world = first(self._config)
        for key in path[1:]:
            move = next(move for move in self.moves(world) if self._packer.pack(move.world) == key)
            world = move.world
            yield f"{move.who} {' '.join(map(str, move.what))}"
