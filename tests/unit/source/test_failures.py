"""rw-clone's failures: git's own words without the credential, and an exit code that says who can help."""

from __future__ import annotations

import socket
from http import HTTPStatus
from pathlib import Path

import pytest

from tests.cluster.processes import run
from tests.git_servers import LOOPBACK, HttpsGit
from tests.unit.source.conftest import PASSWORD, Clone

UNREACHED, REFUSED, WRONG = 75, 77, 78
UNKNOWN_COMMIT = "0123456789012345678901234567890123456789"


@pytest.fixture
def closed_port() -> int:
    """A port of loopback on which nobody listens."""
    with socket.create_server((LOOPBACK, 0)) as free:
        port: int = free.getsockname()[1]
        return port


def test_a_wrong_password(clone: Clone, https: HttpsGit) -> None:
    """A human must replace the Secret."""
    clone.secret["password"] = "wrong-password"  # noqa: S105  # of a test
    assert clone.run() == (REFUSED, f"fatal: Authentication failed for '{https.url}/project.git/'")


def test_no_password(clone: Clone, https: HttpsGit) -> None:
    """Git cannot ask anybody, and says for which host."""
    clone.secret = {}
    code, words = clone.run()
    assert (code, f"could not read Username for '{https.url}'" in words) == (REFUSED, True)


@pytest.mark.parametrize("revision", ["nope", "refs/heads/nope", UNKNOWN_COMMIT])
@pytest.mark.parametrize("depth", ["", "1"])
def test_an_unknown_revision(clone: Clone, revision: str, depth: str) -> None:
    """Neither a restart nor another credential helps."""
    clone.revision, clone.more = revision, {"RUNWATCHMAN_SOURCE_DEPTH": depth}
    code, words = clone.run()
    assert (code, revision in words) == (WRONG, True), words


def test_a_missing_repository(clone: Clone, https: HttpsGit, ssh_clone: Clone) -> None:
    """Over HTTPS and over SSH."""
    clone.url = f"{https.url}/missing.git"
    assert clone.run() == (WRONG, f"fatal: repository '{https.url}/missing.git/' not found")
    ssh_clone.url = ssh_clone.url.replace("project.git", "missing.git")
    code, words = ssh_clone.run()
    assert (code, "does not appear to be a git repository" in words) == (WRONG, True)


def test_an_unknown_authority(clone: Clone) -> None:
    """The server's certificate is checked, and a custom CA is what makes it known."""
    clone.ca = None
    code, words = clone.run()
    assert (code, "certificate verification failed" in words) == (WRONG, True)


def test_an_unknown_host_key(ssh_clone: Clone) -> None:
    """A host that known_hosts does not have, or has with another key, gets no connection."""
    host, kind, _ = ssh_clone.secret["known_hosts"].split()
    other = "AAAAC3NzaC1lZDI1NTE5AAAAIJ3Q7c1bQ0m2mE7mM7U2n1Zc0n1m5m3q2v6b8Qm0z9aB"
    for known in ("other.example ssh-ed25519 AAAA", f"{host} {kind} {other}"):
        ssh_clone.secret["known_hosts"] = f"{known}\n"
        code, words = ssh_clone.run()
        assert (code, "Host key verification failed." in words) == (REFUSED, True)


def test_a_wrong_key(ssh_clone: Clone, tmp_path: Path) -> None:
    """Neither a key that the account does not have nor a text that is not a key gets in."""
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")])
    for key in ((tmp_path / "other").read_text(), "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"):
        ssh_clone.secret["ssh-privatekey"] = key
        code, words = ssh_clone.run()
        assert (code, "Permission denied (publickey)" in words) == (REFUSED, True)


@pytest.mark.parametrize(("kind", "key"), [("https", "password"), ("ssh", "ssh-privatekey"), ("ssh", "known_hosts")])
def test_a_secret_of_another_type(clone: Clone, ssh_clone: Clone, kind: str, key: str) -> None:
    """The missing key and the type of Secret are named."""
    one = clone if kind == "https" else ssh_clone
    del one.secret[key]
    code, words = one.run()
    wanted = "kubernetes.io/basic-auth" if kind == "https" else "kubernetes.io/ssh-auth"
    assert (code, f"the Secret has no key {key}" in words, wanted in words) == (WRONG, True, True)


def test_a_server_that_is_away(clone: Clone, ssh_clone: Clone, closed_port: int) -> None:
    """Nobody is asked: a later attempt may reach it."""
    clone.url = f"https://{LOOPBACK}:{closed_port}/project.git"
    assert clone.run()[0] == UNREACHED, clone.said
    ssh_clone.url = f"ssh://me@{LOOPBACK}:{closed_port}/project.git"
    assert ssh_clone.run()[0] == UNREACHED, ssh_clone.said


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (HTTPStatus.SERVICE_UNAVAILABLE, UNREACHED),
        (HTTPStatus.BAD_GATEWAY, UNREACHED),
        (HTTPStatus.TOO_MANY_REQUESTS, UNREACHED),
        (HTTPStatus.FORBIDDEN, REFUSED),
    ],
)
def test_a_server_in_trouble(clone: Clone, https: HttpsGit, status: HTTPStatus, code: int) -> None:
    """The status decides; the words have it."""
    https.trouble = status
    found, words = clone.run()
    assert (found, str(status.value) in words) == (code, True)


@pytest.mark.parametrize("url", ["http://127.0.0.1/x.git", "git://127.0.0.1/x.git", "file:///srv/x.git", "ext::sh -c touch% pwned"])
def test_only_https_and_ssh(clone: Clone, url: str) -> None:
    """The API refuses other URLs; a submodule may still have one, and git refuses it."""
    clone.url = url
    code, words = clone.run()
    assert (code, "not allowed" in words) == (WRONG, True)


def test_the_words_are_bounded_and_have_no_credential(clone: Clone, https: HttpsGit) -> None:
    """A revision as long as the API allows, which contains the credential."""
    clone.revision = f"{'x' * 2000}{PASSWORD}y"
    code, words = clone.run()
    assert (code, len(words) <= 900, PASSWORD in words + clone.said) == (WRONG, True, False)
    assert "[REDACTED]y" in words
    assert https.requests
