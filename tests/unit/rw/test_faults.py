"""Faults between the plugin and the API server: one line on stderr that includes the remedy, and exit code 1."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from controller.cli.rw import run
from tests.unit.rw.fake import FakeKubectl
from tests.unit.rw.one_run import ME, RUN, question

NOT_FOUND = 'Error from server (NotFound): runs.runwatchman.dev "helo" not found'
FORBIDDEN = (
    'Error from server (Forbidden): runs.runwatchman.dev "x" is forbidden: User "bob" cannot get resource "runs" in API group '
    '"runwatchman.dev" in the namespace "team"'
)
CONFLICT = "Error from server (Conflict): the object has been modified; please apply your changes to the latest version"


@pytest.fixture
def kubectl(tmp_path: Path) -> FakeKubectl:
    return FakeKubectl(tmp_path / "kubectl")


OLDER_CRD = (
    'Error from server (BadRequest): error when creating "STDIN": Run in version "v1alpha1" cannot be handled as a Run: strict '
    'decoding error: unknown field "spec.requestedBy"'
)
"""The answer of an API server with the CRDs of 0.1.0.dev1."""


@pytest.mark.parametrize(
    ("stderr", "words"),
    [
        (
            FORBIDDEN,
            "bob may not get runs.runwatchman.dev in namespace team; it takes a role with verb get on runs.runwatchman.dev",
        ),
        ('error: context "x" does not exist', 'error: context "x" does not exist\n'),
        (
            "The connection to the server localhost:8080 was refused - did you specify the right host or port?",
            "config current-context",
        ),
        ("W1 noise\nUnable to connect to the server: dial tcp: lookup nope: no such host", "name another with --context"),
        ('error: the server doesn\'t have a resource type "runs"', "CRDs are not installed here"),
        ("error: You must be logged in to the server (Unauthorized)", "the API server does not know who you are; log in again"),
        ("", "kubectl failed without a message"),
    ],
)
def test_no_run_can_be_read(kubectl: FakeKubectl, stderr: str, words: str) -> None:
    """Each error of kubectl on the way to the API server becomes one line."""
    kubectl.answers(("*", "", stderr, 1))
    done = kubectl.run("describe", "x")
    assert (done.exit_code, done.stdout) == (1, "")
    assert words in done.stderr
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_name_that_does_not_exist(kubectl: FakeKubectl) -> None:
    """The nearest name is suggested, for every command that takes a Run's name."""
    kubectl.answers(("get*helo*", "", NOT_FOUND, 1), ("get*", {"items": [RUN]}, "", 0))
    for command in ("describe", "explain", "pause", "resume", "stop", "restart", "logs", "rerun"):
        done = kubectl.run(command, "helo", "-n", "d")
        assert (done.exit_code, done.stderr) == (1, "error: Run helo not found in namespace d; did you mean hello?\n")


def test_the_names_may_be_hidden(kubectl: FakeKubectl) -> None:
    """A user who may get but not list Runs still learns that the Run does not exist."""
    kubectl.answers(("get*helo*", "", NOT_FOUND, 1), ("get*", "", FORBIDDEN, 1))
    done = kubectl.run("describe", "helo")
    assert "Run helo not found in this namespace; look elsewhere with -n or get -A" in done.stderr


def test_an_answer_is_written_over_the_version_that_was_read(kubectl: FakeKubectl) -> None:
    """A conflict with the operator's write does not fail the command: it reads the escalation again, and answers if it is still
    open.
    """
    kubectl.answers(("auth*", ME, "", 0), ("patch*", "", CONFLICT, 1), ("get*", question(), "", 0))
    done = kubectl.run("answer", "q", "yes")
    assert (done.exit_code, done.stderr) == (1, "error: escalation q keeps changing; try again\n")
    patches = [call for call in kubectl.calls() if call.startswith("patch")]
    assert len(patches) == 3
    assert '"resourceVersion": "7"' in patches[0]
    assert '"by": "alice"' in patches[0]


def test_somebody_was_quicker(kubectl: FakeKubectl, tmp_path: Path) -> None:
    """If the escalation was answered in between, the command names the answer and its author, and overwrites nothing."""
    other = question(phase="Answered")
    other["spec"]["response"] = {"decision": "Answer", "answer": "no", "by": "bob"}
    log = tmp_path / "kubectl.log"
    answered = f"get*) grep -q ^patch {log} && cat {tmp_path}/late || cat {tmp_path}/early; exit 0;;\n"
    (tmp_path / "early").write_text(json.dumps(question()))
    (tmp_path / "late").write_text(json.dumps(other))
    kubectl.answers(("auth*", ME, "", 0), ("patch*", "", CONFLICT, 1))
    kubectl.path.write_text(kubectl.path.read_text().replace('*) echo "unforeseen', answered + '*) echo "unforeseen'))
    done = kubectl.run("answer", "q", "yes")
    assert done.stderr == "error: escalation q is no longer open; it was answered (bob: Answer: no)\n"


def test_admission_speaks_for_itself(kubectl: FakeKubectl) -> None:
    """A policy's message reaches the user without the policy's name around it."""
    denied = (
        "Error from server (Forbidden): escalations.runwatchman.dev \"q\" is forbidden: ValidatingAdmissionPolicy 'escalations' "
        "with binding 'escalations' denied request: only alice may answer"
    )
    kubectl.answers(("auth*", ME, "", 0), ("patch*", "", denied, 1), ("get*", question(), "", 0))
    assert kubectl.run("answer", "q", "yes").stderr == "error: only alice may answer\n"


def test_invalid_objects_name_their_fields(kubectl: FakeKubectl) -> None:
    """The API server's refusal of a Run is one line with its path."""
    invalid = 'The Run "r" is invalid: \n* spec.agents[0].name: Invalid value: "a-b"\n* spec: no'
    kubectl.answers(("create*", "", invalid, 1))
    done = kubectl.run("run", "r", "--image", "x", "--agent-name", "a-b")
    assert done.stderr == 'error: Run r is refused: spec.agents[0].name: Invalid value: "a-b"; spec: no\n'


def test_no_kubectl(tmp_path: Path) -> None:
    """The message names the missing program, and the option for its path."""
    done = FakeKubectl(tmp_path / "nowhere").run("get")
    assert done.exit_code == 1
    assert done.stderr == f"error: there is no program {tmp_path}/nowhere; install kubectl or set $KUBECTL to its path\n"


def test_a_kubectl_that_cannot_be_run(kubectl: FakeKubectl) -> None:
    """A file that cannot be executed is reported as such."""
    kubectl.path.write_text("#!/does/not/exist\n")
    kubectl.path.chmod(0o755)
    assert "cannot be run (No such file or directory); install kubectl" in kubectl.run("get").stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("get", "--bogus"), "error: No such option '--bogus'"),
        (("frobnicate",), "error: No such command 'frobnicate'; see `kubectl rw --help`"),
        (("run",), "error: Missing argument 'NAME'; see `kubectl rw run --help`"),
        (("run", "r"), "there is no agent to run; name a CLI with --agent codex|claude, or an image with --image"),
        (("run", "fix the test", "--agent", "codex"), '"fix the test" is not a name; give the Run\'s name first'),
        (("run", "r", "--agent", "codex", "  "), "codex needs a prompt; give it after the Run's name"),
        (("run", "r", "--agent", "codex", "a", "--brief", "b"), "PROMPT and --brief exclude each other"),
        (("run", "r", "--agent", "codex", "fix", "--", "sh", "-c"), "after -- there are options of codex, and sh is none"),
        (("run", "r", "--agent", "claude", "fix"), "no image with claude is published, because its licence reserves all rights"),
        (
            ("run", "r", "--agent", "codex", "fix", "--repo-secret", "k"),
            "--repo-secret k is for a repository; name it with --repo URL",
        ),
        (("run", "r", "--agent", "codex", "fix", "--repo", "https://h/a@"), "--repo https://h/a@ names no revision after its @"),
        (("run", "r", "--agent", "codx", "fix"), "'codx' is not one of 'codex', 'claude'"),
        (("run", "r", "--image", "x", "--dry-run", "--watch"), "--dry-run and --watch exclude each other"),
        (("run", "r", "--image", "x", "--brief", "a", "--brief-file", "-"), "--brief and --brief-file exclude each other"),
        (("run", "r", "--image", "x", "--brief-file", "/does/not/exist"), "cannot be read; No such file or directory"),
    ],
)
def test_wrong_command_lines(kubectl: FakeKubectl, args: tuple[str, ...], words: str) -> None:
    """As with kubectl: one line and exit code 1, without a request to the API server."""
    done = kubectl.run(*args)
    assert done.exit_code == 1
    assert words in done.stderr
    assert kubectl.calls() == []


def test_flags_are_passed_on_from_both_places(kubectl: FakeKubectl) -> None:
    """Kubectl's own flags reach every call, before or after the command; hints keep the namespace."""
    kubectl.answers(("*", {"items": []}, "", 0))
    done = kubectl.run("--context", "c", "get", "-n", "team", "--as", "bob", "--as-group", "a", "--as-group", "b")
    assert done.exit_code == 0
    assert "kubectl rw run hello --image busybox:1.37 -n team -- echo hello" in done.stderr
    for call in kubectl.calls():
        assert call.endswith("--context=c --namespace=team --as=bob --as-group=a --as-group=b")


def test_output_for_programs_is_kubectls_own(kubectl: FakeKubectl) -> None:
    """With -o kubectl is called directly: its output and its exit code are the plugin's."""
    kubectl.answers(("get*", "", "", 3))
    assert kubectl.run("get", "hello", "-A", "-l", "a=b", "-w", "-o", "json").exit_code == 3
    assert kubectl.calls() == ["get runs.runwatchman.dev hello -A -l a=b -w -o json"]


def test_what_may_not_be_seen_is_told_and_the_rest_shown(kubectl: FakeKubectl) -> None:
    """A caller who may read only Runs sees their data, and for the rest the reason why it is missing."""
    kubectl.answers(("get runs*", RUN, "", 0), ("*", "", FORBIDDEN, 1))
    for command in ("describe", "explain"):
        done = kubectl.run(command, "hello")
        assert done.exit_code == 0
        assert "bob may not get runs.runwatchman.dev in namespace team" in done.stdout


@pytest.mark.parametrize("command", ["pause", "stop", "restart"])
def test_a_run_that_is_not_acted_on_is_not_steered(kubectl: FakeKubectl, command: str) -> None:
    """The plugin does not promise what the operator would not do: it writes nothing."""
    refused = {**RUN, "status": {"phase": "Blocked", "reason": "SpecRefused"}}
    kubectl.answers(("get*", refused, "", 0))
    done = kubectl.run(command, "hello")
    assert done.stderr == "error: the operator does not act on Run hello (SpecRefused); see kubectl rw explain hello\n"
    assert not [call for call in kubectl.calls() if call.startswith("patch")]


def test_a_new_session_is_asked_for_with_the_restart(kubectl: FakeKubectl) -> None:
    """One patch asks for both, with the same time, so that the new attempt never resumes the session that was given up."""
    kubectl.answers(("get*", RUN, "", 0), ("patch*", "", "", 0))
    done = kubectl.run("restart", "hello", "--new-session")
    assert done.stdout.endswith("with a new session requested\n")
    (patch,) = [call for call in kubectl.calls() if call.startswith("patch")]
    spec = json.loads(patch[patch.index("{") : patch.rindex("}") + 1])["spec"]
    assert spec["newSessionAt"] == spec["restartedAt"] != {}
    kubectl.run("restart", "hello")
    assert "newSessionAt" not in kubectl.calls()[-1]


def test_a_briefs_encoding_is_named_and_its_mark_is_left_out(kubectl: FakeKubectl, tmp_path: Path) -> None:
    """An editor may save a prompt in UTF-16, or begin it with a byte order mark."""
    brief = tmp_path / "brief.md"
    kubectl.answers(("create*", {"spec": {}}, "", 0))
    brief.write_bytes("fix it".encode("utf-16"))
    done = kubectl.run("run", "r", "--image", "x", "--brief-file", str(brief), "--dry-run=client")
    assert done.stderr == f"error: --brief-file {brief} is encoded in UTF-16: save it as UTF-8\n"
    brief.write_bytes("fix it".encode("utf-8-sig"))
    assert run._read(str(brief), "--brief-file") == "fix it"


def test_a_cluster_with_older_crds_gets_a_run_without_its_requester(tmp_path: Path) -> None:
    """The plugin is often updated before the cluster."""
    kubectl = FakeKubectl(tmp_path / "kubectl")
    script = f"""#!/bin/sh
case "$*" in
*whoami*) echo '{{"status": {{"userInfo": {{"username": "ruth"}}}}}}';;
*) if grep -q requestedBy; then echo {shlex.quote(OLDER_CRD)} >&2; exit 1; fi; echo created;;
esac
"""
    kubectl.path.write_text(script)
    kubectl.path.chmod(0o755)
    assert kubectl.run("run", "x", "--image", "busybox").stdout.startswith("run x created")
