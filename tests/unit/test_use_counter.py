"""The count of a provider's use: each token once, whatever crashes, repeats, comes late or is deleted."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.api.base import parse
from controller.api.budget import Budget, CountedUse, WindowStatus
from controller.cache.use_counter import AgentKey, UseCounter
from controller.plan.providers.spending import NOTHING, AgentUse, Spent

NOW = datetime(2026, 1, 8, 12, tzinfo=UTC)
MONTHLY = parse(Budget, {"name": "all", "window": "Month", "tokens": 1000})
TEAM = parse(Budget, {"name": "team", "window": "Month", "costMicroUSD": 50, "selector": {"matchLabels": {"team": "a"}}})
BUDGETS = (MONTHLY, TEAM)


def seen(attempt: int, before: int, current: int) -> AgentUse:
    """Return an observation of tokens."""
    return AgentUse(attempt, Spent(before), Spent(current))


def a_counter(budgets: tuple[Budget, ...] = BUDGETS) -> UseCounter:
    """Return a counter that has been saved once, so that it counts what it sees."""
    counter = UseCounter()
    counter.follow(budgets, NOW)
    counter.mark_saved(counter.to_save(NOW, lambda _: True), lambda _: True)
    return counter


def sums(counter: UseCounter, now: datetime = NOW, budgets: tuple[Budget, ...] = BUDGETS) -> list[tuple[int, int]]:
    """Return the tokens and the cost of each budget."""
    counter.follow(budgets, now)
    return [(window.tokens, window.cost_micro_usd) for window in counter.windows]


KEY = AgentKey("u1", "main")


def test_only_the_difference_is_counted() -> None:
    """A report that repeats, an older one, and the Run's own sum of the same attempt add nothing."""
    counter = a_counter()
    for observation in (seen(0, 0, 10), seen(0, 0, 10), seen(0, 0, 30), seen(0, 0, 20), seen(1, 35, 0), seen(0, 0, 40)):
        counter.observe(KEY, observation, {})
    assert sums(counter)[0] == (35, 0)
    counter.observe(KEY, seen(1, 0, 5), {})
    assert sums(counter)[0] == (40, 0)


def test_what_was_counted_stays_when_an_attempts_last_report_is_lost() -> None:
    """The Run then states less than was reported live. The next attempt counts in full all the same."""
    counter = a_counter()
    for observation in (seen(0, 0, 100), seen(1, 60, 0), seen(1, 0, 50)):
        counter.observe(KEY, observation, {})
    assert sums(counter)[0] == (150, 0)


def test_a_budget_counts_the_runs_that_its_selector_names() -> None:
    """Each budget has a sum of its own."""
    counter = a_counter()
    counter.observe(KEY, AgentUse(0, NOTHING, Spent(10, 3)), {"team": "a", "x": "y"})
    counter.observe(AgentKey("u2", "main"), AgentUse(0, NOTHING, Spent(10, 3)), {"team": "b"})
    assert sums(counter) == [(20, 6), (10, 3)]


def test_budgets_count_from_the_moment_that_they_are_first_seen() -> None:
    """Nobody knows when earlier use was. A budget that is added later begins at zero, too; the others go on."""
    counter = UseCounter()
    counter.follow((MONTHLY,), NOW)
    counter.observe(KEY, seen(0, 0, 500), {})
    counter.mark_saved(counter.to_save(NOW, lambda _: True), lambda _: True)
    counter.observe(KEY, seen(0, 0, 507), {})
    assert sums(counter, budgets=(MONTHLY,)) == [(7, 0)]
    assert sums(counter) == [(7, 0), (0, 0)]


def test_a_new_window_begins_at_zero_and_nothing_is_counted_twice() -> None:
    """The use of the old window stays counted, so that only what is new is in the new window's sum."""
    counter = a_counter()
    counter.observe(KEY, seen(0, 0, 500), {})
    assert sums(counter)[0] == (500, 0)
    counter.observe(KEY, seen(0, 0, 600), {})
    later = NOW + timedelta(days=30)
    assert sums(counter, later)[0] == (100, 0)
    assert counter.windows[0].start == datetime(2026, 2, 1, tzinfo=UTC)


def test_a_changed_window_keeps_its_sum_where_it_can() -> None:
    """A day's sum is part of its month's; a month's sum says nothing about a day."""
    daily = MONTHLY.model_copy(update={"window": parse(Budget, {"name": "x", "window": "Day", "tokens": 1}).window})
    counter = a_counter((daily,))
    counter.observe(KEY, seen(0, 0, 5), {})
    assert sums(counter, budgets=(daily,)) == [(5, 0)]
    assert sums(counter, budgets=(MONTHLY,)) == [(5, 0)]
    assert sums(counter, budgets=(daily,)) == [(0, 0)]


def test_a_failed_write_leaves_the_count_to_be_saved() -> None:
    """What was observed while a write was under way is saved by the next one."""
    counter = a_counter()
    counter.observe(KEY, seen(0, 0, 5), {})
    counter.to_save(NOW, lambda _: True)
    assert not counter.changed
    counter.mark_unsaved()
    assert counter.changed
    counted = counter.to_save(NOW, lambda _: True)
    counter.observe(KEY, seen(0, 0, 6), {})
    counter.mark_saved(counted, lambda _: True)
    assert counter.changed


def test_a_run_that_finished_long_ago_is_not_counted_again() -> None:
    """Its entry has left the status, and the sum has its use."""
    counter = a_counter()
    counter.observe(KEY, seen(1, 5, 0), {}, NOW)
    much_later = NOW + timedelta(hours=1)
    counted = counter.to_save(much_later, lambda _: True)
    assert counted.agents == {}
    successor = UseCounter()
    successor.load(BUDGETS, counter.windows, counted)
    successor.follow(BUDGETS, much_later)
    successor.observe(KEY, seen(1, 5, 0), {}, NOW)
    assert sums(successor, much_later)[0] == (5, 0)


def test_a_run_whose_end_is_saved_after_a_write_is_counted() -> None:
    """The time of its end is before the write, and the write has no entry of it: it had reported no use until its end."""
    counter = a_counter()
    counted = counter.to_save(NOW + timedelta(seconds=1), lambda _: True)
    successor = UseCounter()
    successor.load(BUDGETS, counter.windows, counted)
    successor.follow(BUDGETS, NOW)
    successor.observe(KEY, seen(1, 5, 0), {}, NOW)
    assert sums(successor)[0] == (5, 0)


@dataclass
class Agent:
    """An agent of the world: its attempt, what it used, and what others can see of that."""

    attempt: int = 0
    ended: bool = False
    recorded: int = 0
    current: int = 0
    reported: int = 0
    views: list[AgentUse] = field(default_factory=list)

    def view(self) -> AgentUse:
        """Return what its Run states."""
        return seen(self.attempt + self.ended, self.recorded, 0)

    def report(self) -> AgentUse:
        """Return what its report states; the last attempt's report stays until the next one reports."""
        return seen(self.attempt, 0, self.reported)

    def use(self, amount: int) -> None:
        """Use tokens that nobody knows of yet."""
        self.current += 0 if self.ended else amount

    def publish(self, _: int) -> None:
        """Report them."""
        self.reported = self.current

    def end(self, _: int) -> None:
        """End the attempt; its Run states all of it."""
        if not self.ended:
            self.ended, self.recorded, self.reported = True, self.recorded + self.current, self.current

    def restart(self, _: int) -> None:
        """Begin the next attempt."""
        if self.ended:
            self.attempt, self.ended, self.current, self.reported = self.attempt + 1, False, 0, 0

    @property
    def visible(self) -> int:
        """The tokens that anybody can have seen."""
        return self.recorded + (0 if self.ended else self.reported)


@dataclass
class World:
    """Runs, an operator that counts them, and what the API server has stored of its count."""

    now: datetime = NOW
    agents: dict[AgentKey, Agent] = field(default_factory=dict)
    finished: dict[str, datetime] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    stored: tuple[tuple[WindowStatus, ...], CountedUse | None] = ((), None)
    counter: UseCounter = field(default_factory=UseCounter)
    share: dict[AgentKey, int] = field(default_factory=dict)
    stored_share: dict[AgentKey, int] = field(default_factory=dict)
    runs: int = 0

    def look(self, key: AgentKey, *, older: bool = False) -> None:
        """The operator observes an agent, and `older` observations come late."""
        agent = self.agents[key]
        if key.run_uid in self.gone:
            return
        agent.views += [agent.view(), agent.report()]
        self.share[key] = max(self.share.get(key, 0), agent.visible)
        for observation in (*agent.views[-2:], *(agent.views[:4] if older else ())):
            self.counter.observe(key, observation, {}, self.finished.get(key.run_uid))

    def finish(self, run_uid: str, amount: int) -> None:
        """Finish a Run. In half of all cases the operator that saves this ends before it has counted it."""
        self.finished[run_uid] = self.now
        keys = [key for key in self.agents if key.run_uid == run_uid]
        for key in keys:
            self.agents[key].end(amount)
        if amount % 2:
            self.now += timedelta(seconds=amount * 15)
            self.crash()
        for key in keys:  # an operator caches what it saves
            self.look(key)

    def save(self) -> None:
        """The operator writes its count."""
        self.counter.follow((MONTHLY,), self.now)
        counted = self.counter.to_save(self.now, lambda uid: uid not in self.gone)
        self.stored, self.stored_share = (self.counter.windows, counted), dict(self.share)
        self.counter.mark_saved(counted, lambda uid: uid not in self.gone)

    def crash(self) -> None:
        """Another operator takes over: it reads the count, then everything that is left."""
        self.counter, self.share = UseCounter(), dict(self.stored_share)
        self.counter.load((MONTHLY,), *self.stored)
        self.counter.follow((MONTHLY,), self.now)
        for key in self.agents:
            self.look(key)


def step(world: World, what: str, number: int, amount: int) -> None:
    """Let one thing happen in the world, to the agent of this number."""
    if what == "create":
        world.runs += 1
        world.agents |= {AgentKey(f"u{world.runs}", name): Agent() for name in ("a", "b")}
    elif what == "tick":
        world.now += timedelta(seconds=amount * 15)
    elif what in ("save", "crash", "kill"):
        if what == "kill":  # the write succeeds, and the operator ends before it knows
            counted = world.counter.to_save(world.now, lambda uid: uid not in world.gone)
            world.stored, world.stored_share = (world.counter.windows, counted), dict(world.share)
        world.save() if what == "save" else world.crash()
    elif world.agents:
        key = list(world.agents)[number % len(world.agents)]
        of_an_agent(world, key, what, amount)


def of_an_agent(world: World, key: AgentKey, what: str, amount: int) -> None:
    """Let one thing happen to an agent that can still change."""
    if what in ("look", "older"):
        world.look(key, older=what == "older")
    elif what == "delete":
        world.gone.add(key.run_uid)
    elif key.run_uid in world.gone or key.run_uid in world.finished:
        return
    elif what == "finish":
        world.finish(key.run_uid, amount)
    else:
        getattr(world.agents[key], what)(amount)


STEPS = ("create", "use", "use", "publish", "look", "look", "older", "end", "restart", "finish", "delete")
WORLD_STEPS = ("tick", "tick", "save", "save", "crash", "kill")
HAPPENINGS = st.lists(
    st.tuples(st.sampled_from((*STEPS, *WORLD_STEPS)), st.integers(0, 3), st.integers(1, 100)), min_size=20, max_size=60
)


@given(HAPPENINGS)
@settings(max_examples=400)
def test_nothing_is_counted_twice_and_nothing_is_lost(happenings: list[tuple[str, int, int]]) -> None:
    """Crashes, writes, deletions, restarts and old observations in any order.

    The sum is the use of each agent as it was last seen, or for a Run that was deleted before an operator that has taken over could
    see it again, as it was last saved.
    """
    world = World()
    world.save()
    for what, number, amount in happenings:
        step(world, what, number, amount)
        assert sums(world.counter, world.now, (MONTHLY,))[0][0] == sum(world.share.values())
    for key in world.agents:
        world.look(key)
    left = sum(agent.visible for key, agent in world.agents.items() if key.run_uid not in world.gone)
    gone = sum(world.share.get(key, 0) for key in world.agents if key.run_uid in world.gone)
    assert sums(world.counter, world.now, (MONTHLY,))[0][0] == left + gone


@given(HAPPENINGS)
def test_the_status_forgets_runs_that_are_over(happenings: list[tuple[str, int, int]]) -> None:
    """Once a Run is gone, or finished for a while, the status has no entry of it."""
    world = World()
    world.save()
    for what, number, amount in happenings:
        step(world, what, number, amount)
    world.now += timedelta(hours=1)
    world.save()
    assert world.stored[1]
    runs = {key.rpartition("/")[0] for key in world.stored[1].agents}
    assert runs <= {key.run_uid for key in world.agents} - world.gone - set(world.finished)
    assert len(world.counter.counted) == len(world.stored[1].agents)
