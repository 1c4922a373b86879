"""Pure: rebuilds the operator's view of a Run from the objects that the caller may read, and replays the plan on it.

The result is as good as those objects: the operator also sees nodes, other Runs and its own database. Where the two differ, the
status is right.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from controller.api.base import parse
from controller.api.checks import check_run, parse_run_spec
from controller.api.llm_policy import LLMMode
from controller.api.names import ANNOTATION_STATE
from controller.api.operator_state import OperatorState
from controller.api.phases import Health, Phase
from controller.api.policy import RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.run import Agent
from controller.api.violations import Refused
from controller.cli.rw.containers import judged
from controller.cli.rw.objects import JsonObject, created, name_of, namespace_of, status_of, time_of
from controller.cli.rw.related_objects import Around
from controller.facts.pod_events import pod_events
from controller.facts.pods import escalation_facts, pod_facts
from controller.facts.reports import report_facts
from controller.facts.runs import refused_since
from controller.plan import plan
from controller.plan.attempts.budget import run_budget_left
from controller.plan.context import PlanContext
from controller.plan.model import Plan
from controller.plan.reasons import Reason
from controller.plan.rules.agent_rules import AGENT_RULES
from controller.plan.rules.health_rules import silent
from controller.plan.rules.run_rules import RULES
from controller.plan.snapshot import HaltFacts, ProviderFacts, RunFacts, Snapshot
from controller.status.advised_condition import ADVISED


@dataclass(frozen=True, slots=True)
class PolicySeen:
    """The policy in force. The values of the operator's policy file are not readable here: the defaults are assumed, and `sure`
    is false.
    """

    name: str
    spec: RunPolicySpec
    sure: bool


@dataclass(frozen=True, slots=True)
class Replay:
    """The plan's decision for the objects that were read, and the rule that decided for each agent."""

    plan: Plan
    says: str
    rules: dict[str, str]
    left: int | None
    agrees: bool


def policy_of(run: JsonObject, around: Around) -> PolicySeen:
    """Return the policy in force: the RunPolicy in the status, otherwise the defaults; the digest shows whether they are in
    force.
    """
    recorded = status_of(run).get("policy", {})
    name = recorded.get("name", "")
    if around.policy is not None:
        try:
            return PolicySeen(name, parse(RunPolicySpec, around.policy.get("spec", {})), sure=True)
        except ValidationError:
            return PolicySeen(name, RunPolicySpec(), sure=False)
    defaults = RunPolicySpec()
    return PolicySeen(name, defaults, sure=ResolvedPolicy.of(name, defaults).digest == recorded.get("digest"))


def state_of(run: JsonObject) -> OperatorState | None:
    """Return the operator's record of a Run; None if it is in a database or unreadable."""
    raw = status_of(run).get("operatorState")
    try:
        if raw is None and (text := run["metadata"].get("annotations", {}).get(ANNOTATION_STATE)):
            raw = json.loads(text)["state"]
        return parse(OperatorState, raw) if raw is not None else None
    except (ValueError, KeyError, TypeError):
        return None


def replay(run: JsonObject, around: Around, policy: PolicySeen, now: datetime) -> Replay | None:
    """Return the plan's decision now; None if the readable data is not enough."""
    state = state_of(run)
    if around.denied or state is None or not policy.sure:
        return None
    snapshot = Snapshot(
        run=_facts(run),
        policy=ResolvedPolicy.of(policy.name, policy.spec),
        state=state,
        pods=tuple(pod_facts(pod, judged(run, pod)) for pod in around.pods),
        pod_events=tuple(pod_events(pod["metadata"]["uid"], around.events) for pod in around.pods),
        escalations=tuple(escalation_facts(escalation) for escalation in around.escalations),
        mode=_mode(run, policy),
        advisor=_mode(run, policy) is not LLMMode.OFF,
        reports=tuple(facts for report in around.reports if (facts := report_facts(report))),
        halt=_halt(run),
        turn_at=_turn(run),
        providers=_providers(run),
    )
    decision, status = plan(snapshot, now), status_of(run)
    same = (decision.verdict.phase, decision.verdict.reason) == (status.get("phase"), status.get("reason"))
    says, at = next((rule.summary for rule in RULES if rule.id == decision.rule), ""), PlanContext(snapshot, now)
    return Replay(decision, says, dict(_rules(at)) if snapshot.run.spec else {}, run_budget_left(at), same)


def _halt(run: JsonObject) -> HaltFacts | None:
    """Return the halt in force as the status shows it: not everybody may read the cluster's. Its words decide nothing."""
    shown = any((c["type"], c["status"]) == ("Halted", "True") for c in status_of(run).get("conditions", ()))
    return HaltFacts("", "") if shown else None


def _providers(run: JsonObject) -> tuple[ProviderFacts, ...]:
    """Return the providers that agents wait for, as the status shows them: their own status may not be readable."""
    waits = [agent for agent in status_of(run).get("agents", ()) if str(agent.get("reason", "")).startswith("Provider")]
    names = {agent["name"]: agent.get("provider", "") for agent in run.get("spec", {}).get("agents", ())}
    known = [agent for agent in waits if agent.get("health") == Health.QUEUED and agent["reason"] in list(Reason)]
    return tuple(
        ProviderFacts(
            agent["name"],
            names.get(agent["name"], ""),
            admits=False,
            reason=Reason(agent["reason"]),
            message=agent.get("message", ""),
        )
        for agent in known
    )


def _turn(run: JsonObject) -> datetime | None:
    """Return when a Run starts again after a halt: the last word of the message."""
    status = status_of(run)
    waits = (status.get("phase"), status.get("reason")) == (Phase.QUEUED, Reason.HALT_LIFTED)
    return time_of(status.get("message", "").rpartition(" ")[2]) if waits else None


def _mode(run: JsonObject, policy: PolicySeen) -> LLMMode:
    """Return the effective mode: Off if the status shows that no advisor is asked."""
    found: JsonObject = next((c for c in status_of(run).get("conditions", ()) if c["type"] == ADVISED), {})
    off = not found or found["reason"] in WITHOUT_ADVISOR
    return LLMMode.OFF if off else policy.spec.llm.mode or LLMMode.ASSIST


WITHOUT_ADVISOR = frozenset({"Off", "NoAdvisor"})
"""Reasons of condition Advised with mode Off."""


def _facts(run: JsonObject) -> RunFacts:
    meta, spec = run["metadata"], None
    try:
        spec = parse_run_spec(run)
        violations = check_run(spec, namespace_of(run), name_of(run))
    except Refused as refused:
        violations = refused.violations
    return RunFacts(
        namespace=namespace_of(run),
        name=name_of(run),
        uid=meta["uid"],
        generation=meta.get("generation", 0),
        spec=spec,
        violations=violations,
        gone="deletionTimestamp" in meta,
        created_at=created(run),
        refused_since=refused_since(run),
    )


def _only_rechecks(at: PlanContext, agent: Agent) -> bool:
    """Whether the rule on silent reporters only set a time for the next check."""
    move = silent(at, agent)
    return move is not None and move.block is None and move.check_at is not None


def _rules(at: PlanContext) -> Iterator[tuple[str, str]]:
    """Yield for each agent the first rule that applies, with its summary."""
    for agent in at.agents:
        rule = next((rule for rule in AGENT_RULES if rule.check(at, agent) is not None), None)
        if rule is not None and not (rule.check is silent and _only_rechecks(at, agent)):
            yield agent.name, f"rule {rule.id}: {rule.summary}"
