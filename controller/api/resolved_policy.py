"""The policy in force for a Run, with the digest by which plans and status name it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field

from controller.api.base import dump
from controller.api.policy import RunPolicySpec


@dataclass(frozen=True, slots=True)
class ResolvedPolicy:
    """The policy in force for a Run: its source, its values, and their digest (SHA-256, hex)."""

    name: str
    spec: RunPolicySpec = field(hash=False)
    digest: str

    @classmethod
    def of(cls, name: str, spec: RunPolicySpec) -> ResolvedPolicy:
        """Return the policy with its digest."""
        text = json.dumps(dump(spec), sort_keys=True, separators=(",", ":"))
        return cls(name, spec, hashlib.sha256(text.encode()).hexdigest())
