"""The evidence of the campaigns misses no version, however often the API server ends its watches."""

from __future__ import annotations

import subprocess
from functools import partial

import pytest

from tests.chaos import evidence
from tests.chaos.evidence import watching
from tests.cluster import Cluster
from tests.support import await_that

TIMES = 4


def went_on(seen: evidence.Evidence, before: int) -> bool:
    """Whether a watch was ended and has continued since."""
    return seen.resumed > before


def test_a_watch_that_is_ended_goes_on(api_cluster: Cluster, namespace: str) -> None:
    """Each version of an object is seen once, in order, including its deletion, with a watch that ended between any two of them."""
    with watching(api_cluster, ("leases",), seconds=1) as seen:
        api_cluster.kubectl("-n", namespace, "create", "-f", "-", stdin=LEASE)
        for number in range(TIMES):
            await_that(partial(went_on, seen, seen.resumed), "a watch to be ended")
            api_cluster.kubectl("-n", namespace, "annotate", "lease", "seen", f"number={number}", "--overwrite")
        api_cluster.kubectl("-n", namespace, "delete", "lease", "seen")
        await_that(lambda: not seen.newest("leases", namespace, "seen") and seen.count(namespace), "its end")
        history = seen.history(namespace)
    told = [(change.object["metadata"].get("annotations", {}).get("number"), change.gone) for change in history]
    assert told == [(None, False), *((str(number), False) for number in range(TIMES)), (str(TIMES - 1), True)]
    assert seen.complete


def test_a_watch_that_breaks_off_is_missed(api_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A watch that broke off without the API server's end may have lost events: the evidence is incomplete."""
    opened, processes = evidence._Watch._open, []

    def open_and_keep(watch: evidence._Watch, version: str) -> subprocess.Popen[str]:
        processes.append(opened(watch, version))
        return processes[-1]

    monkeypatch.setattr(evidence._Watch, "_open", open_and_keep)
    with watching(api_cluster, ("leases",)) as seen:
        assert seen.complete
        processes[0].kill()
        await_that(lambda: not seen.complete, "the gap to be noticed")


LEASE = """
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: seen}
"""
