"""Judges the places of a provider from the API server's history: how many of its agents were at work at once."""

from __future__ import annotations

from collections.abc import Sequence

from controller.api.base import JsonObject
from controller.api.names import API_VERSION
from tests.chaos.evidence import Change
from tests.chaos.pods import pods

PLACES = 7
"""More than the Runs of a wave that stay at work, so that the others take turns in the rest."""


def shared_provider() -> JsonObject:
    """Return a provider with so many places."""
    return {"apiVersion": API_VERSION, "kind": "Provider", "metadata": {"name": "shared"}, "spec": {"maxActiveAgents": PLACES}}


def most_at_work(history: Sequence[Change]) -> int:
    """Return the largest number of agents that were at work at once."""
    at_work: set[str] = set()
    most = 0
    for pod in pods(history):
        if pod.live:
            at_work.add(pod.change.uid)
        else:
            at_work.discard(pod.change.uid)
        most = max(most, len(at_work))
    return most


def too_many(history: Sequence[Change], places: int = PLACES) -> list[str]:
    """Return the violation if more agents were at work than there are places."""
    most = most_at_work(history)
    return [f"{most} agents were at work at once, with places for {places}"] if most > places else []
