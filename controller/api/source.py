"""The source of a workspace: the git repository that is cloned into it before the agent starts."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from controller.api.base import ApiModel, Name
from controller.api.ca_bundle import CaBundle
from controller.strict.constraints import Explained, Whole, about_secret, between_fields

MAX_URL, MAX_REVISION, MAX_DIRECTORY = 1024, 255, 255
MAX_DEPTH = 1_000_000
MAX_COMMIT = 64
"""Characters of a commit's name in SHA-256."""

URL_FORMS = "must be https://HOST/PATH, ssh://USER@HOST/PATH or USER@HOST:PATH, without spaces"
NO_CREDENTIAL = (
    "may have no user and no password: put them into a Secret of type kubernetes.io/basic-auth and name it in secretName"
)
NO_PASSWORD = "may have no password: put the key into a Secret of type kubernetes.io/ssh-auth and name it in secretName"  # noqa: S105  # the text of an error
SSH_NEEDS_SECRET = "secretName is required for ssh: name a Secret of type kubernetes.io/ssh-auth that also has known_hosts"  # noqa: S105  # the text of an error
SSH_HAS_NO_CA = "caBundle is for https:// only: ssh knows its hosts by known_hosts in the Secret"

HTTPS = r"^https://[^\s/?#@-][^\s/?#@]*/[^\s]+$"
SSH = r"^(ssh://([^\s/@:-][^\s/@:]*@)?[^\s/@-][^\s/@]*/[^\s]+|[^\s/@:-][^\s/@:]*@[^\s/@:-][^\s/@:]*:[^\s-][^\s]*)$"
HTTPS_CREDENTIAL = r"^https://[^\s/]*@"
SSH_PASSWORD = r"^ssh://[^\s/@]*:[^\s/]*@"  # noqa: S105  # a pattern


def _url(text: str) -> str:
    """Return a URL that is allowed. The API server checks the same patterns (`crd/validations.py`)."""
    for pattern, fault in ((HTTPS_CREDENTIAL, NO_CREDENTIAL), (SSH_PASSWORD, NO_PASSWORD)):
        if re.search(pattern, text):
            raise about_secret(fault)
    if not (re.search(HTTPS, text) or re.search(SSH, text)):
        raise about_secret(URL_FORMS)
    return text


Url = Annotated[str, StringConstraints(min_length=1, max_length=MAX_URL), AfterValidator(_url)]
Revision = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_][^\s~^:?*\[\\\x00-\x1f\x7f]*$", min_length=1, max_length=MAX_REVISION),
    Explained("must be a branch, a tag, a full commit or a ref that begins with refs/"),
]
Directory = Annotated[
    str,
    StringConstraints(pattern=r"^(\.|[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*)$", max_length=MAX_DIRECTORY),
    Explained("must be a path in the workspace such as src/project, whose parts begin with a letter, a digit or _"),
]
Commit = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40,64}$", max_length=MAX_COMMIT)]


def check_fit(url: str, secret_name: str | None, ca_bundle: CaBundle | None) -> None:
    """Raise the error of a Secret or of CA certificates that do not fit the URL."""
    if url.startswith("https://"):
        return
    if secret_name is None:
        raise between_fields(SSH_NEEDS_SECRET, "secretName", at="secretName")
    if ca_bundle is not None:
        raise between_fields(SSH_HAS_NO_CA, "caBundle", at="caBundle")


class GitSource(ApiModel):
    """A git repository. It is cloned once, by an init container that alone has the credential."""

    url: Url = Field(description="URL of the repository: https://, ssh:// or user@host:path. It may contain no credential.")
    revision: Revision | None = Field(
        default=None,
        description="A branch, a tag, a full commit, or a ref that begins with refs/; the default branch when not set.",
    )
    depth: Annotated[int, Whole(1, MAX_DEPTH)] | None = Field(
        default=None, description="Number of commits of the history to clone, 1 to 1000000; all when not set."
    )
    submodules: bool = Field(default=False, description="Whether submodules are cloned, too.")
    secret_name: Name | None = Field(
        default=None,
        description="A Secret of the Run's namespace: of type kubernetes.io/basic-auth (a token is its password) for https, or "
        "of type kubernetes.io/ssh-auth with the key known_hosts for ssh.",
    )
    directory: Directory = Field(
        default=".", description="Folder in the workspace, which may not exist; the workspace itself when not set."
    )
    ca_bundle: CaBundle | None = Field(
        default=None, description="CA certificates for the server, in addition to the public ones and those of the policy."
    )

    @model_validator(mode="after")
    def _fits_the_url(self) -> GitSource:
        check_fit(self.url, self.secret_name, self.ca_bundle)
        return self


class Source(ApiModel):
    """What is in a workspace before its agent starts."""

    git: GitSource = Field(description="A git repository.")


class SourceStatus(ApiModel):
    """The clone in a workspace."""

    revision: Commit = Field(description="The commit that was cloned: the base of the agent's work.")
