"""The operator and an overloaded API server: it retries after the given time, and no other Run waits."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest

from tests.cluster import Cluster
from tests.faulty_proxy import Fault, Front, front_of
from tests.support import OperatorProcess, apply, await_phase, await_that, run_of

WAIT_SECONDS = 4
"""Longer than any first backoff, and than the longest wait inside a read."""
SLOW_SECONDS = 1.0
FOR_EVER_SECONDS = 60.0
"""Longer than a request may take."""
SEVERAL = 17
"""More than the number of workers."""


@pytest.fixture
def front(api_cluster: Cluster, namespace: str) -> Iterator[Front]:
    """A proxy for the API server, with an operator of its own behind it."""
    with front_of(api_cluster) as (made, seen), OperatorProcess(seen, "--namespace", namespace, "--lease-name", namespace):
        yield made


@pytest.mark.parametrize(
    ("code", "method", "suffix"), [(429, "PUT", "/runs/held/status"), (503, "GET", "/runs/held")], ids=["write", "read"]
)
def test_throttled_run_waits_alone(api_cluster: Cluster, front: Front, namespace: str, code: int, method: str, suffix: str) -> None:
    """A Run whose requests are refused is retried after the API server's Retry-After, no earlier; others complete meanwhile."""
    front.judge = lambda asked, path: Fault(code, WAIT_SECONDS) if asked == method and path.endswith(suffix) else None
    apply(api_cluster, namespace, run_of("held"))
    await_that(lambda: len(front.refused) >= 1, "the first refusal")
    apply(api_cluster, namespace, run_of("free"))
    await_phase(api_cluster, namespace, "free", "Completed")
    await_that(lambda: len(front.refused) >= 3, "three tries")
    apart = [after.at - before.at for before, after in pairwise(front.refused)]
    assert min(apart) >= WAIT_SECONDS
    front.judge = lambda _method, _path: None
    await_phase(api_cluster, namespace, "held", "Completed")


def test_unanswered_request_holds_up_nobody_else(api_cluster: Cluster, front: Front, namespace: str) -> None:
    """While no answer about one Run comes in time, others complete; once answers return, it completes too."""
    front.judge = lambda _, path: Fault(delay=FOR_EVER_SECONDS) if "/deaf" in path else None
    apply(api_cluster, namespace, run_of("deaf"), *(run_of(f"run-{number}") for number in range(SEVERAL)))
    for number in range(SEVERAL):
        await_phase(api_cluster, namespace, f"run-{number}", "Completed")
    front.judge = lambda _method, _path: None
    await_phase(api_cluster, namespace, "deaf", "Completed", seconds=120)


def test_slow_answers_to_everything_only_take_longer(api_cluster: Cluster, front: Front, namespace: str) -> None:
    """With a second for each answer every Run completes, each pod is created and ungated once, and the Lease is kept."""
    front.judge = lambda _, path: Fault(delay=SLOW_SECONDS)
    apply(api_cluster, namespace, *(run_of(f"run-{number}") for number in range(SEVERAL)))
    for number in range(SEVERAL):
        await_phase(api_cluster, namespace, f"run-{number}", "Completed")
    pods = [each.method for each in front.passed if "/pods" in each.path]
    assert (pods.count("POST"), pods.count("PATCH")) == (SEVERAL, SEVERAL)


def test_an_api_server_that_refuses_all_is_left_alone(api_cluster: Cluster, front: Front, namespace: str) -> None:
    """With a Retry-After in every answer about Runs and pods, the operator sends one request per Run and interval, and recovers."""
    front.judge = lambda _, path: Fault(429, WAIT_SECONDS) if "/runs/" in path or "/pods/" in path else None
    apply(api_cluster, namespace, *(run_of(f"run-{number}") for number in range(SEVERAL)))
    await_that(lambda: len(front.refused) >= 3 * SEVERAL, "three tries of each")
    for number in range(SEVERAL):
        asked = (f"/runs/run-{number}", f"/runs/run-{number}/status")
        tries = [each.at for each in list(front.refused) if each.path.endswith(asked)]
        assert all(after - before >= WAIT_SECONDS for before, after in pairwise(tries))
    front.judge = lambda _method, _path: None
    for number in range(SEVERAL):
        await_phase(api_cluster, namespace, f"run-{number}", "Completed")
