"""`kubectl rw` and the inbox, on the real API server: the permitted answers, the writes, and the refusals.

No operator runs: the test creates its escalations by hand, as the CRD allows.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controller.api.base import JsonObject
from tests.api.test_docs_commands import block
from tests.cluster import Cluster
from tests.plugin import Plugin, allow
from tests.scenes import play
from tests.support import apply, await_that, get

RW = "escalations.runwatchman.dev"


def ask(cluster: Cluster, namespace: str, name: str, kind: str = "Question", run: str = "migrate", **spec: Any) -> None:
    """Open an escalation as the operator would."""
    labels = {"runwatchman.dev/run": run, "runwatchman.dev/agent": "coder"}
    fields = {"runName": run, "runUID": "u", "agent": "coder", "type": kind, "summary": f"coder: {name}?", "responders": {}, **spec}
    meta = {"name": name, "labels": labels}
    apply(cluster, namespace, {"apiVersion": "runwatchman.dev/v1alpha1", "kind": "Escalation", "metadata": meta, "spec": fields})


def in_minutes(number: int) -> str:
    """Return a time of the API for some minutes from now."""
    return f"{datetime.now(UTC) + timedelta(minutes=number):%Y-%m-%dT%H:%M:%SZ}"


def become(cluster: Cluster, namespace: str, name: str, phase: str) -> None:
    """Write an escalation's phase as the operator would."""
    patch = json.dumps({"status": {"phase": phase}})
    cluster.kubectl("-n", namespace, "patch", "escalation", name, "--subresource=status", "--type=merge", "-p", patch)


def response(cluster: Cluster, namespace: str, name: str) -> JsonObject:
    """Return the stored answer."""
    found: JsonObject = get(cluster, namespace, "escalation", name)["spec"].get("response", {})
    return found


@pytest.fixture
def rw(api_cluster: Cluster, namespace: str) -> Plugin:
    """The plugin, as the cluster's admin."""
    return Plugin(api_cluster, namespace)


def test_a_question_is_answered_by_somebody_with_few_rights(rw: Plugin) -> None:
    """Reading and patching escalations is enough; `by` is the API server's name for the caller."""
    allow(rw.cluster, rw.namespace, "alice", ("get,list,patch", RW))
    alice = Plugin(rw.cluster, rw.namespace, "alice")
    ask(rw.cluster, rw.namespace, "database", options=["SQLite", "PostgreSQL"], responders={"users": ["alice"]})
    assert " you " in alice.ok("inbox")
    assert "escalation database: answer sent (PostgreSQL), by alice" in alice.ok(
        "answer", "database", "postgresql", "--comment", "as in prod"
    )
    expected = {"decision": "Answer", "answer": "PostgreSQL", "by": "alice", "comment": "as in prod"}
    assert response(rw.cluster, rw.namespace, "database") == expected
    assert alice("inbox").stderr.startswith("Nothing waits for an answer.")


def test_refused_user_sees_the_missing_right(rw: Plugin) -> None:
    """The error names the missing verb and resource; nothing is written."""
    ask(rw.cluster, rw.namespace, "q")
    bob = Plugin(rw.cluster, rw.namespace, "bob")
    assert f"bob may not list {RW} in namespace {rw.namespace}; it takes a role with verb list on {RW}" in bob.error("inbox")
    allow(rw.cluster, rw.namespace, "bob", ("get", RW))
    assert f"bob may not patch {RW}" in bob.error("answer", "q", "yes")
    assert response(rw.cluster, rw.namespace, "q") == {}


def test_each_type_has_its_decisions(rw: Plugin) -> None:
    """Every command writes the decision that it documents, into escalations of its type alone."""
    wanted = {"approve": ("Approval", "Approve"), "deny": ("Approval", "Deny")}
    wanted |= {"retry": ("Blocked", "Retry"), "wait": ("Blocked", "Wait"), "fail": ("Blocked", "Stop")}
    for command, (kind, decision) in wanted.items():
        ask(rw.cluster, rw.namespace, f"for-{command}", kind, responders={"bridges": ["admin"]})
        assert f"{command} sent, by admin" in rw.ok(command, f"for-{command}", "--on-behalf-of", "carol")
        found = response(rw.cluster, rw.namespace, f"for-{command}")
        assert found == {"decision": decision, "by": "admin", "onBehalfOf": "carol"}
    ask(rw.cluster, rw.namespace, "q")
    assert "escalation q is of type Question; use answer" in rw.error("approve", "q")


def test_what_is_over_cannot_be_answered(rw: Plugin) -> None:
    """A second answer and a late one are refused, with the escalation's result."""
    ask(rw.cluster, rw.namespace, "twice")
    rw.ok("answer", "twice", "one")
    assert "escalation twice is no longer open; it was answered (admin: Answer: one)" in rw.error("answer", "twice", "two")
    for phase, words in (("Expired", "it expired before anybody answered"), ("Superseded", "the Run continued without an answer")):
        ask(rw.cluster, rw.namespace, f"was-{phase.lower()}")
        become(rw.cluster, rw.namespace, f"was-{phase.lower()}", phase)
        assert words in rw.error("answer", f"was-{phase.lower()}", "x")
        assert response(rw.cluster, rw.namespace, f"was-{phase.lower()}") == {}


def test_of_two_at_once_one_wins(rw: Plugin) -> None:
    """Two people answer at the same moment: one answer stays, and the other person sees it."""
    ask(rw.cluster, rw.namespace, "race")
    both = {word: rw.start("answer", "race", word) for word in ("left", "right")}
    said = {word: (*process.communicate(timeout=60), process.returncode) for word, process in both.items()}
    won = response(rw.cluster, rw.namespace, "race")["answer"]
    lost = "left" if won == "right" else "right"
    assert (said[won][2], said[lost][2]) == (0, 1)
    assert f"it was answered (admin: Answer: {won})" in said[lost][1]


def test_the_operators_own_write_is_no_obstacle(rw: Plugin) -> None:
    """A status write after a notification changes the version, not the question."""
    ask(rw.cluster, rw.namespace, "q")
    become(rw.cluster, rw.namespace, "q", "Open")
    rw.ok("answer", "q", "-", stdin="first line\nsecond line\n")
    assert response(rw.cluster, rw.namespace, "q")["answer"] == "first line\nsecond line"


def test_a_runs_name_stands_for_its_only_question(rw: Plugin) -> None:
    """With two questions the error lists them; with none of the type it points to the Run's inbox."""
    ask(rw.cluster, rw.namespace, "one", options=["yes", "no"], suggestion={"text": "no", "advisor": "codex"})
    ask(rw.cluster, rw.namespace, "other", "Blocked")
    rw.ok("answer", "migrate", "--accept-suggestion")
    assert response(rw.cluster, rw.namespace, "one")["answer"] == "no"
    assert "Run migrate has no escalation that waits for this decision" in rw.error("approve", "migrate")
    ask(rw.cluster, rw.namespace, "third", "Blocked")
    assert "Run migrate has 2 such escalations; name one of other, third" in rw.error("retry", "migrate")


def test_a_run_that_asks_nothing(rw: Plugin) -> None:
    """A command for a Run without questions points to the command for the Run itself."""
    spec = {"agents": [{"name": "coder", "image": "x"}]}
    apply(
        rw.cluster,
        rw.namespace,
        {"apiVersion": "runwatchman.dev/v1alpha1", "kind": "Run", "metadata": {"name": "calm"}, "spec": spec},
    )
    assert "kubectl wait run/calm --for=condition=Finished" in rw.error("wait", "calm")
    assert f"kubectl rw stop calm -n {rw.namespace}" in rw.error("fail", "calm")
    assert f"kubectl rw explain calm -n {rw.namespace}" in rw.error("answer", "calm", "x")


def test_the_inbox_oldest_first(rw: Plugin) -> None:
    """The inbox as a table, in full by a name or by a Run's name, by label, and for programs."""
    for name, run in (("b-first", "one"), ("a-second", "two")):
        ask(rw.cluster, rw.namespace, name, run=run, text=f"the whole of {name}")
        # Ages are whole seconds: escalations of the same second are ordered by name.
        rw.cluster.kubectl("-n", rw.namespace, "wait", "escalation", name, "--for=jsonpath={.spec.type}=Question", "--timeout=10s")
    listed = [line.split()[0] for line in rw.ok("inbox").splitlines()[1:]]
    stamps = {name: get(rw.cluster, rw.namespace, "escalation", name)["metadata"]["creationTimestamp"] for name in listed}
    assert listed == sorted(listed, key=lambda name: (stamps[name], name))
    assert set(listed) == {"a-second", "b-first"}
    assert "the whole of a-second" in rw.ok("inbox", "two")
    assert "the whole of b-first" in rw.ok("inbox", "b-first")
    assert rw.ok("inbox", "-o", "name", "-l", "runwatchman.dev/run=two") == "escalation.runwatchman.dev/a-second\n"
    assert [item["metadata"]["name"] for item in json.loads(rw.ok("inbox", "-o", "json"))["items"]] == listed
    assert f"\n{rw.namespace} " in rw.ok("inbox", "-A")


def test_names_that_do_not_exist(rw: Plugin) -> None:
    """The nearest name is suggested."""
    ask(rw.cluster, rw.namespace, "migrate-coder-7f3a")
    assert "did you mean migrate-coder-7f3a?" in rw.error("answer", "migrate-coder-7f3", "x")
    assert "did you mean migrate-coder-7f3a?" in rw.error("inbox", "migrate-codr-7f3a")


def test_the_pages_inbox(rw: Plugin) -> None:
    """docs/cli.md: the inbox, a question read and answered, a late answer, an approval and a retry, as the page shows them."""
    spent = "coder: RestartBudgetSpent: attempt 0 ended with NonZeroExit: exit code 1"
    ask(rw.cluster, rw.namespace, "stuck-coder-0304055f", "Blocked", "stuck", summary=spent, expiresAt=in_minutes(1440))
    born = get(rw.cluster, rw.namespace, "escalation", "stuck-coder-0304055f")["metadata"]["creationTimestamp"]
    await_that(lambda: in_minutes(0) > born, "the next second, for the inbox has the oldest first")
    asked = "Which database shall the tests use?"
    question: JsonObject = {
        "text": f"{asked} SQLite is quick; PostgreSQL is what production has.",
        "options": ["SQLite", "PostgreSQL"],
    }
    question |= {"suggestion": {"text": "PostgreSQL", "advisor": "codex"}, "responders": {"users": ["admin"], "groups": ["oncall"]}}
    ask(rw.cluster, rw.namespace, "migrate-coder-7f3a01c2", summary=f"coder: {asked}", expiresAt=in_minutes(120), **question)
    idle = "tester: restart? it has been idle for 31 minutes"
    ask(rw.cluster, rw.namespace, "migrate-tester-01aa77ef", "Approval", agent="tester", summary=idle, expiresAt=in_minutes(10))
    play(rw, block("cli.md", "$ kubectl rw inbox"))
    play(rw, block("cli.md", "$ kubectl rw approve"))
