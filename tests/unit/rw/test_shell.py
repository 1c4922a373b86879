"""`kubectl rw shell`: which container it opens, the pod that it makes for a workspace without an agent, and its removal."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from controller.api import pod_policy
from controller.api.names import LABEL_AGENT, LABEL_ATTEMPT, LABEL_NETWORK, LABEL_RUN, LABEL_RUN_UID, pod_name
from controller.api.run import Workspace
from controller.cli.rw import shell_pod as made
from controller.cli.rw.objects import JsonObject
from controller.resources import network_policy_builder
from tests.unit.rw.fake import FakeKubectl

UID = "11111111-2222-3333-4444-555555555555"
CLAIM: JsonObject = {"metadata": {"name": "fix-coder-workspace"}}
NO_CLAIM = 'Error from server (NotFound): persistentvolumeclaims "fix-coder-workspace" not found'
LATE = "error: timed out waiting for the condition on pods/fix"
HELD = {"reason": "FailedAttachVolume", "message": 'Multi-Attach error for volume "pvc-1"\nVolume is already used by pod(s) x'}


def run(phase: str = "Completed", **agent: object) -> JsonObject:
    """Return a Run with one agent, whose second attempt is the current one."""
    agents = [{"name": "coder", "image": "agent:1", **agent}]
    status = {"phase": phase, "startTime": "2026-01-01T11:00:00Z", "agents": [{"name": "coder", "attempt": 1}]}
    return {"metadata": {"name": "fix", "namespace": "d", "uid": UID}, "spec": {"agents": agents}, "status": status}


def pod(attempt: int = 1, phase: str = "Running", state: str = "running", **spec: object) -> JsonObject:
    """Return the pod of an attempt, as the API server has it."""
    labels = {LABEL_RUN: "fix", LABEL_RUN_UID: UID, LABEL_AGENT: "coder", LABEL_ATTEMPT: str(attempt), LABEL_NETWORK: "managed"}
    container = {"name": "agent", "image": "agent:1", "env": [{"name": "KEY", "value": "secret"}]}
    return {
        "metadata": {"name": pod_name("fix", "coder", attempt), "labels": labels},
        "spec": {"containers": [container], "nodeName": "n1", **spec},
        "status": {"phase": phase, "containerStatuses": [{"name": "agent", "state": {state: {}}}]},
    }


ENDED = pod(phase="Succeeded", state="terminated")


@pytest.fixture
def kubectl(tmp_path: Path) -> FakeKubectl:
    return FakeKubectl(tmp_path / "kubectl")


def test_a_running_agent_is_entered(kubectl: FakeKubectl) -> None:
    """The command runs in the workspace of the agent's own container, and kubectl's flags stay flags."""
    kubectl.answers(
        ("get runs*", run("Running"), "", 0), ("get pods*", {"items": [pod(0, "Failed"), pod()]}, "", 0), ("exec*", "", "", 7)
    )
    done = kubectl.run("shell", "fix", "-n", "d", "--", "git", "status", "-s")
    assert (done.exit_code, done.stderr) == (7, "")
    words = "git status -s"
    assert kubectl.calls()[-1] == f"exec -i fix-coder-r1 -c agent --namespace=d -- sh -c {made.WORK} sh /workspace {words}"


def test_the_workspace_of_an_ended_agent_is_mounted_by_a_pod_that_is_removed(kubectl: FakeKubectl) -> None:
    """The pod is created, awaited, entered and deleted; the exit code is the command's."""
    kubectl.answers(
        ("get runs*", run(workspace={"mountPath": "/src"}), "", 0),
        ("get pods*", {"items": [ENDED]}, "", 0),
        ("get persistentvolumeclaim*", CLAIM, "", 0),
        ("exec*", "", "", 3),
        ("*", "", "", 0),
    )
    done = kubectl.run("shell", "fix", "--", "ls")
    assert done.exit_code == 3
    verbs = [call.split()[0] for call in kubectl.calls()]
    assert verbs == ["get", "get", "get", "create", "wait", "exec", "delete"]
    name = kubectl.calls()[-1].split()[2]
    assert f"pod {name} is started with its workspace, and removed at the end" in done.stderr
    assert kubectl.calls()[-2].endswith(f"{name} -c shell -- sh -c {made.WORK} sh /src ls")


@pytest.mark.parametrize(("signal", "code"), [("INT", 130), ("TERM", 143), ("HUP", 129)])
def test_the_pod_is_removed_when_the_command_is_ended(kubectl: FakeKubectl, signal: str, code: int) -> None:
    """Ctrl-C, a lost terminal and `kill` remove it as well."""
    kubectl.answers(
        ("get runs*", run(workspace={}), "", 0),
        ("get pods*", {"items": [ENDED]}, "", 0),
        ("get persistentvolumeclaim*", CLAIM, "", 0),
        ("exec*", f"$(kill -{signal} $PPID; sleep 10)", "", 0),
        ("*", "", "", 0),
    )
    script = kubectl.path.read_text().replace(f"'$(kill -{signal} $PPID; sleep 10)'", f'"$(kill -{signal} $PPID; sleep 10)"')
    kubectl.path.write_text(script)
    program = """import signal; signal.signal(signal.SIGINT, signal.default_int_handler)
from controller.cli.rw import rw; rw.main(['shell', 'fix'], prog_name='kubectl rw')"""
    done = subprocess.run([sys.executable, "-c", program], env={"KUBECTL": str(kubectl.path), "PATH": "/usr/bin:/bin"}, check=False)
    assert done.returncode == code
    assert kubectl.calls()[-1].startswith("delete pod fix-coder-")


@pytest.mark.parametrize(
    ("found", "pods", "claim", "words"),
    [
        (
            run("Running"),
            [pod(state="waiting")],
            CLAIM,
            "agent coder is starting: its pod fix-coder-r1 is Running; see kubectl rw explain",
        ),
        (run(), [ENDED], CLAIM, "agent coder does not run, and keeps no workspace; its files went with its pod"),
        (
            run(workspace={}),
            [],
            None,
            "the workspace of agent coder is not there (claim fix-coder-workspace); somebody has deleted it",
        ),
        (run(workspace={}), [], {"metadata": {"deletionTimestamp": "t"}}, "is being deleted (claim fix-coder-workspace)"),
    ],
    ids=["starting", "not kept", "gone", "going"],
)
def test_there_is_nothing_to_open(
    kubectl: FakeKubectl, found: JsonObject, pods: list[JsonObject], claim: JsonObject | None, words: str
) -> None:
    """One line has the reason, and no pod is created."""
    reply = ("get persistentvolumeclaim*", claim or "", "" if claim else NO_CLAIM, 0 if claim else 1)
    kubectl.answers(("get runs*", found, "", 0), ("get pods*", {"items": pods}, "", 0), reply)
    done = kubectl.run("shell", "fix")
    assert (done.exit_code, len(done.stderr.splitlines())) == (1, 1)
    assert words in done.stderr


def test_an_unknown_agent(kubectl: FakeKubectl) -> None:
    """The choices are named."""
    kubectl.answers(("get runs*", run(), "", 0))
    assert kubectl.run("shell", "fix", "codr").stderr == "error: Run fix has no agent codr; did you mean coder?\n"


def test_a_volume_that_another_node_holds(kubectl: FakeKubectl) -> None:
    """The error quotes the attach controller, and the pod is removed."""
    kubectl.answers(
        ("get runs*", run(workspace={}), "", 0),
        ("get pods*", {"items": [ENDED]}, "", 0),
        ("get persistentvolumeclaim*", CLAIM, "", 0),
        ("wait*", "", LATE, 1),
        ("get events*", {"items": [HELD]}, "", 0),
        ("get pod *", {}, "", 0),
        ("*", "", "", 0),
    )
    done = kubectl.run("shell", "fix", "--timeout", "5s")
    said = 'has not started within 5s: FailedAttachVolume: Multi-Attach error for volume "pvc-1" Volume is already used by pod(s) x'
    assert said in done.stderr
    assert "another node holds the volume" in done.stderr
    assert kubectl.calls()[-1].startswith("delete pod fix-coder-")


def test_a_pod_that_may_not_be_created_is_not_deleted(kubectl: FakeKubectl) -> None:
    """The API server's words are the error."""
    forbidden = (
        'Error from server (Forbidden): pods "x" is forbidden: User "bob" cannot create resource "pods" in API group "" in the '
        'namespace "d"'
    )
    kubectl.answers(
        ("get runs*", run(workspace={}), "", 0),
        ("get pods*", {"items": [ENDED]}, "", 0),
        ("get persistentvolumeclaim*", CLAIM, "", 0),
        ("create*", "", forbidden, 1),
    )
    assert "bob may not create pods in namespace d" in kubectl.run("shell", "fix").stderr
    assert kubectl.calls()[-1].startswith("create")


def test_the_agent_of_an_active_run_may_start_meanwhile(kubectl: FakeKubectl) -> None:
    """A hint has the command that prevents it."""
    kubectl.answers(
        ("get runs*", run("Running", workspace={}), "", 0),
        ("get pods*", {"items": [ENDED]}, "", 0),
        ("get persistentvolumeclaim*", CLAIM, "", 0),
        ("*", "", "", 0),
    )
    assert "kubectl rw pause fix prevents it" in kubectl.run("shell", "fix").stderr


def test_the_pod_has_the_agents_place_and_user_and_nothing_else_of_it() -> None:
    """Node, sandbox, image, users and network are the agent's; its environment and its labels are not."""
    last = pod(runtimeClassName="gvisor", securityContext={"runAsUser": 4711, "fsGroup": 4712}, tolerations=[{"key": "gpu"}])
    last["spec"]["containers"][0]["securityContext"] = {"runAsUser": 4713, "readOnlyRootFilesystem": True}
    found = made.shell_pod(run(workspace={}), {"name": "coder", "workspace": {}}, "fix-coder-abc-shell", "claim", last, None)
    spec, container = found["spec"], found["spec"]["containers"][0]
    assert (spec["runtimeClassName"], spec["tolerations"], container["image"]) == ("gvisor", [{"key": "gpu"}], "agent:1")
    assert (spec["securityContext"]["runAsUser"], spec["securityContext"]["fsGroup"]) == (4711, 4712)
    assert container["securityContext"]["runAsUser"] == 4713
    assert {entry["name"] for entry in container["env"]} & {"KEY"} == set()
    assert '"values": ["n1"]' in json.dumps(spec["affinity"])
    assert found["metadata"]["labels"] == {"app.kubernetes.io/name": "kubectl-rw-shell", LABEL_NETWORK: "managed"}
    assert "controller" not in found["metadata"]["ownerReferences"][0]


@pytest.mark.parametrize(
    "agent",
    [
        {"name": "coder", "image": "mine:1"},
        {
            "name": "coder",
            "template": {"spec": {"containers": [{"name": "proxy", "image": "p"}, {"name": "agent", "image": "mine:1"}]}},
        },
        {"name": "coder", "template": {"spec": {"containers": [{"name": "x", "image": "mine:1"}]}}},
    ],
    ids=["image", "template", "only container"],
)
def test_without_a_pod_the_spec_has_the_image(agent: JsonObject) -> None:
    """A paused Run's pods may be gone: the image is that of the spec, and the user is the operator's default."""
    spec = made.shell_pod(run(), agent, "n", "claim", None, None)["spec"]
    assert (spec["containers"][0]["image"], spec["securityContext"]["runAsUser"]) == ("mine:1", made.AGENT_USER)
    assert made.shell_pod(run(), agent, "n", "claim", None, "other")["spec"]["containers"][0]["image"] == "other"


def test_repeated_constants_are_the_operators() -> None:
    """They are repeated so that the plugin starts without importing a model."""
    assert made.AGENT_USER == pod_policy.AGENT_USER
    assert made.MANAGED == network_policy_builder.MANAGED
    assert Workspace().mount_path == made.WORKSPACE_DIR
