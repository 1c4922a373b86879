"""Creating is harmless: a pod is born with a gate, and only a saved UID takes it away."""

from __future__ import annotations

from dataclasses import replace

from controller.api.base import JsonObject
from controller.api.run import Agent
from controller.builders import Answered, build_claim, build_pod
from controller.cluster.errors import AlreadyExists, ApiError, Forbidden, Invalid
from controller.cluster.resources import CLAIMS, PODS, Resource
from controller.executor.tools import Tools
from controller.facts import claim_facts
from controller.plan.model import Action
from controller.plan.questions import unread
from controller.plan.situation import Situation
from controller.plan.snapshot import Refusal, Snapshot

REFUSAL_LIMIT = 900
"""Characters of the API server's refusal that go into status."""


async def create_pod(tools: Tools, snapshot: Snapshot, action: Action) -> Snapshot:
    """Create the attempt's gated pod, or find the one that has its name."""
    state = snapshot.state.agents.get(action.agent) if snapshot.state else None
    last_outcome = state.last_outcome if state else ""
    answers = tuple(Answered(e.question, e.answer, e.by) for e in unread(Situation(snapshot, tools.now()), action.agent))
    pod = build_pod(snapshot.run, _agent(snapshot, action), action.attempt, last_outcome, answers)
    found = await _create(tools, PODS, snapshot, action, pod)
    return found if isinstance(found, Snapshot) else tools.with_pod(snapshot, found)


async def create_claim(tools: Tools, snapshot: Snapshot, action: Action) -> Snapshot:
    """Create the agent's workspace claim, or find the one that has its name."""
    claim = build_claim(snapshot.run, _agent(snapshot, action))
    found = await _create(tools, CLAIMS, snapshot, action, claim)
    if isinstance(found, Snapshot):
        return found
    facts = replace(claim_facts(found), agent=action.agent)
    return replace(snapshot, claims=(*(c for c in snapshot.claims if c.agent != facts.agent), facts))


async def _create(tools: Tools, resource: Resource, snapshot: Snapshot, action: Action, body: JsonObject) -> JsonObject | Snapshot:
    """Return the object of this name, ours or not, or the snapshot with the API server's refusal."""
    namespace, name = snapshot.run.namespace, body["metadata"]["name"]
    try:
        return await tools.client.create(resource, namespace, body)
    except AlreadyExists:
        return await tools.client.get(resource, namespace, name)
    except (Forbidden, Invalid) as error:
        refusal = Refusal(action.agent, _words(error))
        return replace(snapshot, refusals=(*snapshot.refusals, refusal))


def _words(error: ApiError) -> str:
    return error.message[:REFUSAL_LIMIT]


def _agent(snapshot: Snapshot, action: Action) -> Agent:
    agents = snapshot.run.spec.agents if snapshot.run.spec else ()
    return next(agent for agent in agents if agent.name == action.agent)
