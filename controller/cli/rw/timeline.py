"""Pure: a Run's history in chronological order, from its own times, its pods, its escalations and the Events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

from controller.api.names import LABEL_AGENT, LABEL_ATTEMPT
from controller.cli.rw.containers import ending, failed_init, judged_state
from controller.cli.rw.objects import JsonObject, created, label, phase_of, status_of, time_of
from controller.cli.rw.related_objects import Around
from controller.cli.rw.responses import summary_of
from controller.cli.rw.task_text import task_number, task_of


class Entry(NamedTuple):
    """One event: its time, its subject and a text. The rank orders events within one second."""

    at: datetime
    rank: int
    who: str
    what: str


def timeline(run: JsonObject, around: Around) -> list[Entry]:
    """Return the history, the oldest event first, without duplicates."""
    found: set[Entry] = set(_of_run(run))
    for pod in around.pods:
        found.update(_of_pod(run, pod))
    for escalation in around.escalations:
        found.update(_of_escalation(escalation))
    found.update(_of_events(around.events))
    return sorted(found)


def attempt_name(pod: JsonObject) -> str:
    """Return the short name of an attempt, such as `coder r1`, or of a try of its task, such as `coder r1 verify (2)`."""
    number = task_number(pod)
    task = f" {task_of(pod)}{f' ({number + 1})' if number else ''}" if task_of(pod) else ""
    return f"{label(pod, LABEL_AGENT)} r{label(pod, LABEL_ATTEMPT)}{task}"


RUN_CREATED, CREATED, STARTED, ENDED, ASKED, REPORTED = range(6)


def _entry(moment: datetime | None, rank: int, who: str, what: str) -> Iterator[Entry]:
    if moment is not None:
        yield Entry(moment, rank, who, what)


def _of_run(run: JsonObject) -> Iterator[Entry]:
    status = status_of(run)
    yield from _entry(created(run), RUN_CREATED, "run", "created")
    what = f"{phase_of(run)}: {status.get('message', '')}".removesuffix(": ")
    yield from _entry(time_of(status.get("completionTime")), REPORTED, "run", what)


def _of_pod(run: JsonObject, pod: JsonObject) -> Iterator[Entry]:
    who, state = attempt_name(pod), judged_state(run, pod)
    yield from _entry(created(pod), CREATED, who, "pod created")
    started = state.get("running", {}).get("startedAt") or state.get("terminated", {}).get("startedAt")
    yield from _entry(time_of(started), STARTED, who, "started")
    yield from _entry(time_of(state.get("terminated", {}).get("finishedAt")), ENDED, who, f"ended: {ending(run, pod)}")
    if "terminated" not in state and (how := ending(run, pod)):
        yield from _never_ran(pod, who, how)


def _never_ran(pod: JsonObject, who: str, how: str) -> Iterator[Entry]:
    """Yield the end of a pod whose agent never ran, with the words of the init container or of the kubelet."""
    _, end = failed_init(pod) or ("", {})
    moment = time_of(end.get("finishedAt")) or time_of(status_of(pod).get("startTime")) or created(pod)
    words = " ".join((end.get("message") or status_of(pod).get("message", "")).split())
    yield from _entry(moment, ENDED, who, f"ended without running: {how}: {words}".removesuffix(": "))


def _of_escalation(escalation: JsonObject) -> Iterator[Entry]:
    spec, status = escalation["spec"], status_of(escalation)
    who = spec.get("agent") or "run"
    yield from _entry(created(escalation), ASKED, who, f"a human is asked ({spec['type']}): {spec['summary']}")
    if response := spec.get("response"):
        yield from _entry(time_of(status.get("answeredAt")), ASKED, who, f"answered by {summary_of(response)}")
    yield from _entry(time_of(status.get("deliveredAt")), REPORTED, who, "the answer was delivered to the agent")


def _of_events(events: Iterable[JsonObject]) -> Iterator[Entry]:
    """Yield the Events of the Run, and the warnings of its pods. Normal Events of pods are omitted, since `_of_pod` covers them."""
    for event in events:
        about = event["involvedObject"]
        if about["kind"] != "Run" and event.get("type") != "Warning":
            continue
        moment = time_of(event.get("lastTimestamp") or event.get("eventTime") or event.get("firstTimestamp"))
        times = event.get("count") or event.get("series", {}).get("count") or 1
        often = f" ({times} times)" if times > 1 else ""
        who = "run" if about["kind"] == "Run" else about["name"]
        yield from _entry(moment, REPORTED, who, f"{event.get('reason', '')}: {' '.join(event.get('message', '').split())}{often}")
