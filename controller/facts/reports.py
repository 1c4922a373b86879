"""Pure: converts an AgentReport, or a reporter's final report, to the facts that the planner judges.

A reporter reports ages, measured by its pod's monotonic clock. The time of a report comes from the API server: the timestamp of the
reporter's own managedFields entry. The time of a final report is the kubelet's timestamp of the sidecar's end. Clocks of pods and
nodes are never compared.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from pydantic import ValidationError

from controller.api.agent_report import AgentReportStatus, ReportedLimit, ReportedQuestion
from controller.api.base import MAX_LONG_TEXT, MAX_SECONDS, MAX_TEXT, MAX_WORD, JsonObject, parse
from controller.api.names import LABEL_AGENT, REPORTER_CONTAINER
from controller.api.operator_state import ResultStatus
from controller.api.redaction import recorded
from controller.api.timestamps import bounded, earlier, later
from controller.plan.snapshot import LimitFacts, QuestionFacts, ReportFacts


def report_facts(report: JsonObject) -> ReportFacts | None:
    """Return the facts of an AgentReport; None if its reporter has not reported yet, or if the report cannot be parsed."""
    spec, status, stamp = report["spec"], report.get("status"), _stamp(report)
    if not status or stamp is None:
        return None
    return _facts(spec["agent"], spec["runUID"], status, stamp, spec.get("deliveries", ()))


def is_believed(report: ReportFacts, now: datetime) -> bool:
    """Whether a report was made before now. The creator of an object may write any time into its managedFields.

    A report from the year 9999 would be fresh for ever: its agent would never be silent or idle.
    """
    return report.reported_at <= later(now, MAX_AHEAD_SECONDS)


MAX_AHEAD_SECONDS = 60
"""How far a genuine timestamp may be ahead of the estimated API server time: the clocks of several API servers differ by
seconds.
"""


def last_report(pod: JsonObject) -> ReportFacts | None:
    """Return the final report of a pod's reporter, which is its termination message."""
    for container in pod.get("status", {}).get("initContainerStatuses", ()):
        ended = container.get("state", {}).get("terminated")
        if container["name"] == REPORTER_CONTAINER and ended and ended.get("message") and ended.get("finishedAt"):
            return _last_word(pod, ended["message"], datetime.fromisoformat(ended["finishedAt"]))
    return None


def _last_word(pod: JsonObject, message: str, ended: datetime) -> ReportFacts | None:
    try:
        status = json.loads(message)
    except (ValueError, RecursionError):
        return None
    owners = pod["metadata"].get("ownerReferences", ())
    run_uid = next((owner["uid"] for owner in owners if owner.get("controller")), "")
    agent = pod["metadata"].get("labels", {}).get(LABEL_AGENT, "")
    return _facts(agent, run_uid, status, ended, ())


def _stamp(report: JsonObject) -> datetime | None:
    """Return when the reporter last wrote, by the API server's clock."""
    entries = report["metadata"].get("managedFields", ())
    mine = (
        e["time"] for e in entries if e.get("manager") == REPORTER_CONTAINER and e.get("subresource") == "status" and "time" in e
    )
    return max(map(datetime.fromisoformat, mine), default=None)


OUTPUTS_LIMIT = 2048
"""Maximum characters of an agent's outputs: they are stored in the Run's status and state together with those of 31 other
agents.
"""


def _recorded(result: ResultStatus) -> ResultStatus:
    """Return the result without secrets, and with its outputs limited to `OUTPUTS_LIMIT`."""
    kept: dict[str, str] = {}
    for name, value in sorted((result.outputs or {}).items()):
        if sum(map(len, (*kept, *kept.values(), name, value))) <= OUTPUTS_LIMIT:
            kept[recorded(name)[:MAX_WORD]] = recorded(value)[:MAX_TEXT]
    texts = {
        "outcome": None if result.outcome is None else recorded(result.outcome)[:MAX_WORD],
        "summary": None if result.summary is None else recorded(result.summary)[:MAX_TEXT],
    }
    return result.model_copy(update=texts | {"outputs": kept or None})


QUESTIONS_LIMIT = 32768
"""Maximum characters of the questions and options of one report together: they are redacted, which takes time."""


def _questions(asked: tuple[ReportedQuestion, ...]) -> tuple[QuestionFacts, ...]:
    """Return an agent's questions without secrets. The id stays unchanged, since it identifies the question."""
    left, found = QUESTIONS_LIMIT, []
    for question in asked:
        texts: list[str] = []
        for text in (question.text, *question.options):
            texts.append(recorded(text[:left])[: MAX_TEXT if texts else MAX_LONG_TEXT])
            left -= min(left, len(text))
        found.append(QuestionFacts(question.id, texts[0], tuple(texts[1:])))
    return tuple(found)


def _limit(limit: ReportedLimit, reported_at: datetime) -> LimitFacts:
    """Return a limit with its times by the API server's clock, without secrets."""
    at = earlier(reported_at, limit.age_seconds)
    return LimitFacts(limit.kind, at, _reset(limit, at), recorded(limit.message)[:MAX_TEXT])


def _reset(limit: ReportedLimit, at: datetime) -> datetime | None:
    """Return when the provider answers again, at most a year after the limit. A time before the limit says nothing."""
    stated = limit.resets_at or later(at, limit.reset_seconds or 0)
    return min(stated, later(at, MAX_SECONDS)) if stated > at else None


def _facts(agent: str, run_uid: str, raw: object, at: datetime, deliveries: Sequence[JsonObject]) -> ReportFacts | None:
    try:
        status = parse(AgentReportStatus, raw)
    except (ValidationError, ValueError):
        return None
    progress = status.progress_age_seconds
    return ReportFacts(
        agent=agent,
        run_uid=run_uid,
        attempt=status.attempt,
        pod_uid=status.pod_uid,
        seq=status.seq,
        reported_at=bounded(at),
        interval_seconds=status.interval_seconds,
        active_at=earlier(at, status.activity_age_seconds),
        progress_at=None if progress is None else earlier(at, progress),
        progress_events=status.progress_events,
        sources=status.sources,
        questions=_questions(status.questions),
        delivered=status.delivered,
        read=status.read,
        parked=status.parked,
        result=_recorded(status.result) if status.result else None,
        usage=status.usage,
        turns=status.turns,
        limit=_limit(status.limit, at) if status.limit else None,
        problems=tuple(recorded(problem)[:MAX_TEXT] for problem in status.problems),
        deliveries=tuple(d["questionID"] for d in deliveries if not d.get("dismissed")),
        dismissals=tuple(d["questionID"] for d in deliveries if d.get("dismissed")),
    )
