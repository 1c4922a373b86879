"""What the API accepts of `verify` and `publish`, and the remedy for what it refuses."""

from __future__ import annotations

import re
import subprocess
from itertools import product
from typing import Any

import pytest

from controller.api.base import MAX_OUTPUT, MAX_TEXT, JsonObject, dump, parse
from controller.api.checks import check_run, parse_run_spec
from controller.api.operator_state import AgentState, OperatorState, Outcome, OutcomeResult, lowest_reader
from controller.api.publishing import BRANCH, REFUSED_BY_GIT, filled, refused_by_git
from controller.api.run import MAX_AGENTS, Agent
from controller.api.verification import VerificationResult, VerificationState
from controller.api.violations import Refused, Violation
from controller.facts.task_words import task_words
from controller.store.annotation_store import _close
from tests.unit.tasks.samples import BASE, COMMIT, OPEN, PUBLISH, URL, VERIFY
from tests.unit.test_timestamps import NOON

SOURCE: JsonObject = {"source": {"git": {"url": URL}}}
OVER_SSH: JsonObject = {"source": {"git": {"url": "git@git.example:a/b.git", "secretName": "clone"}}}
FORM = "must be the name of a branch such as agents/{run}-{agent}"


def violations(*agents: JsonObject, run: str = "demo") -> tuple[Violation, ...]:
    """Return what is refused of a Run with these agents."""
    named = [{"name": f"a{index}", "image": "x", **agent} for index, agent in enumerate(agents)]
    try:
        return check_run(parse_run_spec({"spec": {"agents": named}}), "team", run)
    except Refused as refused:
        return refused.violations


def publishing(workspace: JsonObject = SOURCE, **git: Any) -> JsonObject:
    """Return an agent that publishes."""
    return {"workspace": workspace, "publish": {"git": {"branch": "b", **git}}}


@pytest.mark.parametrize(
    "agent",
    [
        {"workspace": {}, "verify": VERIFY},
        {"workspace": {}, "verify": {**VERIFY, "image": "t", "timeoutSeconds": 5, "envFrom": [{"configMapRef": {"name": "c"}}]}},
        {"workspace": SOURCE, "verify": VERIFY, "publish": PUBLISH | {"command": OPEN}},
        publishing(url="https://other.example/x.git", message="Fix it", caBundle={"configMapName": "ca"}),
        publishing(OVER_SSH, secretName="push"),
        publishing(OVER_SSH, url=URL),
        *(publishing(branch=branch) for branch in ("main", "a/b.c-d_e", "{namespace}/{run}/{agent}", "fix-{run}", "v1.x/y")),
    ],
)
def test_accepted(agent: JsonObject) -> None:
    """Every field; the spec is written as it was read."""
    assert violations(agent) == ()
    read = parse(Agent, {"name": "a", "image": "x", **agent})
    assert parse(Agent, dump(read)) == read


@pytest.mark.parametrize(
    ("agent", "path", "says"),
    [
        ({"verify": VERIFY}, "verify", "verify needs a workspace, of which it sees a copy: set workspace, for example to {}"),
        ({"publish": PUBLISH}, "publish", "publish needs workspace.source"),
        ({"workspace": {}, "publish": PUBLISH}, "publish", "publish needs workspace.source"),
        ({"workspace": {}, "verify": {}}, "verify.command", "this field is required"),
        ({"workspace": {}, "verify": {"command": []}}, "verify.command", "at least 1"),
        (
            {"workspace": {}, "verify": {**VERIFY, "timeoutSeconds": 0}},
            "verify.timeoutSeconds",
            "a whole number from 1 to 31536000",
        ),
        ({"workspace": {}, "verify": {**VERIFY, "env": []}}, "verify.env", "unknown field"),
        (publishing(OVER_SSH), "publish.git.secretName", "secretName is required for ssh"),
        (publishing(OVER_SSH, secretName="s", caBundle={"configMapName": "c"}), "publish.git.caBundle", "is for https:// only"),
        (publishing(url="git@git.example:a/b"), "publish.git.secretName", "secretName is required for ssh"),
        (publishing(url="https://me:pw@git.example/a"), "publish.git.url", "may have no user and no password"),
        (publishing(url="file:///etc"), "publish.git.url", "must be https://HOST/PATH"),
        *(
            (publishing(branch=branch), "publish.git.branch", FORM)
            for branch in (
                *("", "-x", "/a", "a/", "a//b", "a..b", ".a", "a.", "a/.b", "a b", "a~1", "a^", "a:b", "a?", "a*", "a[b", "a\\b"),
                *("@", "a@{1}", "{user}", "{run", "é"),
            )
        ),
        *(
            (publishing(branch=branch), "publish.git.branch", REFUSED_BY_GIT)
            for branch in ("HEAD", "x.lock", "a.lock/b", "a/{run}.lock", "{run}.lock/{agent}")
        ),
    ],
)
def test_refused(agent: JsonObject, path: str, says: str) -> None:
    """Each violation has the field's path and the remedy, and no credential."""
    found = violations(agent)
    assert (found[0].path, "pw" in str(found)) == (f"spec.agents[0].{path}", False)
    assert says in found[0].message


@pytest.mark.parametrize(
    ("branch", "run", "agent"),
    [
        ("agents/{run}", "fix.lock", "coder"),
        ("x.{agent}", "fix", "lock"),
        ("a.lo{run}/b", "ck", "coder"),
        ("{run}/{agent}", "a.lock", "b"),
    ],
)
def test_a_branch_that_git_refuses_by_the_names_in_it(branch: str, run: str, agent: str) -> None:
    """The violation has the branch as the user wrote it, and the name that it has in this Run."""
    (found,) = violations(publishing(branch=branch) | {"name": agent}, run=run)
    assert (found.path, found.value) == ("spec.agents[0].publish.git.branch", repr(branch))
    assert found.message == f"is {filled(branch, 'team', run, agent)} in this Run, and {REFUSED_BY_GIT}"


def test_git_has_the_same_opinion() -> None:
    """Of the names that have the form of a branch, git refuses those that we refuse and no others."""
    pieces = ("a", "lock", "x.lock", "HEAD", "+", "/", ".")
    names = {"".join(name) for length in (1, 2, 3) for name in product(pieces, repeat=length)}
    formed = sorted(name for name in names if re.search(BRANCH, name))
    judged = [subprocess.run(["git", "check-ref-format", "--branch", name], capture_output=True, check=False) for name in formed]
    assert {name for name in formed if refused_by_git(name)} == {
        name for name, done in zip(formed, judged, strict=True) if done.returncode
    }
    assert {"HEAD", "a.lock", "x.lock/a", "a/x.lock"} < {name for name in formed if refused_by_git(name)} < set(formed)


def test_two_agents_with_one_branch() -> None:
    """The second push would overwrite the first. Different repositories and different names are no conflict."""
    same = violations(publishing(), publishing(url=URL))
    assert [(each.path, each.value) for each in same] == [(f"spec.agents[{index}].publish.git.branch", "'b'") for index in (0, 1)]
    assert "put {agent} into the names of branches" in same[0].message
    assert violations(publishing(), publishing(url="https://other.example/x.git")) == ()
    assert violations(publishing(branch="{agent}"), publishing(branch="{agent}")) == ()


def test_the_record_of_tasks() -> None:
    """It is written as it was read, and a record of former versions has none of it."""
    raw = {
        "task": {"kind": "Publish", "number": 2, "podUID": "p", "retryAt": "2026-01-01T12:00:00Z"},
        "verification": {
            "attempt": 1,
            "result": "Failed",
            "exitCode": 1,
            "message": "x" * 4096,
            "digest": "d",
            "tree": BASE,
            "repeated": 1,
        },
        "published": {"attempt": 1, "branch": "b", "commit": COMMIT, "leftOut": "1: x", "outputs": {"url": "u"}},
    }
    state = parse(OperatorState, {"schemaVersion": 2, "runUID": "r", "agents": {"a": raw}})
    assert {key: dump(state)["agents"]["a"][key].items() >= value.items() for key, value in raw.items()} == dict.fromkeys(raw, True)
    assert lowest_reader(state) == lowest_reader(state.model_copy(update={"agents": {}})) == 2
    assert lowest_reader(OperatorState(run_uid="r", agents={"a": AgentState()})) == 1
    assert AgentState() == parse(AgentState, {})
    assert {"task", "verification", "published"}.isdisjoint(dump(AgentState()))


@pytest.mark.parametrize("output", ["x" * 5000, "é" * 5000, "\ufffd" * 5000, "a line of text\n" * 400])
def test_the_records_of_many_agents_fit(output: str) -> None:
    """A Run with the most agents, each with the longest output, fits an annotation (256 KiB), where a store may keep its record."""
    status = {"containerStatuses": [{"name": "verify", "state": {"terminated": {"exitCode": 1, "message": output}}}]}
    words = task_words("demo-coder-r0-verify0", status)["task_words"]
    assert output.endswith(words)
    assert MAX_OUTPUT - 3 <= len(words.encode()) <= MAX_OUTPUT
    failed = VerificationState(attempt=1, result=VerificationResult.FAILED, exit_code=1, message=words)
    outcome = Outcome(
        attempt=1, result=OutcomeResult.FAILED, reason="VerificationFailed", message=words[-MAX_TEXT:], finished_at=NOON
    )
    agents = {f"a{index}": AgentState(outcome=outcome, verification=failed) for index in range(MAX_AGENTS)}
    assert len(_close(1, OperatorState(run_uid="r", agents=agents)).encode()) < 256 * 1024
