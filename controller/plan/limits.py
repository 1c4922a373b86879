"""Pure: whether an agent asks for more than its policy allows, said in the words of field, value and remedy."""

from __future__ import annotations

from controller.api.policy import RunPolicySpec
from controller.api.quantity import amount
from controller.api.run import Agent


def runtime(agent: Agent, policy: RunPolicySpec | None) -> str:
    """Return why the agent's pod does not get the runtime class that its template names, empty where it gets it."""
    named = ((agent.template or {}).get("spec") or {}).get("runtimeClassName")
    ruled = policy.runtime_class_name if policy else None
    if named is None or ruled is None or named == ruled:
        return ""
    return f"template.spec.runtimeClassName is {named}, and the policy has pods run under {ruled} (runtimeClassName)"


def workspace(agent: Agent, policy: RunPolicySpec | None) -> str:
    """Return why the agent gets no workspace of the size that it asks for, empty where it gets it."""
    if policy is None or agent.workspace is None:
        return ""
    size, most = agent.workspace.size, policy.workspace_max_size
    if amount(size) <= amount(most):
        return ""
    return f"workspace.size is {size}, and the policy allows {most} (workspaceMaxSize)"
