"""Pure: builds an AgentReport's status from the agent's record; see controller/api/agent_report.py."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from controller.reporter.agent_record import Memory
from controller.reporter.settings import Settings

Json = dict[str, Any]

MAX_SECONDS = 31_536_000
MAX_COUNT = 1_000_000
LAST_WORDS_LIMIT = 4096
"""Maximum bytes of a termination message that the kubelet keeps."""

TIMES = ("seq", "activityAgeSeconds", "progressAgeSeconds")
"""Fields that differ between reports even if nothing has happened."""


def status_of(settings: Settings, memory: Memory, sources: tuple[str, ...], seq: int, now: float) -> Json:
    """Return the status of an AgentReport."""
    status: Json = {
        "attempt": settings.attempt,
        "podUID": settings.pod_uid,
        "seq": seq,
        "intervalSeconds": settings.interval,
        "activityAgeSeconds": _age(memory.active_at, now),
        "sources": list(sources),
        "message": memory.message,
        "progressEvents": min(memory.progress_events, MAX_COUNT),
        "turns": min(memory.turns, MAX_COUNT),
        "questions": list(memory.questions.values()),
        "delivered": list(memory.delivered),
        "read": list(memory.read),
        "parked": memory.parked,
        "problems": list(memory.problems.values()),
    }
    if memory.progress_at is not None:
        status["progressAgeSeconds"] = _age(memory.progress_at, now)
    if memory.result is not None:
        status["result"] = memory.result
    if memory.usage is not None:
        status["usage"] = memory.usage
    if memory.limit is not None:
        status["limit"] = {**memory.limit, "ageSeconds": _age(memory.limit_at, now)}
    return status


def merge_patch(old: Json, new: Json) -> Json:
    """Return the merge patch (RFC 7396) from `old` to `new`. It holds all of `new`, so it does not depend on the stored object."""
    patch: Json = dict.fromkeys((field for field in old if field not in new), None)
    for field, value in new.items():
        before = old.get(field)
        patch[field] = merge_patch(before, value) if isinstance(value, dict) and isinstance(before, dict) else value
    return patch


def same_but_for_times(one: Json, other: Json) -> bool:
    """Whether two reports are equal except for their times."""
    return {k: v for k, v in one.items() if k not in TIMES} == {k: v for k, v in other.items() if k not in TIMES}


def last_words(status: Json) -> str:
    """Return the report as JSON that fits into a termination message; the least important parts are cut first."""
    text = _dump(status)
    for cut in CUTS:
        if len(text.encode()) <= LAST_WORDS_LIMIT:
            break
        status = cut(status)
        text = _dump(status)
    return text


def _dump(status: Json) -> str:
    return json.dumps(status, ensure_ascii=False, separators=(",", ":"))


def _age(moment: float, now: float) -> int:
    return min(MAX_SECONDS, max(0, int(now - moment)))


def _without(*fields: str) -> Callable[[Json], Json]:
    return lambda status: {field: value for field, value in status.items() if field not in fields}


def _fewer_ids(status: Json) -> Json:
    return {**status, **{field: status[field][-FEW_IDS:] for field in ("delivered", "read")}}


def _short_questions(status: Json) -> Json:
    questions = [{"id": q["id"], "text": _cut(q["text"], SHORT), "options": []} for q in status["questions"]]
    return {**status, "questions": questions}


def _short_result(status: Json) -> Json:
    """Shorten a result: the outcome always fits, the summary is cut, and long outputs are dropped."""
    result = status.get("result")
    if not result:
        return status
    outputs = {name: value for name, value in result["outputs"].items() if len((name + value).encode()) <= SHORT}
    return {**status, "result": {**result, "summary": _cut(result["summary"], SHORT), "outputs": outputs}}


def _short_limit(status: Json) -> Json:
    limit = status.get("limit")
    return {**status, "limit": {**limit, "message": _cut(limit["message"], SHORT)}} if limit else status


def _bare_questions(status: Json) -> Json:
    return {**status, "questions": [{"id": q["id"], "text": "", "options": []} for q in status["questions"]]}


def _bare_result(status: Json) -> Json:
    if not status.get("result"):
        return status
    return {**status, "result": {"outcome": status["result"]["outcome"], "summary": "", "outputs": {}}}


def _cut(text: str, size: int) -> str:
    """Cut a text to a size in bytes."""
    return text.encode()[:size].decode(errors="ignore")


SHORT = 200
"""Bytes of a shortened text."""
FEW_IDS = 8
CUTS: tuple[Callable[[Json], Json], ...] = (
    _without("problems"),
    _without("message"),
    _fewer_ids,
    _short_questions,
    _short_result,
    _short_limit,
    _bare_questions,
    _bare_result,
    _without("delivered", "read"),
)
