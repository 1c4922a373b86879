"""The reasons of conditions that no decision has, each with the sentence that explains it.

The sentences are the same for every Run, so no status repeats them: docs/troubleshooting.md and `kubectl rw describe` have them. A
condition's message only has data of its Run. The values are API: never renamed.
"""

from __future__ import annotations

from controller.plan.reasons import DocumentedEnum


class ConditionReason(DocumentedEnum):
    """The reason of a condition."""

    # Succeeded, Healthy, PolicyResolved, Escalated, WritesAccepted
    NOT_FINISHED = "NotFinished", "The Run has not finished yet."
    ALL_AGENTS_HEALTHY = "AllAgentsHealthy", "Every agent is healthy or complete."
    NOT_RUNNING = "NotRunning", "No agent should run: the Run is paused, halted, stopping or finished."
    RESOLVED = "Resolved", "The policy in status.policy is in force."
    AWAITING_RESPONSE = "AwaitingResponse", "A human is asked about these escalations."
    NOTHING_OPEN = "NothingOpen", "A human was asked before, and nothing waits for an answer now."
    ACCEPTED = "Accepted", "The API server accepts the operator's writes again, or the gate has accepted the advisor's answer."

    # ProvidersFound
    PROVIDER_NOT_FOUND = "ProviderNotFound", "These agents name a Provider that does not exist: nothing limits them."

    # Verified
    ALL_VERIFIED = "AllVerified", "The work of every agent with verify has passed its verification."
    NOT_VERIFIED = "NotVerified", "The work of an agent with verify has not been verified yet."

    # ProgressReported
    REPORTER_OFF = (
        "ReporterOff",
        "The policy's reporter is Off: agents are judged by their pods alone, can neither ask nor report, and may hang undetected.",
    )
    NO_REPORTER = (
        "NoReporter",
        "The operator has no --reporter-image: agents are judged by their pods alone, can neither ask nor report, and may hang "
        "undetected.",
    )
    REPORT_REFUSED = "ReportRefused", "A part of an agent's output was left out of its report; this is the first one."
    PROCESSES_NOT_SEEN = (
        "ProcessesNotSeen",
        "These agents' processes are not visible (reporter: NoSharedPID), so only their files count as activity.",
    )
    SILENT_AGENT = (
        "SilentAgent",
        "These agents have reported no progress in this attempt, so they are judged by their activity.",
    )
    REPORTED = "Reported", "Every agent reports progress."
    NOTHING_REPORTED = "NothingReported", "No report has arrived yet."

    # Advised
    OFF = "Off", "The policy sets llm.mode to Off: the rules decide alone."
    NO_ADVISOR = "NoAdvisor", "The operator has no advisor (--adapter), so the mode is Off: the rules decide alone."
    NOTHING_ASKED = "NothingAsked", "No decision so far needed advice."
