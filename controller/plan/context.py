"""A snapshot with the queries that rules need. No rule reads the raw lists itself."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from controller.api.advice import AdviceState
from controller.api.escalation import EscalationType
from controller.api.llm_policy import LLMMode
from controller.api.names import escalation_name, pod_name
from controller.api.operator_state import AgentState, OperatorState, Outcome, OutcomeResult, Usage
from controller.api.policy import OutcomeAction, RunPolicySpec
from controller.api.run import Agent, RunSpec
from controller.api.tasks import TaskKind, TaskState
from controller.api.timestamps import later
from controller.plan.decisions import AgentDecision
from controller.plan.outcomes import action_for, classify, limited, unjudged
from controller.plan.reasons import Reason
from controller.plan.snapshot import ClaimFacts, ConsultationFacts, EscalationFacts, PodEvents, PodFacts, ReportFacts, Snapshot
from controller.plan.tasks import due
from controller.plan.usage import add_usage

NO_STATE = AgentState()

ASKED_FOR = frozenset({Reason.RESTART_REQUESTED.value, Reason.RETRY_ORDERED.value})
"""Reasons of attempts that a human requested while the previous attempt was not over."""

ANOTHER_IS_DUE = ASKED_FOR | {Reason.VERIFICATION_FAILED.value}
"""Reasons of attempts that are made although the agent of the previous one has completed its work."""


@dataclass(frozen=True, slots=True)
class PlanContext:
    """One Run at one moment. `now` is the API server's clock, aware UTC."""

    snapshot: Snapshot
    now: datetime
    decided: dict[str, AgentDecision] = field(default_factory=dict, compare=False, repr=False)
    """The agents' decisions so far, by name: several rules for the Run need them, and each agent is judged once."""

    @property
    def floor(self) -> datetime:
        """Now in whole seconds, as times are saved."""
        return self.now.replace(microsecond=0)

    @property
    def ceiling(self) -> datetime:
        """The next whole second, for a time that must not be before now when it is read again."""
        return later(self.floor, 1) if self.now.microsecond else self.floor

    @property
    def spec(self) -> RunSpec:
        """The Run's spec; only valid after the rule on refused specs has passed."""
        if self.snapshot.run.spec is None:
            raise ValueError("this Run's spec could not be read: the rule on refused specs comes first")
        return self.snapshot.run.spec

    @property
    def agents(self) -> tuple[Agent, ...]:
        """The Run's agents in the order of its spec; none if the spec cannot be read."""
        return self.snapshot.run.spec.agents if self.snapshot.run.spec else ()

    @property
    def required(self) -> tuple[Agent, ...]:
        """The agents that must complete."""
        return tuple(agent for agent in self.agents if agent.required)

    @property
    def policy(self) -> RunPolicySpec | None:
        """The policy in force; None if it is missing or cannot be read."""
        return self.snapshot.policy.spec if self.snapshot.policy else None

    @property
    def mode(self) -> LLMMode:
        """The advisor's mode for this Run; Off without a policy."""
        return self.snapshot.mode if self.policy else LLMMode.OFF

    @property
    def dry_run(self) -> bool:
        """Whether plans are only shown."""
        return self.policy is not None and self.policy.dry_run

    @property
    def state(self) -> OperatorState | None:
        """The operator's saved state; None before anything was saved."""
        return self.snapshot.state

    def agent_state(self, agent: str) -> AgentState:
        """The saved state of one agent, or the state of an agent that has never been started."""
        return self.state.agents.get(agent, NO_STATE) if self.state else NO_STATE

    def outcome(self, agent: str) -> Outcome | None:
        """How the agent's current attempt ended, once that is recorded."""
        return self.agent_state(agent).outcome

    def work_done(self, agent: str) -> bool:
        """Whether the agent's own work is recorded as done; it may still have to be verified or published."""
        outcome = self.outcome(agent)
        if outcome is None:
            return False
        if outcome.result is OutcomeResult.COMPLETED:
            return True
        return self.policy is not None and action_for(outcome, self.policy) is OutcomeAction.COMPLETE

    def completed(self, agent: str) -> bool:
        """Whether the agent's work is done, and every task that its spec asks for has succeeded for it."""
        return self.work_done(agent) and self.due_task(agent) is None

    def due_task(self, agent: str) -> TaskKind | None:
        """The next task for the agent's work, once that is done."""
        spec = next((each for each in self.agents if each.name == agent), None)
        return due.next_task(spec, self.agent_state(agent)) if spec and self.work_done(agent) else None

    def task(self, agent: str) -> TaskState | None:
        """The task that is due or whose pod is named: as it is saved, or its first try."""
        saved, kind = self.agent_state(agent).task, self.due_task(agent)
        if saved and (saved.pod_uid or saved.kind is kind):
            return saved
        return TaskState(kind=kind) if kind else None

    def task_pod(self, agent: str) -> PodFacts | None:
        """The pod whose UID the state has for the agent's task."""
        task = self.agent_state(agent).task
        return next((pod for pod in self.snapshot.pods if task and task.pod_uid and pod.uid == task.pod_uid), None)

    def ours(self, pod: PodFacts) -> bool:
        """Whether the pod belongs to this Run, not to another one of the same name."""
        return pod.run_uid == self.snapshot.run.uid

    def named_pod(self, agent: str) -> PodFacts | None:
        """The pod with the name of the agent's current attempt, owned by the Run or not."""
        name = pod_name(self.snapshot.run.name, agent, self.agent_state(agent).attempt)
        return next((pod for pod in self.snapshot.pods if pod.name == name), None)

    def own_pod(self, agent: str) -> PodFacts | None:
        """The pod whose UID the state has for the agent's current attempt."""
        uid = self.agent_state(agent).pod_uid
        return next((pod for pod in self.snapshot.pods if uid and pod.uid == uid), None)

    def finished_predecessor(self, agent: str) -> PodFacts | None:
        """The pod of the previous attempt, if that completed although the next one was already reserved.

        An agent that is about to be restarted may finish its work before it is ended. A restart that a human requested is done
        anyway, and so is one after a failed verification.
        """
        state = self.agent_state(agent)
        if state.pod_uid or not state.attempt or state.last_outcome in ANOTHER_IS_DUE:
            return None
        name = pod_name(self.snapshot.run.name, agent, state.attempt - 1)
        pod = next((pod for pod in self.snapshot.pods if pod.name == name and self.ours(pod)), None)
        if pod is None or not pod.terminated:
            return None
        outcome = self.ended(pod, state.attempt - 1, self.report_of(pod), ending=False)
        return pod if outcome.result is OutcomeResult.COMPLETED else None

    def ended(
        self, pod: PodFacts | None, attempt: int, report: ReportFacts | None, *, ending: bool, settled: Collection[str] = ()
    ) -> Outcome:
        """How an attempt ended, as far as that is known now; `settled` as for `classify`."""
        outcome = classify(pod, attempt, self.policy, report, ending=ending, settled=settled)
        if pod and any(facts.exists for facts in self.snapshot.providers if facts.agent == pod.agent):
            outcome = limited(outcome, report)
        return outcome if self.policy else unjudged(outcome)

    def our_pods(self) -> Iterator[PodFacts]:
        """Every pod of this Run, by name."""
        return (pod for pod in sorted(self.snapshot.pods, key=lambda pod: pod.name) if self.ours(pod))

    def live_pods(self) -> tuple[PodFacts, ...]:
        """The pods of this Run that are not terminated yet."""
        return tuple(pod for pod in self.our_pods() if not pod.terminated)

    def started_pods(self) -> tuple[PodFacts, ...]:
        """The live pods in the state: those of the current attempts and their tasks, and those of former attempts.

        Any other pod is gated, or belongs to a newer state than the one that was read.
        """
        return tuple(pod for pod in self.live_pods() if self._known(pod))

    def _known(self, pod: PodFacts) -> bool:
        state = self.agent_state(pod.agent)
        named = (state.pod_uid, state.task.pod_uid if state.task else "")
        return pod.uid in named or pod.attempt < state.attempt

    def former_pods(self, agent: str) -> tuple[PodFacts, ...]:
        """The pods of the agent's earlier attempts and of their tasks that are not terminated, including gated ones, which might
        still start.
        """
        attempt = self.agent_state(agent).attempt
        return tuple(pod for pod in self.live_pods() if pod.agent == agent and pod.attempt < attempt)

    def escalation(self, name: str) -> EscalationFacts | None:
        """The Run's escalation of a name, None if it does not exist."""
        found = (e for e in self.snapshot.escalations if e.name == name and e.run_uid == self.snapshot.run.uid)
        return next(found, None)

    def question_name(self, agent: str, question: str) -> str:
        """The deterministic name of a question's escalation."""
        run = self.snapshot.run
        return escalation_name(run.name, agent, run.uid, EscalationType.QUESTION, question)

    def name_in_inbox(self, name: str) -> bool:
        """Whether an escalation of this name exists, even a forged one."""
        return any(e.name == name for e in self.snapshot.escalations)

    def standing_escalation(self, agent: str) -> EscalationFacts | None:
        """The open escalation that the state has for an agent, with its answer, if there is one."""
        blocked = self.agent_state(agent).blocked
        found = self.escalation(blocked.escalation) if blocked else None
        return found if found and found.open else None

    def advice(self, agent: str, situation: str) -> AdviceState | None:
        """The recorded result of the consultation about a situation."""
        return next((a for a in self.agent_state(agent).advice if a.situation == situation), None)

    def consultation(self, agent: str, situation: str) -> ConsultationFacts | None:
        """The consultation about a situation that this process has started."""
        found = (c for c in self.snapshot.consultations if (c.agent, c.situation) == (agent, situation))
        return next(found, None)

    def our_escalations(self, kind: EscalationType) -> Iterator[EscalationFacts]:
        """The Run's escalations of a type, in any phase."""
        return (e for e in self.snapshot.escalations if e.run_uid == self.snapshot.run.uid and e.type is kind)

    def any_report(self, agent: str) -> ReportFacts | None:
        """The agent's report in its object, of any attempt."""
        uid = self.snapshot.run.uid
        return next((r for r in self.snapshot.reports if r.agent == agent and r.run_uid == uid), None)

    def report(self, agent: str) -> ReportFacts | None:
        """The newest report of the agent's current attempt; it may be the pod's final report."""
        state = self.agent_state(agent)
        return self._newest(agent, state.attempt, state.pod_uid, self.own_pod(agent))

    def report_of(self, pod: PodFacts) -> ReportFacts | None:
        """The newest report of a pod."""
        return self._newest(pod.agent, pod.attempt, pod.uid, pod)

    def _newest(self, agent: str, attempt: int, pod_uid: str, pod: PodFacts | None) -> ReportFacts | None:
        found = [r for r in (self.any_report(agent), pod.last_report if pod else None) if r]
        true = (r for r in found if pod_uid and r.pod_uid == pod_uid and r.attempt == attempt)
        return max(true, key=lambda r: r.seq, default=None)

    def usage(self, agent: str) -> Usage | None:
        """The usage of all of an agent's attempts, including the current one so far."""
        state = self.agent_state(agent)
        report = self.report(agent) if state.outcome is None else None
        return add_usage(state.usage, report.usage if report else None)

    def claim(self, agent: str) -> ClaimFacts | None:
        """The agent's workspace claim, if any was observed."""
        return next((claim for claim in self.snapshot.claims if claim.agent == agent), None)

    def pod_events(self, pod: PodFacts) -> PodEvents | None:
        """The Warning Events about a pod; None if they were not read."""
        return next((events for events in self.snapshot.pod_events if events.pod_uid == pod.uid), None)

    @property
    def deadline(self) -> datetime | None:
        """When the Run's activeDeadlineSeconds are over, without pauses and waits for providers; None while they stand still."""
        seconds = self.spec.active_deadline_seconds
        if seconds is None or self.state is None or self.state.started_at is None or self.state.held_at:
            return None
        return later(self.state.started_at, seconds + self.state.paused_seconds)
