"""The publication of an agent's work: a branch that is pushed with a credential that the agent never has."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from controller.api.base import ApiModel, Count, Name, Seconds, Text, Word
from controller.api.ca_bundle import CaBundle
from controller.api.container_fields import EnvFrom, Image
from controller.api.source import Commit, Url, check_fit
from controller.api.verification import DEFAULT_TIMEOUT_SECONDS, Command
from controller.strict.constraints import EXPLAINED, Explained

MAX_BRANCH, MAX_OUTPUTS = 128, 16
"""Characters of a branch before its placeholders are replaced, after which it fits a Text; and outputs of a command."""

NEEDS_SOURCE = "publish needs workspace.source: the branch holds the changes since the commit that was cloned"

_PART = r"([A-Za-z0-9_+#-]|\{(run|agent|namespace)\})"
BRANCH = rf"^([A-Za-z0-9_]|\{{(run|agent|namespace)\}})(\.?{_PART})*(/{_PART}(\.?{_PART})*)*$"
"""The form of a branch, with placeholders. Of the names that have it, git refuses those of NO_BRANCH."""

NO_BRANCH = r"^HEAD$|\.lock(/|$)"
"""Names of the form that `git check-ref-format --branch` refuses. RE2, which CRDs have, cannot leave them out of a pattern."""

BRANCH_FORM = (
    "must be the name of a branch such as agents/{run}-{agent}: letters, digits, _ - + #, . and / between them, and the "
    "placeholders {run}, {agent} and {namespace}"
)

REFUSED_BY_GIT = "may be neither HEAD nor have a part that ends in .lock, since git refuses both: choose another name"


def _branch(text: str) -> str:
    """Return a branch that git accepts, as far as its placeholders allow to say."""
    if refused_by_git(text):
        raise PydanticCustomError(EXPLAINED, REFUSED_BY_GIT)
    return text


def refused_by_git(branch: str) -> bool:
    """Whether git refuses a name that has the form of a branch."""
    return re.search(NO_BRANCH, branch) is not None


def filled(branch: str, namespace: str, run: str, agent: str) -> str:
    """Return a branch with the names that its placeholders stand for."""
    return branch.replace("{run}", run).replace("{agent}", agent).replace("{namespace}", namespace)


Branch = Annotated[
    str,
    StringConstraints(pattern=BRANCH, min_length=1, max_length=MAX_BRANCH),
    Explained(BRANCH_FORM),
    AfterValidator(_branch),
]


class PublishGit(ApiModel):
    """The branch that an agent's work is pushed to."""

    branch: Branch = Field(
        description="Name of the branch; {run}, {agent} and {namespace} stand for the names of the Run, agent and namespace."
    )
    url: Url | None = Field(
        default=None, description="URL of the repository to push to; the one of workspace.source.git when not set. No credential."
    )
    secret_name: Name | None = Field(
        default=None,
        description="A Secret of the Run's namespace that may push: of type kubernetes.io/basic-auth for https, or of type "
        "kubernetes.io/ssh-auth with the key known_hosts for ssh. Only the publishing pod mounts it.",
    )
    message: Text | None = Field(
        default=None, description="Message of the commit that holds what the agent has not committed itself."
    )
    ca_bundle: CaBundle | None = Field(
        default=None, description="CA certificates for the server; those of workspace.source.git when neither url nor this is set."
    )

    @model_validator(mode="after")
    def _fits_the_url(self) -> PublishGit:
        if self.url is not None:
            check_fit(self.url, self.secret_name, self.ca_bundle)
        return self


class PublishCommand(ApiModel):
    """A command that runs after the push, for example to open a pull request."""

    image: Image | None = Field(default=None, description="Container image; the agent's when not set. It needs /bin/sh.")
    command: Command = Field(description="The command and its arguments, without a shell.")
    env_from: tuple[EnvFrom, ...] | None = Field(
        default=None, max_length=32, description="Secrets and ConfigMaps whose keys become its environment."
    )
    timeout_seconds: Seconds = Field(
        default=DEFAULT_TIMEOUT_SECONDS, description="Seconds after which the command is ended and has failed; 1 to 31536000."
    )


class Publish(ApiModel):
    """Where an agent's work goes once it is complete and verified."""

    git: PublishGit = Field(description="The branch that it is pushed to.")
    command: PublishCommand | None = Field(
        default=None, description="A command that runs after the push, for example to open a pull request."
    )


class PublishedStatus(ApiModel):
    """What was published."""

    attempt: Count = Field(default=0, description="The attempt whose work it is, from 0.")
    branch: Text = Field(description="The branch.")
    commit: Commit = Field(description="The commit that the branch was pushed to.")
    left_out: Text | None = Field(default=None, description="Paths of the workspace that are not in the commit, and their number.")
    outputs: dict[Word, Text] | None = Field(
        default=None, max_length=MAX_OUTPUTS, description="Outputs of the command, for example the address of a pull request."
    )
