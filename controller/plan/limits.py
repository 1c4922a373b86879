"""Pure: checks whether an agent asks for more than its policy allows; the text names field, value and limit."""

from __future__ import annotations

from collections.abc import Iterator

from controller.api.base import JsonObject
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


def tokens(agent: Agent, policy: RunPolicySpec | None) -> str:
    """Return why the agent's pod cannot have the tokens that its template asks for, or an empty text."""
    allowed = (policy.token_audiences or ()) if policy else ()
    refused = [audience for audience in _audiences(agent.template or {}) if audience not in allowed]
    if policy is None or not refused:
        return ""
    permitted = ", ".join(allowed) or "none"
    return f"template.spec.volumes has a token for {refused[0]}, but the policy allows {permitted} (tokenAudiences)"


def _audiences(template: JsonObject) -> Iterator[str]:
    """Yield the audiences of the tokens in a template, which was checked."""
    volumes = (template.get("spec") or {}).get("volumes") or []
    sources = [source for volume in volumes for source in (volume.get("projected") or {}).get("sources") or []]
    yield from (source["serviceAccountToken"]["audience"] for source in sources if source.get("serviceAccountToken"))
