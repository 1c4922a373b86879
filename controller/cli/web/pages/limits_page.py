"""Pure: what holds Runs back: halts, providers, and the number of Runs that each policy lets be active."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from controller.cli.rw.halt_text import place_of
from controller.cli.rw.kubectl_errors import Denied
from controller.cli.rw.objects import JsonObject, created, name_of, namespace_of
from controller.cli.web.pages.provider_cards import ProviderCard, provider_cards
from controller.cli.web.pages.run_figures import RunFigures
from controller.cli.web.pages.unreadable import Unread, readable


class Halted(NamedTuple):
    """A halt in force: an empty namespace stands for the cluster. `runs` is the number of Runs that it holds."""

    place: str
    namespace: str
    by: str
    reason: str
    since: datetime | None
    runs: int


class Slots(NamedTuple):
    """How many Runs of a policy are active, and how many wait for that (MaxActiveRuns)."""

    namespace: str
    policy: str
    limit: int
    active: int
    queued: int


@dataclass(frozen=True, slots=True)
class LimitsPage:
    """All data of the page."""

    halts: tuple[Halted, ...]
    providers: tuple[ProviderCard, ...]
    slots: tuple[Slots, ...]
    namespaces: tuple[str, ...]
    denied: tuple[Denied | Unread, ...]
    now: datetime


def limits_page(
    halts: Sequence[JsonObject],
    providers: Sequence[JsonObject],
    runs: Sequence[RunFigures],
    policies: Sequence[JsonObject],
    denied: Sequence[Denied | Unread],
    now: datetime,
) -> LimitsPage:
    """Return the data of the page; the halt of the cluster comes first."""
    held = Counter(run.namespace for run in runs if "Halted" in (run.phase, run.reason))
    every, unread = readable("ClusterHalt", [one for one in halts if not namespace_of(one)], lambda halt: _halted(halt, held))
    others, rest = readable("Halt", [one for one in halts if namespace_of(one)], lambda halt: _halted(halt, held))
    found = sorted([*every, *others], key=lambda halt: halt.namespace)
    spaces = {run.namespace for run in runs} | set(map(namespace_of, policies))
    free = spaces - {halt.namespace for halt in found}
    slots, (cards, more) = tuple(_slots(runs, policies)), provider_cards(providers)
    return LimitsPage(tuple(found), cards, slots, tuple(sorted(free)), (*denied, *unread, *rest, *more), now)


def _halted(halt: JsonObject, held: Counter[str]) -> Halted:
    spec, space = halt["spec"], namespace_of(halt)
    return Halted(place_of(halt), space, spec["by"], spec["reason"], created(halt), held[space] if space else held.total())


def _slots(runs: Sequence[RunFigures], policies: Sequence[JsonObject]) -> Iterator[Slots]:
    """Yield the policies with a limit."""
    active = Counter((run.namespace, run.policy) for run in runs if run.active)
    queued = Counter((run.namespace, run.policy) for run in runs if run.reason == "MaxActiveRuns")
    for policy in sorted(policies, key=lambda one: (namespace_of(one), name_of(one))):
        spec, key = policy.get("spec"), (namespace_of(policy), name_of(policy))
        limit = spec.get("maxActiveRuns") if isinstance(spec, dict) else None
        if isinstance(limit, int):
            yield Slots(*key, limit, active[key], queued[key])
