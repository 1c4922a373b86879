"""A repository on this machine with two servers: one credential may read, another may write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from controller.api.base import JsonObject
from tests.git_servers import HttpsGit, https_git
from tests.verified_branch.project import git

READER, READS = "reader", "the-password-that-reads"
WRITER, WRITES = "writer", "the-password-that-writes"
AUTHORITY = {"configMapName": "git-ca"}
BASIC_AUTH = "kubernetes.io/basic-auth"


@dataclass(frozen=True)
class Forge:
    """The bare repository and its servers."""

    bare: Path
    reading: HttpsGit
    writing: HttpsGit

    def objects(self) -> list[JsonObject]:
        """Return the two Secrets and the servers' authority, as the Runs below name them."""
        authority = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": AUTHORITY["configMapName"]}}
        return [
            secret("read", {"username": READER, "password": READS}, BASIC_AUTH),
            secret("write", {"username": WRITER, "password": WRITES}, BASIC_AUTH),
            {**authority, "data": {"ca.crt": self.reading.ca.read_text()}},
        ]

    def workspace(self) -> JsonObject:
        """Return a workspace with a clone."""
        source = {"url": f"{self.reading.url}/{self.bare.name}", "secretName": "read", "caBundle": AUTHORITY}
        return {"size": "100Mi", "source": {"git": source}}

    def publish(self, branch: str) -> JsonObject:
        """Return the publication to a branch."""
        target = {"url": f"{self.writing.url}/{self.bare.name}", "secretName": "write", "caBundle": AUTHORITY}
        return {"git": {"branch": branch, **target}}

    def head(self, branch: str) -> str:
        """Return a branch's commit."""
        return git(self.bare, "rev-parse", f"refs/heads/{branch}")

    def updates(self, branch: str) -> list[str]:
        """Return the commits that a branch was set to, newest first, by the server's own record; none without the branch."""
        if not git(self.bare, "branch", "--list", branch):
            return []
        return git(self.bare, "reflog", "show", "--format=%H", f"refs/heads/{branch}").split()


def secret(name: str, data: dict[str, str], kind: str = "Opaque") -> JsonObject:
    """Return a Secret."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": kind, "stringData": data}


@contextmanager
def serve(bare: Path, folder: Path, host: str) -> Iterator[Forge]:
    """Serve a repository on an address of this machine by one authority, whose files are in a folder."""
    reading = HttpsGit(bare.parent, READER, READS)
    writing = HttpsGit(bare.parent, WRITER, WRITES, readers={READER: READS})
    with https_git(reading, folder, host), https_git(writing, folder, host):
        yield Forge(bare, reading, writing)
