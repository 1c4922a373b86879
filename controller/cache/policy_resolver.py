"""The policy in force for a Run, its admission under maxActiveRuns, and the key that decides its shard; by the caches."""

from __future__ import annotations

from controller.api.names import RunKey
from controller.api.policy import DEFAULT_POLICY_NAME
from controller.api.resolved_policy import ResolvedPolicy
from controller.cache.active_runs import QueuedRun
from controller.cache.run_cache import RunCache
from controller.plan.snapshot import RunFacts


def resolve_policy(seen: RunCache, own: ResolvedPolicy, run: RunFacts) -> ResolvedPolicy | str | None:
    """Return the policy in force: the one that the Run names, else the namespace's default, else the operator's own.

    Returns a text for a policy that cannot be read, None for one that is named and does not exist.
    """
    if run.spec is not None and run.spec.policy_ref is not None:
        return seen.policy(run.namespace, run.spec.policy_ref.name)
    return seen.policy(run.namespace, DEFAULT_POLICY_NAME) or own


def admit(seen: RunCache, own: ResolvedPolicy, run: QueuedRun) -> tuple[ResolvedPolicy | str | None, bool]:
    """Return the policy in force (see `resolve_policy`), and whether its maxActiveRuns makes the Run wait.

    If not, a slot is reserved.
    """
    policy = resolve_policy(seen, own, run.facts)
    limit = policy.spec.max_active_runs if isinstance(policy, ResolvedPolicy) else None
    return policy, seen.slots.must_wait(run, limit)


def shard_key(seen: RunCache, own: ResolvedPolicy, key: RunKey) -> str:
    """Return the text that decides a Run's shard: its UID, or its policy if that has maxActiveRuns, counted by one replica.

    All Runs of a namespace with a provider have the provider's shard.
    """
    if seen.providers.exist_in(key.namespace):
        return place_of(seen, own, key.namespace)
    cached = seen.run(key)
    policy = resolve_policy(seen, own, cached.facts) if cached else None
    if cached and isinstance(policy, ResolvedPolicy) and policy.spec.max_active_runs is not None:
        return _counted_by(seen, cached.facts)
    return key.uid


def place_of(seen: RunCache, own: ResolvedPolicy, namespace: str) -> str:
    """Return the text that decides the shard of a namespace's providers and their Runs.

    Where Runs may have the operator's own policy and its maxActiveRuns counts them, it is that policy's.
    """
    return f"{namespace}/" if own.spec.max_active_runs is None else f"/{DEFAULT_POLICY_NAME}"


def _counted_by(seen: RunCache, run: RunFacts) -> str:
    """Return a text that identifies the policy: a RunPolicy has its namespace in it, the operator's own policy has none."""
    named = run.spec.policy_ref.name if run.spec and run.spec.policy_ref else DEFAULT_POLICY_NAME
    own = run.spec is not None and run.spec.policy_ref is None and seen.policy(run.namespace, named) is None
    return f"/{named}" if own else f"{run.namespace}/{named}"
