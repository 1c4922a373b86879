"""What `kubectl rw` shows of an agent's verification and publication, and of their pods."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from controller.cli.rw.containers import ending, judged, judged_state
from controller.cli.rw.describe_model import OUTPUT_LINES
from controller.cli.rw.describe_view import describe_run
from controller.cli.rw.explain_document import document
from controller.cli.rw.explain_model import explain_run
from controller.cli.rw.explain_view import explained
from controller.cli.rw.next_steps import changes
from controller.cli.rw.objects import JsonObject
from controller.cli.rw.reason_text import sentence
from controller.cli.rw.related_objects import Around
from controller.cli.rw.session import Session
from controller.cli.rw.task_text import command_words, published_words, verification_words
from controller.cli.rw.timeline import attempt_name
from tests.unit.rw.fake import FakeKubectl
from tests.unit.rw.stories import NOW, escalation, story

VERIFY: JsonObject = {"command": ["/bin/sh", "-c", "pytest -q"]}
PUBLISH: JsonObject = {"git": {"branch": "agents/{run}"}}
COMMIT = "c" * 40
FAILED: JsonObject = {"result": "Failed", "attempt": 0, "exitCode": 1, "message": "\n".join(f"line {n}" for n in range(40))}
PUBLISHED: JsonObject = {
    "attempt": 0,
    "branch": "agents/hello",
    "commit": COMMIT,
    "leftOut": "1: x (unreadable)",
    "outputs": {"pr": "https://git.example/7"},
}


def hello(**status: JsonObject) -> JsonObject:
    """Return the Run of a story whose agent's work is verified and published."""
    run = story("completed").run
    run["spec"]["agents"][0] |= {"verify": VERIFY, "publish": PUBLISH}
    run["status"]["agents"][0] |= status
    return run


def a_pod(name: str, container: str, state: JsonObject, init: JsonObject | None = None) -> JsonObject:
    """Return a pod of hello's first attempt, in which one container has a state."""
    labels = {"runwatchman.dev/agent": "coder", "runwatchman.dev/attempt": "0", "runwatchman.dev/run-uid": "u4"}
    meta = {"name": name, "labels": labels, "creationTimestamp": "2026-01-01T11:30:01Z"}
    status: JsonObject = {"phase": "Failed", "containerStatuses": [{"name": container, "state": state}]}
    status |= {"initContainerStatuses": [{"name": "runwatchman-copy", "state": init}]} if init else {}
    return {"metadata": meta, "spec": {"initContainers": [{"name": "runwatchman-copy"}]}, "status": status}


EXITED: JsonObject = {
    "terminated": {"exitCode": 1, "reason": "Error", "startedAt": "2026-01-01T11:30:02Z", "finishedAt": "2026-01-01T11:30:09Z"}
}
WORKED = a_pod("hello-coder-r0", "agent", {"terminated": {"exitCode": 0, "reason": "Completed"}})
FIRST_TRY, SECOND_TRY = (a_pod(f"hello-coder-r0-verify{number}", "verify", EXITED) for number in (0, 1))


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({}, "verified by pytest -q when an attempt is complete"),
        ({"result": "Running", "attempt": 1}, "attempt 1 is being verified by pytest -q"),
        ({"result": "Passed", "attempt": 1}, "attempt 1 was verified by pytest -q"),
        ({"result": "Failed", "attempt": 1, "exitCode": 2}, "attempt 1 failed the verification by pytest -q: exit code 2"),
        ({"result": "Failed", "attempt": 1}, "attempt 1 failed the verification by pytest -q: it did not end in time"),
    ],
)
def test_a_verification_in_words(found: JsonObject, words: str) -> None:
    """Before, during and after it; an agent without one has no words."""
    assert verification_words({"verify": VERIFY}, {"verification": found} if found else {}) == words
    assert verification_words({}, {}) == ""


def test_a_publication_in_words() -> None:
    """Where it will be, and where it is, with what is not in it."""
    assert published_words({}, {}) == ""
    assert published_words({"publish": PUBLISH}, {}) == "published to branch agents/{run} when it is complete"
    assert published_words({"publish": PUBLISH, "verify": VERIFY}, {}).endswith("complete and verified")
    words = published_words({"publish": PUBLISH}, {"published": PUBLISHED})
    assert words == f"published to branch agents/hello at {COMMIT}; left out: 1: x (unreadable)"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["/bin/sh", "-c", "a | b"], "a | b"),
        (["pytest", "-k", "a b"], "pytest -k 'a b'"),
        (["/bin/sh", "-c", "a", "x"], "/bin/sh -c a x"),
    ],
)
def test_a_command_as_it_is_typed(command: list[str], words: str) -> None:
    """A line for a shell is shown as the line."""
    assert command_words({"command": command}) == words


def test_describe_and_explain() -> None:
    """Both have the words; describe also the end of a failed verification's output, and the outputs of a publication."""
    around = Around(pods=(WORKED, FIRST_TRY, SECOND_TRY))
    run = hello(verification=FAILED, published=PUBLISHED)
    text = describe_run(run, around, sentence, NOW, None).plain
    section = text.partition("Verification and publication\n")[2].partition("\n\n")[0].splitlines()
    assert section[0] == "  coder: attempt 0 failed the verification by pytest -q: exit code 1"
    assert section[1].startswith(f"  coder: published to branch agents/hello at {COMMIT}")
    assert section[2:] == [*(f"    line {number}" for number in range(40 - OUTPUT_LINES, 40)), "    pr: https://git.example/7"]
    for attempt in ("coder r0", "coder r0 verify", "coder r0 verify (2)"):
        assert f"\n  {attempt} " in text
    found = explain_run(run, around, NOW)
    assert "attempt 0 failed the verification by pytest -q: exit code 1" in explained(found, Session().command, NOW, None).plain
    assert document(found)["agents"][0]["publication"].startswith("published to branch agents/hello")


def test_a_task_that_passed_shows_no_output() -> None:
    """The output matters if somebody has to act on it."""
    passed = FAILED | {"result": "Passed", "exitCode": 0}
    assert "line 39" not in describe_run(hello(verification=passed), Around(), sentence, NOW, None).plain


def test_the_pods_of_tasks() -> None:
    """Each is named and judged as its task, by its name, which nobody can change."""
    assert (attempt_name(WORKED), attempt_name(FIRST_TRY), attempt_name(SECOND_TRY)) == (
        "coder r0",
        "coder r0 verify",
        "coder r0 verify (2)",
    )
    assert (judged(hello(), FIRST_TRY), judged(hello(), WORKED)) == ("verify", "agent")
    assert judged_state(hello(), FIRST_TRY) == EXITED
    failed = a_pod("hello-coder-r0-verify0", "verify", {}, {"terminated": {"exitCode": 78, "reason": "Error"}})
    assert ending(hello(), failed) == "init container runwatchman-copy: exit code 78, Error"


@pytest.mark.parametrize(
    ("reason", "effect"),
    [
        ("PublishRefused", "it is tried again, without another attempt of the agent"),
        ("VerificationRepeated", "one more attempt, not charged"),
    ],
)
def test_the_effect_of_a_retry(reason: str, effect: str) -> None:
    """For work that is done, Retry tries its task again."""
    run = hello()
    run["status"] |= {"phase": "Blocked", "reason": reason}
    run["status"]["agents"][0]["reason"] = reason
    found = {change.words[:1]: change.effect for change in changes(run, (escalation("e", "Blocked"),))}
    assert (found["retry",], found["fail",]) == (effect, "the Run fails")


def logs(folder: Path, *words: str, pods: tuple[JsonObject, ...] = (WORKED, SECOND_TRY, FIRST_TRY)) -> tuple[str, str]:
    """Return the errors and hints of `logs`, and its last call of kubectl."""
    kubectl = FakeKubectl(folder / "kubectl")
    kubectl.answers(("*get run*", hello(), "", 0), ("*get pods*", {"items": list(pods)}, "", 0), ("*logs*", "", "", 0))
    done: Any = kubectl.run("logs", "hello", *words)
    return done.stderr, kubectl.calls()[-1]


def test_logs_of_a_task(tmp_path: Path) -> None:
    """`logs` prints the agent's output, and with --task that of the last try; without a pod the error says what there is."""
    assert logs(tmp_path)[1].endswith("logs hello-coder-r0 -c agent")
    assert logs(tmp_path, "--task", "verify")[1].endswith("logs hello-coder-r0-verify1 -c verify")
    error, _ = logs(tmp_path, "--task", "verify", "--attempt", "3")
    assert (
        error
        == "error: there is no pod of task verify of agent coder, attempt 3; there is one of attempts 0: name it with --attempt\n"
    )
    error, _ = logs(tmp_path, "--attempt", "3")
    assert error == "error: there is no pod of agent coder, attempt 3; there are attempts 0\n"
    copying = a_pod("hello-coder-r0-verify0", "verify", {}, {"running": {}})
    hint, call = logs(tmp_path, "--task", "verify", pods=(copying,))
    assert "verify has not run: this is the log of init container runwatchman-copy" in hint
    assert call.endswith("-c runwatchman-copy")
