"""The installer's values for fields that a policy does not set. They hold for all Runs, also those with a RunPolicy."""

from __future__ import annotations

from dataclasses import dataclass, replace

from controller.api.pod_policy import DEFAULT_REPORTER_RESOURCES, OWN_POD_SECURITY, ImagePullSecret, PodSecurity, ReporterResources
from controller.api.policy import NetworkMode, RunPolicySpec
from controller.api.resolved_policy import ResolvedPolicy

NOTHING_SET = RunPolicySpec()
POD_FIELDS = ("env", "ca_bundle", "node_selector", "tolerations", "resources", "pod_metadata")
"""The fields of a policy that `pods` may set."""


@dataclass(frozen=True, slots=True)
class PolicyDefaults:
    """One value for each field of a policy that the operator's options may set."""

    network_policy: NetworkMode = NetworkMode.UNMANAGED
    reporter_resources: ReporterResources = DEFAULT_REPORTER_RESOURCES
    pod_security: PodSecurity = OWN_POD_SECURITY
    image_pull_secrets: tuple[ImagePullSecret, ...] = ()
    pods: RunPolicySpec = NOTHING_SET

    def complete(self, policy: ResolvedPolicy) -> ResolvedPolicy:
        """Return the policy with these values for fields that it does not set. Its digest stays that of its own values."""
        spec = policy.spec
        security = (spec.pod_security or OWN_POD_SECURITY).model_dump(exclude_none=True)
        given = {
            "network_policy": spec.network_policy or self.network_policy,
            "reporter_resources": spec.reporter_resources or self.reporter_resources,
            "pod_security": self.pod_security.model_copy(update=security),
            "image_pull_secrets": self.image_pull_secrets if spec.image_pull_secrets is None else spec.image_pull_secrets,
        }
        given |= {field: getattr(self.pods, field) for field in POD_FIELDS if getattr(spec, field) is None}
        return replace(policy, spec=spec.model_copy(update=given))


OWN_DEFAULTS = PolicyDefaults()
"""The values of an operator without such options."""
