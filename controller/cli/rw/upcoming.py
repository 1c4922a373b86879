"""Pure: the next scheduled checks: cooldowns, deadlines, expiries and stall thresholds.

Activity and progress change without a decision and are not in the status: their times come from the AgentReport.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from controller.api.operator_state import OperatorState
from controller.api.policy import OnQuestionTimeout, RunPolicySpec, SilentAgents
from controller.api.timestamps import later
from controller.cli.rw.containers import judged
from controller.cli.rw.objects import TERMINAL, JsonObject, name_of, phase_of, status_of, time_of, waits
from controller.cli.rw.related_objects import Around
from controller.facts.pods import pod_facts
from controller.facts.reports import report_facts
from controller.plan.attempts.repeated_failures import stalls_too_often
from controller.plan.attempts.stall_detection import SILENT_INTERVALS, confirmed_at
from controller.plan.snapshot import PodFacts, ReportFacts

STANDING_STILL = frozenset({"AwaitingGuidance", "Complete", "Dead", "Queued"})
"""Healths in which an agent's clocks are stopped."""


@dataclass(frozen=True, slots=True, order=True)
class Check:
    """An event that is scheduled for a time unless something changes before."""

    at: datetime
    what: str


@dataclass(frozen=True, slots=True)
class Outlook:
    """The data from which the scheduled times of a Run are computed."""

    run: JsonObject
    around: Around
    policy: RunPolicySpec
    state: OperatorState | None
    left: int

    def checks(self, now: datetime) -> list[Check]:
        """Return the scheduled checks, the next first."""
        if phase_of(self.run) in TERMINAL:
            found = list(self._ttl())
        elif phase_of(self.run) in ("Paused", "Halted"):
            found = []
        else:
            found = [*self._deadline(), *self._expiries(), *self._stale()]
            found += [check for agent in self._agents() for check in self._of_agent(agent)]
        return sorted(check for check in found if check.at > now)

    def _agents(self) -> list[JsonObject]:
        return list(status_of(self.run).get("agents", ()))

    def _ttl(self) -> Iterator[Check]:
        ended, seconds = time_of(status_of(self.run).get("completionTime")), self.run["spec"].get("ttlSecondsAfterFinished")
        seconds = self.policy.ttl_seconds_after_finished if seconds is None else seconds
        if ended and seconds is not None:
            yield Check(later(ended, seconds), "the Run is deleted (ttlSecondsAfterFinished)")

    def _deadline(self) -> Iterator[Check]:
        started, seconds = time_of(status_of(self.run).get("startTime")), self.run["spec"].get("activeDeadlineSeconds")
        stands_still = self.state is not None and self.state.held_at is not None
        if started and seconds and not stands_still:
            paused = self.state.paused_seconds if self.state else 0
            yield Check(later(started, seconds + paused), "the Run fails (activeDeadlineSeconds)")

    def _expiries(self) -> Iterator[Check]:
        for escalation in filter(waits, self.around.escalations):
            at = self._prolonged(escalation) or time_of(escalation["spec"].get("expiresAt"))
            if at:
                yield Check(at, f"escalation {name_of(escalation)} expires: {self._at_expiry(escalation)}")

    def _prolonged(self, escalation: JsonObject) -> datetime | None:
        """Return when a blocked Run fails, which a Wait or a pause extends; or when a question times out after a pause."""
        agents, name = self.state.agents.values() if self.state else (), name_of(escalation)
        asked, expires = max((agent.prolonged.get(name, 0) for agent in agents), default=0), escalation["spec"].get("expiresAt")
        blocked = (agent.blocked for agent in agents if agent.blocked)
        question = later(moment, asked) if asked and (moment := time_of(expires)) else None
        return next((b.expires_at for b in blocked if b.escalation == name), question)

    def _at_expiry(self, escalation: JsonObject) -> str:
        if escalation["spec"]["type"] == "Blocked":
            return "the Run fails (BlockedTimeout)"
        if escalation["spec"]["type"] == "Question":
            stops = self.policy.on_question_timeout is OnQuestionTimeout.STOP
            return "the Run fails (QuestionTimeout)" if stops else "the agent keeps waiting (onQuestionTimeout)"
        after = self.policy.llm.on_approval_timeout
        return f"without approval, restarts {after.restart}, stops {after.stop_stale} (onApprovalTimeout)"

    def _of_agent(self, agent: JsonObject) -> Iterator[Check]:
        yield from self._cooldown(agent)
        yield from self._given_back(agent)
        yield from self._pending(agent)
        report = self._report(agent)
        if report is not None:
            yield from self._silence(report)
            yield from self._stalls(agent, report)

    def _report(self, agent: JsonObject) -> ReportFacts | None:
        """Return the report of an agent's current attempt, unless the agent's clocks are stopped."""
        raw = self.around.report(agent["name"])
        report = report_facts(raw) if raw else None
        current = report is not None and report.attempt == agent.get("attempt", 0)
        return report if current and agent["health"] not in STANDING_STILL else None

    def _cooldown(self, agent: JsonObject) -> Iterator[Check]:
        until = time_of(agent.get("cooldownUntil"))
        if until and agent["health"] == "Dead" and status_of(self.run).get("reason") == "RestartCooldown":
            yield Check(until, f"{agent['name']} is restarted (end of its cooldown)")

    def _given_back(self, agent: JsonObject) -> Iterator[Check]:
        seconds, pod = self.policy.restart_budget_reset_seconds, self._pod(agent)
        started = pod.started_at if pod else None
        if seconds and started and agent.get("restarts"):
            yield Check(
                later(started, seconds), f"the restarts of {agent['name']} are no longer charged (restartBudgetResetSeconds)"
            )

    def _pending(self, agent: JsonObject) -> Iterator[Check]:
        seconds, pod = self.policy.health.pending_stalled_seconds, self._pod(agent)
        since = (pod.scheduled_at or pod.created_at) if pod and pod.phase == "Pending" and not pod.gated else None
        if since and seconds:
            at = confirmed_at(self.policy, since, seconds)
            yield Check(at, f"a human is asked, if {agent['name']}'s pod has not started (pendingStalledSeconds)")

    def _silence(self, report: ReportFacts) -> Iterator[Check]:
        at = later(report.reported_at, SILENT_INTERVALS * report.interval_seconds)
        yield Check(at, f"{report.agent} counts as ReporterSilent if it sends no report until then; it is not restarted for that")

    def _stalls(self, agent: JsonObject, report: ReportFacts) -> Iterator[Check]:
        name, health, required = agent["name"], self.policy.health, self._required(agent)
        if health.activity_stalled_seconds and (self.left > 0 or required):
            asks = self.left <= 0 or stalls_too_often(self.policy, self.state.agents.get(name) if self.state else None)
            fate = f"a human is asked about {name}" if asks else f"{name} is restarted"
            at = self._sure(report, report.active_at, health.activity_stalled_seconds)
            yield Check(at, f"{fate}, if it is idle until then (activityStalledSeconds)")
        base = report.progress_at or self._held_to_progress(agent)
        if base and health.progress_stalled_seconds and required:
            at = self._sure(report, base, health.progress_stalled_seconds)
            yield Check(at, f"a human is asked about {name}, if it is active without progress until then (progressStalledSeconds)")

    def _held_to_progress(self, agent: JsonObject) -> datetime | None:
        """Return since when an agent without progress is expected to make progress, if the policy sets that."""
        pod = self._pod(agent) if self.policy.health.silent_agents is SilentAgents.ESCALATE else None
        return pod.started_at if pod else None

    def _stale(self) -> Iterator[Check]:
        """Yield the time at which the Run is stale, which needs all of its unfinished required agents to be."""
        unfinished = [agent for agent in self._agents() if agent["health"] != "Complete" and self._required(agent)]
        reports = [report for agent in unfinished if (report := self._report(agent))]
        if not reports or len(reports) < len(unfinished):
            return
        seconds = self.policy.stale_run_age_seconds
        at = max(self._sure(report, report.progress_at or report.active_at, seconds) for report in reports)
        yield Check(at, "the Run fails as stale, if no required agent shows progress until then (staleRunAgeSeconds)")

    def _sure(self, report: ReportFacts, base: datetime, seconds: int) -> datetime:
        """Return when a stall is confirmed. Its clock starts with the agent, and again when the agent gets an answer that it
        waited for.
        """
        mine = (e for e in self.around.escalations if e["spec"].get("agent") == report.agent and e["spec"]["type"] == "Question")
        got = [moment for e in mine if (moment := time_of(status_of(e).get("deliveredAt")))]
        pod = next((self._facts(pod) for pod in self.around.pods if pod["metadata"]["uid"] == report.pod_uid), None)
        started = [pod.started_at] if pod and pod.started_at else []
        return confirmed_at(self.policy, max((base, *got, *started)), seconds)

    def _required(self, agent: JsonObject) -> bool:
        return any(a["name"] == agent["name"] and a.get("required", True) for a in self.run["spec"]["agents"])

    def _pod(self, agent: JsonObject) -> PodFacts | None:
        return next((self._facts(pod) for pod in self.around.pods if name_of(pod) == agent.get("podName")), None)

    def _facts(self, pod: JsonObject) -> PodFacts:
        return pod_facts(pod, judged(self.run, pod))
