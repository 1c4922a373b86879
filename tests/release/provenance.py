"""The provenance of a release: a predicate of SLSA 1.0, with the commit, the bases and the builder (https://slsa.dev/spec/v1.0/provenance)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.release.project import SOURCE

BUILD_TYPE = f"{SOURCE}/blob/main/docs/releasing.md"
"""The page that describes the parameters below, as SLSA wants it."""
BY_HAND = f"{SOURCE}/blob/main/docs/releasing.md#by-hand"
"""The builder of a release that no workflow made."""


@dataclass(frozen=True, slots=True)
class Build:
    """The facts of one build."""

    version: str
    revision: str
    bases: tuple[str, ...]
    started: str
    finished: str
    platforms: tuple[str, ...]


def predicate(build: Build, env: Mapping[str, str] = os.environ) -> dict[str, Any]:
    """Return the predicate of a build; GitHub's variables in the environment identify the workflow and its run."""
    source, ref = _source(env)
    external = {"source": source, "ref": ref, "version": build.version, "platforms": list(build.platforms)}
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": external,
            "internalParameters": {},
            "resolvedDependencies": [
                {"uri": f"git+{source}@{ref}", "digest": {"gitCommit": build.revision}},
                *(_base(each) for each in build.bases),
            ],
        },
        "runDetails": {
            "builder": {"id": _builder(env)},
            "metadata": _invocation(env) | {"startedOn": build.started, "finishedOn": build.finished},
        },
    }


def _source(env: Mapping[str, str]) -> tuple[str, str]:
    """Return the repository and the ref that the workflow has checked out."""
    repository = env.get("GITHUB_REPOSITORY")
    return f"{env.get('GITHUB_SERVER_URL', 'https://github.com')}/{repository}" if repository else SOURCE, env.get(
        "GITHUB_REF", "HEAD"
    )


def _builder(env: Mapping[str, str]) -> str:
    """Return the workflow's own identity, which its certificate has as well."""
    workflow = env.get("GITHUB_WORKFLOW_REF")
    return f"{env.get('GITHUB_SERVER_URL', 'https://github.com')}/{workflow}" if workflow else BY_HAND


def _invocation(env: Mapping[str, str]) -> dict[str, str]:
    """Return the address of the workflow's run; a release by hand has none."""
    source, _ = _source(env)
    run = env.get("GITHUB_RUN_ID")
    return {"invocationId": f"{source}/actions/runs/{run}/attempts/{env.get('GITHUB_RUN_ATTEMPT', '1')}"} if run else {}


def _base(reference: str) -> dict[str, Any]:
    """Return the base as a dependency, with its digest if the reference has one."""
    name, _, digest = reference.partition("@")
    algorithm, _, value = digest.partition(":")
    return {"uri": f"oci://{name}"} | ({"digest": {algorithm: value}} if digest else {})
