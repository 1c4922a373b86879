"""Creates pods and claims. This is harmless: a pod is created with a gate, which a fenced step removes."""

from __future__ import annotations

from dataclasses import replace

from controller.api.base import JsonObject
from controller.api.policy import NetworkMode, ReporterMode, RunPolicySpec
from controller.api.run import Agent
from controller.facts.pods import claim_facts
from controller.kube.errors import AlreadyExists, ApiError, refused_for_good
from controller.kube.resources import CLAIMS, PODS, Resource
from controller.plan.actions import CreateClaim, CreatePod
from controller.plan.context import PlanContext
from controller.plan.escalations.questions import dismissed, unread_answers
from controller.plan.snapshot import Snapshot
from controller.reconcile.actions.dependencies import REFUSAL_LIMIT, Tools, refused
from controller.reconcile.actions.network_policy import isolate
from controller.reconcile.actions.provision import forget, provision
from controller.reconcile.actions.reporter_rbac import grant
from controller.resources.claim_builder import build_claim
from controller.resources.pod_builder import DEFAULTS, Answered, Cloning, Settled, build_pod
from controller.resources.pod_users import NoUserLeft
from controller.resources.refusal_hints import with_hint
from controller.resources.reporter_sidecar import Sidecar
from controller.resources.source_container import NoGitImage


async def create_pod(tools: Tools, snapshot: Snapshot, action: CreatePod) -> Snapshot:
    """Create the attempt's gated pod, or find the one that has its name. A refusal names the container that it is about."""
    sidecar, policy = _sidecar(tools, snapshot), snapshot.policy.spec if snapshot.policy else DEFAULTS
    managed = policy.network_policy is NetworkMode.MANAGED
    if managed and (refusal := await isolate(tools, snapshot.run.namespace)):
        return refused(snapshot, action, refusal)
    if sidecar and (refusal := await grant(tools, snapshot.run.namespace)):
        return refused(snapshot, action, refusal)
    pod: JsonObject = {}
    try:
        pod = await _pod(tools, snapshot, action, sidecar, policy)
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
    settled, provided = Settled(answers, dismissed(at, action.agent)), await provision(tools, snapshot.run.namespace)
    cloning = Cloning(tools.git_image, state.source if state else None)
    agent = _agent(snapshot, action)
    return build_pod(snapshot.run, agent, action.attempt, last_outcome, settled, sidecar, policy, provided, cloning)


async def create_claim(tools: Tools, snapshot: Snapshot, action: CreateClaim) -> Snapshot:
    """Create the agent's workspace claim, or find the one that has its name."""
    claim = build_claim(snapshot.run, _agent(snapshot, action))
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


def _agent(snapshot: Snapshot, action: CreateClaim | CreatePod) -> Agent:
    agents = snapshot.run.spec.agents if snapshot.run.spec else ()
    return next(agent for agent in agents if agent.name == action.agent)
