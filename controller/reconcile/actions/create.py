"""Creates pods and claims. This is harmless: a pod is created with a gate, which a fenced step removes."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import replace

from controller.api.base import JsonObject
from controller.api.operator_state import AgentState
from controller.api.policy import NetworkMode, ReporterMode, RunPolicySpec
from controller.api.run import Agent
from controller.api.verification import VerificationResult
from controller.facts.pods import claim_facts
from controller.kube.errors import AlreadyExists, ApiError, refused_for_good
from controller.kube.resources import CLAIMS, PODS, Resource
from controller.plan.actions import CreateClaim, CreatePod, Creation
from controller.plan.context import PlanContext
from controller.plan.escalations.answers import dismissed, unread_answers
from controller.plan.snapshot import Snapshot
from controller.reconcile.actions.dependencies import REFUSAL_LIMIT, Tools, refused
from controller.reconcile.actions.network_policy import isolate
from controller.reconcile.actions.provision import forget, provision
from controller.reconcile.actions.reporter_rbac import grant
from controller.resources.brief import Answered, NotVerified, Settled
from controller.resources.claim_builder import build_claim
from controller.resources.git_container import NoGitImage
from controller.resources.pod_builder import DEFAULTS, Cloning, build_pod
from controller.resources.pod_users import NoUserLeft
from controller.resources.refusal_hints import with_hint
from controller.resources.reporter_sidecar import Sidecar


async def create_pod(tools: Tools, snapshot: Snapshot, action: CreatePod) -> Snapshot:
    """Create the attempt's gated pod, or find the one that has its name."""
    sidecar, policy = _sidecar(tools, snapshot), policy_of(snapshot)
    if refusal := await isolation(tools, snapshot.run.namespace, policy):
        return refused(snapshot, action, refusal)
    if sidecar and (refusal := await grant(tools, snapshot.run.namespace)):
        return refused(snapshot, action, refusal)
    return await created(tools, snapshot, action, _pod(tools, snapshot, action, sidecar, policy))


def policy_of(snapshot: Snapshot) -> RunPolicySpec:
    """Return the policy in force, the defaults without one."""
    return snapshot.policy.spec if snapshot.policy else DEFAULTS


async def isolation(tools: Tools, namespace: str, policy: RunPolicySpec) -> str:
    """Keep the NetworkPolicy of a namespace's agents if the policy asks for it; return why that failed, or an empty text."""
    return await isolate(tools, namespace) if policy.network_policy is NetworkMode.MANAGED else ""


async def created(tools: Tools, snapshot: Snapshot, action: Creation, built: Awaitable[JsonObject]) -> Snapshot:
    """Create the pod, or find the one that has its name. A refusal names the container that it is about."""
    pod: JsonObject = {}
    try:
        pod = await built
        return tools.with_pod(snapshot, await _create(tools, PODS, snapshot.run.namespace, pod))
    except (NoUserLeft, NoGitImage) as error:
        forget(tools, snapshot.run.namespace)
        return refused(snapshot, action, str(error))
    except ApiError as error:
        tools.granted.discard(snapshot.run.namespace)  # It may have been for want of the account, which somebody deleted.
        forget(tools, snapshot.run.namespace)
        if not pod or not refused_for_good(error):
            raise
        return refused(snapshot, action, with_hint(error.message, pod, REFUSAL_LIMIT))


async def _pod(tools: Tools, snapshot: Snapshot, action: CreatePod, sidecar: Sidecar | None, policy: RunPolicySpec) -> JsonObject:
    """Build the attempt's pod. Raises NoUserLeft, NoGitImage and ApiError."""
    state = snapshot.state.agents.get(action.agent) if snapshot.state else None
    last_outcome = state.last_outcome if state else ""
    at = PlanContext(snapshot, tools.now())
    answers = tuple(Answered(e.question, e.answer, e.by) for e in unread_answers(at, action.agent))
    settled = Settled(answers, dismissed(at, action.agent), _failure(state, action.attempt))
    provided = await provision(tools, snapshot.run.namespace)
    cloning = Cloning(tools.git_image, state.source if state else None)
    agent = agent_of(snapshot, action.agent)
    return build_pod(snapshot.run, agent, action.attempt, last_outcome, settled, sidecar, policy, provided, cloning)


def _failure(state: AgentState | None, attempt: int) -> NotVerified | None:
    """Return the last verification of the agent's work, if an earlier attempt failed it and none has passed it since."""
    found = state.verification if state else None
    if found is None or found.result is not VerificationResult.FAILED or found.attempt >= attempt:
        return None
    return NotVerified(found.attempt, found.exit_code, found.message)


async def create_claim(tools: Tools, snapshot: Snapshot, action: CreateClaim) -> Snapshot:
    """Create the agent's workspace claim, or find the one that has its name."""
    claim = build_claim(snapshot.run, agent_of(snapshot, action.agent))
    found = await _create(tools, CLAIMS, snapshot.run.namespace, claim)
    facts = replace(claim_facts(found), agent=action.agent)
    return replace(snapshot, claims=(*(c for c in snapshot.claims if c.agent != facts.agent), facts))


async def _create(tools: Tools, resource: Resource, namespace: str, body: JsonObject) -> JsonObject:
    """Return the object of this name, ours or not."""
    try:
        return await tools.client.create(resource, namespace, body)
    except AlreadyExists:
        return await tools.client.get(resource, namespace, body["metadata"]["name"])


def _sidecar(tools: Tools, snapshot: Snapshot) -> Sidecar | None:
    """Return the reporter's settings under the policy in force, None if no reporter runs."""
    mode = snapshot.policy.spec.reporter if snapshot.policy else ReporterMode.FULL
    if tools.sidecar is None or mode is ReporterMode.OFF:
        return None
    return replace(tools.sidecar, shared_processes=mode is ReporterMode.FULL)


def agent_of(snapshot: Snapshot, name: str) -> Agent:
    """Return the Run's agent of this name."""
    agents = snapshot.run.spec.agents if snapshot.run.spec else ()
    return next(agent for agent in agents if agent.name == name)
