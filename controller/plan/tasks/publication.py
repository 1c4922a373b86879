"""What a publishing pod has published, by the last words of its containers."""

from __future__ import annotations

import re

from controller.api.base import MAX_TEXT, MAX_WORD
from controller.api.operator_state import AgentState
from controller.api.publishing import MAX_OUTPUTS, PublishedStatus, filled
from controller.api.run import Agent
from controller.plan.snapshot import PodFacts, RunFacts
from controller.plan.tasks import due

COMMIT = re.compile(r"^commit ([0-9a-f]{40}|[0-9a-f]{64})$", re.MULTILINE)
LEFT_OUT = re.compile(r"^left-out (.+)$", re.MULTILINE)
"""The last words of images/git/rw-publish after a success."""

OUTPUT = re.compile(rf"^([A-Za-z_][A-Za-z0-9_]{{0,{MAX_WORD - 1}}})=(.*)$", re.MULTILINE)
"""An output of the command after a push."""


def published(run: RunFacts, agent: Agent, state: AgentState, pod: PodFacts) -> PublishedStatus:
    """Return what a pod that has ended well, and said which commit, has published."""
    left_out = LEFT_OUT.search(pod.pushed_words)
    outputs = _outputs(pod.task_words) if agent.publish and agent.publish.command else {}
    return PublishedStatus(
        attempt=due.attempt_of(state),
        branch=branch_of(run, agent),
        commit=commit_of(pod.pushed_words),
        left_out=left_out[1][:MAX_TEXT] if left_out else None,
        outputs=outputs or None,
    )


def commit_of(words: str) -> str:
    """Return the commit that the last words of a push name, empty without one."""
    found = COMMIT.search(words)
    return found[1] if found else ""


def branch_of(run: RunFacts, agent: Agent) -> str:
    """Return the branch that an agent's work is published to."""
    return filled(agent.publish.git.branch, run.namespace, run.name, agent.name) if agent.publish else ""


def _outputs(words: str) -> dict[str, str]:
    return {name: value[:MAX_TEXT] for name, value in OUTPUT.findall(words)[-MAX_OUTPUTS:]}
