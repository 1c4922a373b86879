"""The notifications for one Run's escalations are limited; the end of a Run is always reported."""

from __future__ import annotations

from dataclasses import replace

from controller.api.notification import NotificationEvent
from controller.notify.allowance import BURST, RUNS_LIMIT, SECONDS_EACH, Allowance
from controller.notify.message import Level, Message

ASKED = Message(NotificationEvent.ESCALATION_OPENED, "team", "demo", "u1", Level.WARNING, "title", "body")


def test_a_flood_is_a_few_messages_and_then_one_that_counts_the_rest() -> None:
    """Two hundred escalations at once give ten messages; a minute later one more is sent, with the number of those left out."""
    allowance = Allowance()
    sent = [message for _ in range(200) if (message := allowance.admit(ASKED, 0.0))]
    assert sent == [ASKED] * BURST
    later = allowance.admit(ASKED, SECONDS_EACH)
    assert later
    assert later.body == f"body\n\n{200 - BURST} more of this Run were not sent: kubectl rw inbox -n team"
    assert allowance.admit(ASKED, SECONDS_EACH) is None


def test_others_have_their_own_and_an_end_is_always_told() -> None:
    """One Run's flood does not reduce the allowance of another, even with the same UID elsewhere, nor does it suppress its own
    end.
    """
    allowance = Allowance()
    for _ in range(200):
        allowance.admit(ASKED, 0.0)
    assert allowance.admit(replace(ASKED, uid="u2"), 0.0)
    assert allowance.admit(replace(ASKED, namespace="other"), 0.0)
    assert allowance.admit(replace(ASKED, event=NotificationEvent.RUN_FINISHED), 0.0)


def test_rest_gives_the_burst_back_and_no_more() -> None:
    """After a long rest a Run may send as many at once as at the beginning."""
    allowance = Allowance()
    for _ in range(BURST):
        allowance.admit(ASKED, 0.0)
    assert sum(bool(allowance.admit(ASKED, 1e6)) for _ in range(BURST * 2)) == BURST


def test_it_remembers_a_bounded_number_of_runs() -> None:
    """The number of remembered Runs is bounded: the oldest are dropped."""
    allowance = Allowance()
    for number in range(RUNS_LIMIT + 5):
        allowance.admit(replace(ASKED, uid=str(number)), 0.0)
    assert len(allowance._buckets) == RUNS_LIMIT
