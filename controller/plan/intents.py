"""The purposes of actions, and the accounts that new attempts are charged to."""

from __future__ import annotations

from enum import StrEnum


class Intent(StrEnum):
    """The purpose of an action."""

    START = "start"
    AUTO_RESTART = "auto_restart"
    AUTO_STOP_STALE = "auto_stop_stale"
    ESCALATE_GUIDANCE = "escalate_guidance"
    ESCALATE_BLOCKED = "escalate_blocked"
    DELIVER_ANSWER = "deliver_answer"
    REQUEST_APPROVAL = "request_approval"
    CONSULT = "consult"
    STOP = "stop"
    RECORD = "record"
    FINISH = "finish"
    RELEASE = "release"
    EXPIRE = "expire"


class Charge(StrEnum):
    """The account of a new attempt: the restart budget, the limited free restarts, or none, since a human requested it."""

    BUDGET = "budget"
    FREE = "free"
    UNCHARGED = "nobody"
