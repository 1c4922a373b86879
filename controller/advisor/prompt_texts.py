"""Untrusted texts about one agent, by source, and the size limit of each."""

from __future__ import annotations

from controller.plan.context import PlanContext
from controller.plan.inquiries import Consultation
from controller.plan.snapshot import PodFacts, ReportFacts

LIMITS = {
    "brief": 6144,
    "question": 4096,
    "options": 2048,
    "cause": 2048,
    "outcome_message": 2048,
    "termination_message": 4096,
    "pod_message": 2048,
    "report_message": 4096,
    "outputs": 4096,
    "log_tail": 8192,
}
"""Maximum bytes of UTF-8 of each text in the prompt, including the mark of a cut."""

TAILS = frozenset({"termination_message", "log_tail"})
"""Texts whose end matters most; their beginning is cut."""


def words_of(at: PlanContext, agent: str, consultation: Consultation, log_tail: str) -> dict[str, str]:
    """Return the raw texts by source; an empty text if there is none."""
    pod, report, outcome, spec = at.own_pod(agent), at.report(agent), at.outcome(agent), at.snapshot.run.spec
    return {
        "brief": (spec.brief or "") if spec else "",
        "question": consultation.question,
        "options": "\n".join(consultation.options),
        "cause": consultation.cause,
        "outcome_message": outcome.message if outcome else "",
        "termination_message": pod.termination.message if pod and pod.termination else "",
        "pod_message": _pod_message(pod) if pod else "",
        "report_message": _report_message(report) if report else "",
        "outputs": _outputs(report) if report else "",
        "log_tail": log_tail,
    }


def _pod_message(pod: PodFacts) -> str:
    termination = (pod.termination.reason,) if pod.termination else ()
    return "\n".join(filter(None, (pod.reason, pod.message, pod.waiting_reason, pod.waiting_message, *termination)))


def _report_message(report: ReportFacts) -> str:
    result = report.result
    result_texts = (result.outcome or "", result.summary or "") if result else ()
    return "\n".join(filter(None, (*result_texts, *report.problems)))


def _outputs(report: ReportFacts) -> str:
    outputs = (report.result.outputs or {}) if report.result else {}
    return "\n".join(f"{name}: {text}" for name, text in outputs.items())
