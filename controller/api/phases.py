"""The phases of a Run and the health states of an agent."""

from __future__ import annotations

from controller.api.base import ApiEnum


class Phase(ApiEnum):
    """The phases of a Run."""

    PENDING = "Pending"
    QUEUED = "Queued"
    RUNNING = "Running"
    AWAITING_GUIDANCE = "AwaitingGuidance"
    AWAITING_APPROVAL = "AwaitingApproval"
    BLOCKED = "Blocked"
    PAUSED = "Paused"
    HALTED = "Halted"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    FAILED = "Failed"
    COMPLETED = "Completed"


TERMINAL_PHASES = frozenset({Phase.COMPLETED, Phase.FAILED, Phase.STOPPED})


class Health(ApiEnum):
    """The health states of an agent."""

    STARTING = "Starting"
    QUEUED = "Queued"
    HEALTHY = "Healthy"
    UNREADY = "Unready"
    AWAITING_GUIDANCE = "AwaitingGuidance"
    ACTIVITY_STALLED = "ActivityStalled"
    PROGRESS_STALLED = "ProgressStalled"
    PENDING_STALLED = "PendingStalled"
    REPORTER_SILENT = "ReporterSilent"
    UNREACHABLE = "Unreachable"
    DEAD = "Dead"
    COMPLETE = "Complete"
