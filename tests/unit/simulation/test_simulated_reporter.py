"""The simulated reporter says what a real one would have, and the operator would read it in the same way."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from controller.facts.reports import report_facts
from controller.plan.snapshot import PodFacts
from controller.reporter.report_schedule import Pace
from controller.reporter.report_status import status_of
from controller.simulation.distributions import constant
from controller.simulation.draws import Draws
from controller.simulation.itinerary import Behaviour
from controller.simulation.prices import Prices
from controller.simulation.record import Record
from controller.simulation.scenario import Agent
from controller.simulation.simulated_reporter import SOURCES, SimulatedReporter
from controller.simulation.virtual_time import Clock, Windows
from tests.builders import a_report

CREATED = datetime(2026, 1, 5, tzinfo=UTC)
POD = PodFacts("demo-coder-r0", "c0", "coder", 0, "run-1", reporting=True)
DAY = 86_400_000


def a_reporter(outages_per_day: float = 0.0) -> SimulatedReporter:
    """Return the reporter of an agent that works from 5 s on, with progress every 100 s, and hangs from 1000 s on."""
    record = Record(lambda _: 100_000)
    record.begin(Behaviour.WORK, 5000)
    record.begin(Behaviour.HANG, 1_000_000)
    draws = Draws(1, 1)
    outages = Windows(draws, "outage", outages_per_day, constant(3600), DAY)
    agent = Agent(tokens_per_hour=3600, cost_micro_usd_per_million_tokens=1_000_000)
    return SimulatedReporter(POD, record, Clock(CREATED), draws, outages, Prices(agent), 5000, 60)


def test_the_operator_reads_the_same_facts_from_the_object() -> None:
    """The facts are those that `controller.facts` reads from an AgentReport with this status."""
    reporter = a_reporter()
    reporter.say({"type": "question", "id": "q1", "text": "which way?", "options": ["left"]}, 1_100_000)
    reporter.deliver(("q1",), 1_200_000)
    found = reporter.facts(1_250_400, ("q1",))
    status = status_of(reporter._settings, reporter.memory, SOURCES, 1_250_400, 1250.4)
    read = report_facts(a_report(status, at="2026-01-05T00:20:50Z", deliveries=[{"questionID": "q1", "answer": "left"}]))
    assert found == read
    assert (found.progress_events, found.delivered, found.usage is not None) == (9, ("q1",), True)


def test_two_reports_of_one_second_have_an_order() -> None:
    """The newer one counts, as with the numbers of a real reporter."""
    reporter = a_reporter()
    assert reporter.facts(60_100).seq < reporter.facts(60_900).seq


def test_reports_arrive_at_the_interval_with_jitter() -> None:
    """Each is sent up to a tenth of a minute early, at one of the reporter's looks."""
    arrivals = a_reporter().arrivals(5000, 3_600_000)
    gaps = [after - before for before, after in pairwise(arrivals)]
    assert 54_000 <= min(gaps) <= max(gaps) <= 60_500
    assert all((at - 5000) % 500 == 0 for at in arrivals)


def test_something_new_takes_back_what_would_have_been_sent_later() -> None:
    """Reports until then stay, and the next comes at once."""
    reporter, other = a_reporter(), a_reporter()
    before = reporter.arrivals(5000, 3_600_000)
    now = before[9] + 10_250
    reporter.hurry(now)
    after = reporter.arrivals(now, 3_600_000)
    other.arrivals(5000, now)
    other.hurry(now)
    assert after == other.arrivals(now, 3_600_000)
    assert after[0] == before[9] + 10_500


def test_no_report_arrives_in_an_outage() -> None:
    """After it, the reporter's backoff delays the next one by a minute at most."""
    reporter = a_reporter(outages_per_day=4)
    arrivals = reporter.arrivals(5000, DAY)
    edges = list(reporter._outages.edges())
    assert edges
    for begins, ends in zip(edges[::2], edges[1::2], strict=True):
        assert not [at for at in arrivals if begins <= at < ends]
        assert [at for at in arrivals if ends <= at <= ends + 61_000] or ends > DAY - 61_000


@given(st.lists(st.tuples(st.floats(0.1, 40), st.sampled_from(["sent", "arrived", "failed", "urgent"])), max_size=12))
def test_the_schedule_knows_when_it_is_due(events: list[tuple[float, str]]) -> None:
    """`due_at` is the first moment at which `due` is true."""
    now, pace = 0.0, Pace(60, 0.0, lambda: 0.5)
    for gap, what in events:
        now += gap
        if what == "urgent":
            pace.urgent = True
        elif what == "sent":
            pace.due(now)
            pace.sent(now)
        else:
            getattr(pace, what)(now)
    at = pace.due_at(now)
    assert pace.due(at + 1e-6)
    assert at <= now or not pace.due(at - 1e-3)
