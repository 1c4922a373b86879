"""The provenance of a release has SLSA's fields, from the build's facts and GitHub's variables alone."""

from __future__ import annotations

from tests.release.provenance import Build, predicate

BUILD = Build(
    "1.2.0",
    "c0ffee",
    ("docker.io/library/python:3.13-slim@sha256:ab12",),
    "2026-12-01T08:00:00Z",
    "2026-12-01T08:09:00Z",
    ("linux/amd64",),
)
ON_GITHUB = {
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "team/fork",
    "GITHUB_REF": "refs/tags/v1.2.0",
    "GITHUB_WORKFLOW_REF": "team/fork/.github/workflows/release.yaml@refs/tags/v1.2.0",
    "GITHUB_RUN_ID": "77",
    "GITHUB_RUN_ATTEMPT": "2",
}


def test_by_a_workflow() -> None:
    """The builder is the workflow, the source is its commit, and the run can be looked up."""
    found = predicate(BUILD, ON_GITHUB)
    definition, details = found["buildDefinition"], found["runDetails"]
    assert definition["externalParameters"]["source"] == "https://github.com/team/fork"
    commit, base = definition["resolvedDependencies"]
    assert commit == {"uri": "git+https://github.com/team/fork@refs/tags/v1.2.0", "digest": {"gitCommit": "c0ffee"}}
    assert base == {"uri": "oci://docker.io/library/python:3.13-slim", "digest": {"sha256": "ab12"}}
    assert details["builder"]["id"] == "https://github.com/team/fork/.github/workflows/release.yaml@refs/tags/v1.2.0"
    assert details["metadata"]["invocationId"] == "https://github.com/team/fork/actions/runs/77/attempts/2"


def test_by_hand() -> None:
    """A release that no workflow made names no run and another builder."""
    details = predicate(BUILD, {})["runDetails"]
    assert details["builder"]["id"].endswith("#by-hand")
    assert "invocationId" not in details["metadata"]
