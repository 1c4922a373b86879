"""The parts of a RunPolicy by which agents' pods meet a namespace's rules: users, the reporter's resources, pull secrets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Self

from pydantic import Field, model_validator

from controller.api.base import ApiModel, Name
from controller.api.container_fields import Resources
from controller.api.quantity import amount
from controller.strict.constraints import Whole, between_fields

MAX_ID = 2**31 - 1
"""The largest user or group that Kubernetes accepts."""

Id = Annotated[int, Whole(1, MAX_ID)]

AGENT_USER = 10001
"""User of agents whose template, policy and namespace name none."""

REPORTER_USER = 10002
"""User of reporters whose policy and namespace name none."""


class PodSecurity(ApiModel):
    """The users and groups of agents' pods. The reporter's user is never an agent's: its token is safe from other users only."""

    run_as_user: Id | None = Field(
        default=None,
        description=(
            "User of agents whose template names none; 1 to 2147483647. If not set: the first one of the namespace's range "
            "(openshift.io/sa.scc.uid-range), else 10001."
        ),
    )
    run_as_group: Id | None = Field(
        default=None, description="Group of agents whose template names none; 1 to 2147483647; as the user when not set."
    )
    fs_group: Id | None = Field(
        default=None,
        description=(
            "Group of the volumes of agents whose template names none; 1 to 2147483647. If not set: the first one of the "
            "namespace's range (openshift.io/sa.scc.supplemental-groups), else as the user."
        ),
    )
    reporter_run_as_user: Id | None = Field(
        default=None,
        description=(
            "User of the reporter, and of no agent; 1 to 2147483647. If not set: another one of the namespace's range, else 10002."
        ),
    )
    reporter_run_as_group: Id | None = Field(
        default=None, description="Group of the reporter; 1 to 2147483647; as its user when not set."
    )

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.run_as_user is not None and self.run_as_user == self.reporter_run_as_user:
            raise between_fields(
                "must differ from runAsUser: an agent with the reporter's user could read its token",
                "runAsUser",
                at="reporterRunAsUser",
            )
        return self


class ReporterResources(Resources):
    """The requests and limits of the reporter."""

    @model_validator(mode="after")
    def _requests_fit(self) -> Self:
        limits = self.limits or {}
        for name, request in (self.requests or {}).items():
            if name in limits and amount(request) > amount(limits[name]):
                raise between_fields(f"{name} may not be more than in limits, where it is {limits[name]}", "limits", at="requests")
        return self


class ImagePullSecret(ApiModel):
    """A Secret with which images are pulled."""

    name: Name = Field(description="Name of the Secret, in the Run's namespace.")


DEFAULT_REPORTER_RESOURCES = ReporterResources(requests={"cpu": "10m", "memory": "32Mi"}, limits={"cpu": "250m", "memory": "64Mi"})
"""The reporter uses 25 MiB when idle; a hostile agent's files come on top."""


@dataclass(frozen=True, slots=True)
class Provision:
    """Settings that a namespace has for all of its pods: a range of users, a group of volumes, and the names of pull secrets.

    The users are first and last of the range, the group is exact; None if the namespace prescribes none.
    """

    users: tuple[int, int] | None = None
    fs_group: int | None = None
    pull_secrets: tuple[str, ...] = ()


OWN_POD_SECURITY = PodSecurity()
"""No user is set: pods have those of their namespace, else 10001 and 10002."""
