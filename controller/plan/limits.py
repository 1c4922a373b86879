"""Pure: checks whether an agent asks for more than its policy allows; the text names field, value and limit."""

from __future__ import annotations

from controller.api.policy import RunPolicySpec
from controller.api.quantity import amount
from controller.api.run import Agent


def runtime(agent: Agent, policy: RunPolicySpec | None) -> str:
    """Return why the agent's pod cannot use the runtime class of its template, or an empty text."""
    named = ((agent.template or {}).get("spec") or {}).get("runtimeClassName")
    ruled = policy.runtime_class_name if policy else None
    if named is None or ruled is None or named == ruled:
        return ""
    return f"template.spec.runtimeClassName is {named}, but the policy requires {ruled} (runtimeClassName)"


def workspace(agent: Agent, policy: RunPolicySpec | None) -> str:
    """Return why the agent cannot have a workspace of the requested size, or an empty text."""
    if policy is None or agent.workspace is None:
        return ""
    size, most = agent.workspace.size, policy.workspace_max_size
    if amount(size) <= amount(most):
        return ""
    return f"workspace.size is {size}, but the policy allows at most {most} (workspaceMaxSize)"
