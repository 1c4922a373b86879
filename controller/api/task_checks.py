"""Checks what an agent's verification and publication need of the rest of its Run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from controller.api.publishing import NEEDS_SOURCE, REFUSED_BY_GIT, filled, refused_by_git
from controller.api.run import Agent, RunSpec
from controller.api.source import SSH_HAS_NO_CA, SSH_NEEDS_SECRET, GitSource
from controller.api.verification import NEEDS_WORKSPACE
from controller.api.violations import Violation, violation

SAME_BRANCH = "is pushed by another agent, too: put {agent} into the names of branches"


def check_tasks(agent: Agent, path: str) -> Iterator[Violation]:
    """Yield what is wrong with the verification and the publication of the agent at `path`."""
    if agent.verify is not None and agent.workspace is None:
        yield violation(f"{path}.verify", None, NEEDS_WORKSPACE)
    if agent.publish is None:
        return
    source = agent.workspace.source if agent.workspace else None
    if source is None:
        yield violation(f"{path}.publish", None, NEEDS_SOURCE)
    elif agent.publish.git.url is None:
        yield from _check_default_url(agent, source.git, f"{path}.publish.git")


def _check_default_url(agent: Agent, source: GitSource, path: str) -> Iterator[Violation]:
    """Check what publishing to the source's own URL needs, as `check_fit` does for another URL."""
    if agent.publish is None or source.url.startswith("https://"):
        return
    if agent.publish.git.secret_name is None:
        yield violation(f"{path}.secretName", None, SSH_NEEDS_SECRET)
    if agent.publish.git.ca_bundle is not None:
        yield violation(f"{path}.caBundle", None, SSH_HAS_NO_CA)


def check_branches(spec: RunSpec, namespace: str, name: str) -> Iterator[Violation]:
    """Yield each branch that git would refuse under this Run's name, or that several agents would push to, one over the other.

    A rule of the CRD cannot know the first, and would cost more than it may for the second.
    """
    for index, agent in enumerate(spec.agents):
        form = agent.publish.git.branch if agent.publish else ""
        if refused_by_git(branch := filled(form, namespace, name, agent.name)):
            yield violation(f"spec.agents[{index}].publish.git.branch", form, f"is {branch} in this Run, and {REFUSED_BY_GIT}")
    targets = [_target(agent) for agent in spec.agents]
    count = Counter(target for target in targets if target)
    for index, target in enumerate(targets):
        if target and count[target] > 1:
            yield violation(f"spec.agents[{index}].publish.git.branch", target[1], SAME_BRANCH)


def _target(agent: Agent) -> tuple[str, str] | None:
    """Return where an agent publishes: the URL and the branch, of which only the agent's name differs within a Run."""
    source = agent.workspace.source if agent.workspace else None
    if agent.publish is None or source is None:
        return None
    git = agent.publish.git
    return git.url or source.git.url, git.branch.replace("{agent}", agent.name)
