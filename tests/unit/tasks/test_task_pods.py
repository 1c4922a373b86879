"""The pods of tasks: who they are, what is in them, and that no container has a Secret which is another one's."""

from __future__ import annotations

import pytest

from controller.api.base import JsonObject
from controller.api.ca_bundle import CaBundle
from controller.api.cluster_defaults import Variable
from controller.api.container_fields import Resources
from controller.api.pod_metadata import PodMetadata
from controller.api.pod_policy import Provision
from controller.api.policy import HostUsers, NetworkMode, RunPolicySpec
from controller.api.tasks import TaskKind
from controller.facts.pods import pod_facts
from controller.resources.git_container import NoGitImage
from controller.resources.refusal_hints import with_hint
from controller.resources.task_pod_builder import Task, build_task_pod
from tests.unit.tasks.samples import (
    BASE,
    CLONED,
    COMMIT,
    OPEN,
    PUBLICATION,
    PUBLISH,
    SHORT,
    TEMPLATE,
    TREE,
    URL,
    VERIFY,
    agent_of,
    attempt_pod,
    boxes,
    environment,
    run_of,
    secrets,
    secrets_of,
    task_pod,
)

FORMS = [pytest.param(SHORT, id="short form"), pytest.param(TEMPLATE, id="template")]
TASKS = {"verify": VERIFY, "publish": PUBLISH | {"command": OPEN}}
OF_AGENT: dict[str, set[str]] = {"runwatchman-reporter": set(), "agent": {"model"}, "prepare": {"model"}, "helper": {"model"}}


@pytest.mark.parametrize("form", FORMS)
def test_each_secret_has_one_container(form: JsonObject) -> None:
    """The clone's Secret is in the clone's container only, the push's in the pusher's, and no task has one of the agent's."""
    run = run_of(form, verify={**VERIFY, "envFrom": [{"secretRef": {"name": "test"}}]}, publish=PUBLISH)
    opening = run_of(form, publish=TASKS["publish"])
    found = {
        "first attempt": attempt_pod(run),
        "later attempt": attempt_pod(run, CLONED),
        "verification": task_pod(TaskKind.VERIFY, run),
        "publication": task_pod(TaskKind.PUBLISH, run),
        "publication with a command": task_pod(TaskKind.PUBLISH, opening),
    }
    own = {name: names for name, names in OF_AGENT.items() if name in boxes(found["first attempt"])}
    assert {what: {name: secrets(pod, box) for name, box in boxes(pod).items()} for what, pod in found.items()} == {
        "first attempt": {**own, "runwatchman-source": {"clone"}},
        "later attempt": {**own, "runwatchman-source": set()},
        "verification": {"runwatchman-copy": set(), "verify": {"test"}},
        "publication": {"publish": {"push"}},
        "publication with a command": {"runwatchman-publish": {"push"}, "publish": {"forge"}},
    }
    volumes = {what: {name for volume in pod["spec"]["volumes"] for name in secrets_of(volume)} for what, pod in found.items()}
    assert volumes["verification"] == set()
    assert volumes["publication"] == volumes["publication with a command"] == {"push"}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", TaskKind)
def test_nothing_of_the_agent_is_in_a_task(form: JsonObject, kind: TaskKind) -> None:
    """No variable, volume, container, label or annotation of the template, no brief, no reporter, no token and no account."""
    pod = task_pod(kind, run_of(form, **TASKS))
    spec, meta = pod["spec"], pod["metadata"]
    assert {name for box in boxes(pod).values() for name in environment(box)}.isdisjoint({"KEY", "RUNWATCHMAN_SESSION_ID"})
    assert not {"prepare", "helper", "agent", "runwatchman-reporter"} & boxes(pod).keys()
    assert (spec["automountServiceAccountToken"], spec.get("serviceAccountName"), spec.get("shareProcessNamespace")) == (
        False,
        None,
        None,
    )
    assert meta["annotations"] == {}
    assert meta["labels"].keys() == {f"runwatchman.dev/{name}" for name in ("run", "run-uid", "agent", "attempt", "task")}
    mounted = [mount for box in boxes(pod).values() for mount in box["volumeMounts"] if mount["name"] == "runwatchman-workspace"]
    assert [mount.get("readOnly") for mount in mounted] == [True]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", TaskKind)
def test_a_task_is_fenced_restricted_and_ours(form: JsonObject, kind: TaskKind) -> None:
    """It has gate, finalizer, owner, name and labels, and every container meets Pod Security's restricted."""
    pod = task_pod(kind, run_of(form, **TASKS), number=3)
    spec, meta, label = pod["spec"], pod["metadata"], kind.lower()
    assert (meta["name"], meta["namespace"]) == (f"demo-coder-r2-{label}3", "ns")
    assert meta["labels"]["runwatchman.dev/task"] == label
    assert meta["finalizers"] == ["runwatchman.dev/outcome"]
    assert [(owner["uid"], owner["controller"]) for owner in meta["ownerReferences"]] == [("run-1", True)]
    assert spec["schedulingGates"] == [{"name": "runwatchman.dev/admitted"}]
    assert (spec["restartPolicy"], spec["securityContext"]["runAsNonRoot"]) == ("Never", True)
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for box in boxes(pod).values():
        assert box["securityContext"].items() >= {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}.items()
    meta["uid"] = "p"
    facts = pod_facts(pod, label)
    assert (facts.agent, facts.attempt, facts.task, facts.task_number, facts.gated) == ("coder", 2, label, 3, True)


@pytest.mark.parametrize("kind", TaskKind)
def test_a_task_runs_where_its_agent_may_run(kind: TaskKind) -> None:
    """Nodes, priority, pull secrets and users are the template's; the gates of others are not, because they were for the agent."""
    pod = task_pod(kind, run_of(TEMPLATE, **TASKS))
    given = TEMPLATE["template"]["spec"]
    for field in ("nodeSelector", "tolerations", "priorityClassName", "imagePullSecrets"):
        assert pod["spec"][field] == given[field]
    assert pod["spec"]["securityContext"].items() >= {"runAsUser": 2000, "supplementalGroups": [7]}.items()
    assert {box["securityContext"]["runAsUser"] for box in boxes(pod).values()} == {3000}


@pytest.mark.parametrize("kind", TaskKind)
def test_the_policy_holds_for_tasks(kind: TaskKind) -> None:
    """What a policy sets or demands of agents' pods holds for those of tasks: nothing gets around it by `verify` or `publish`."""
    policy = RunPolicySpec(
        env=(Variable(name="HTTPS_PROXY", value="http://proxy:3128"),),
        ca_bundle=CaBundle(config_map_name="ca"),
        resources=Resources(limits={"memory": "1Gi"}),
        runtime_class_name="gvisor",
        host_users=HostUsers.PRIVATE,
        network_policy=NetworkMode.MANAGED,
        node_selector={"pool": "agents"},
        pod_metadata=PodMetadata(labels={"team": "a"}, annotations={"cost": "b"}),
    )
    pod = task_pod(kind, run_of({"image": "x"}, **TASKS), policy)
    spec, meta = pod["spec"], pod["metadata"]
    assert (spec["runtimeClassName"], spec["hostUsers"], spec["nodeSelector"]) == ("gvisor", False, {"pool": "agents"})
    assert meta["labels"].items() >= {"team": "a", "runwatchman.dev/network": "managed"}.items()
    assert meta["annotations"] == {"cost": "b"}
    for box in boxes(pod).values():
        assert box["resources"] == {"limits": {"memory": "1Gi"}}
        assert environment(box)["HTTPS_PROXY"] == "http://proxy:3128"
        assert environment(box)["GIT_SSL_CAINFO"] == "/runwatchman/ca/ca.crt"


def test_the_command_that_verifies() -> None:
    """It works on the copy where the agent worked on the workspace, in the agent's image unless it has another one."""
    pod = task_pod(TaskKind.VERIFY, run_of(SHORT, verify={"command": ["sh", "-c", "test $(ls) = $$"]}))
    copy, verify = boxes(pod)["runwatchman-copy"], boxes(pod)["verify"]
    assert (verify["image"], verify["imagePullPolicy"], verify["resources"]) == ("agent:1", "Always", {"limits": {"memory": "2Gi"}})
    assert verify["command"][:2] == ["/bin/sh", "-c"]
    assert verify["command"][3:] == ["verify", "/runwatchman/output", "sh", "-c", "test $$(ls) = $$$$"]
    assert verify["workingDir"] == "/workspace/src"
    assert environment(verify) == {
        "RUNWATCHMAN_RUN": "demo",
        "RUNWATCHMAN_AGENT": "coder",
        "RUNWATCHMAN_ATTEMPT": "2",
        "RUNWATCHMAN_WORKSPACE": "/workspace",
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "/workspace",
        "GIT_CONFIG_KEY_1": "safe.directory",
        "GIT_CONFIG_VALUE_1": "/workspace/*",
    }
    assert {mount["mountPath"]: mount["name"] for mount in verify["volumeMounts"]} == {
        "/workspace": "runwatchman-copy",
        "/runwatchman/output": "runwatchman-output",
    }
    assert (copy["image"], copy["command"]) == ("git:1", ["rw-copy"])
    assert environment(copy) == {
        "TMPDIR": "/tmp",  # noqa: S108  # a path in the container
        "RUNWATCHMAN_WORKSPACE": "/workspace",
        "RUNWATCHMAN_COPY": "/copy",
        "RUNWATCHMAN_SOURCE_DIRECTORY": "src",
        "RUNWATCHMAN_SOURCE_BASE": BASE,
    }
    (volume,) = [each for each in pod["spec"]["volumes"] if each["name"] == "runwatchman-copy"]
    assert volume["emptyDir"] == {"sizeLimit": "5Gi"}


def test_only_a_verification_gets_the_agents_devices() -> None:
    """A copy or a push that waited for a GPU would wait for nothing."""
    agent = SHORT | {"resources": {"limits": {"nvidia.com/gpu": "1", "cpu": "2"}, "requests": {"nvidia.com/gpu": "1"}}}
    run, plain = run_of(agent, verify=VERIFY, publish=TASKS["publish"]), {"limits": {"cpu": "2"}}
    verification, publication = boxes(task_pod(TaskKind.VERIFY, run)), boxes(task_pod(TaskKind.PUBLISH, run))
    assert (verification["verify"]["resources"], verification["runwatchman-copy"]["resources"]) == (agent["resources"], plain)
    assert [box["resources"] for box in publication.values()] == [plain, plain]


def test_a_verification_of_its_own() -> None:
    """Another image, limits, and a workspace without source, whose copy has no tree."""
    verify = {"command": ["make", "test"], "image": "tools:1", "resources": {"limits": {"cpu": "1"}}}
    pod = task_pod(TaskKind.VERIFY, run_of(SHORT, verify=verify, workspace={"mountPath": "/w"}), cloned=None)
    box = boxes(pod)["verify"]
    assert (box["image"], box.get("imagePullPolicy"), box["resources"]) == ("tools:1", None, {"limits": {"cpu": "1"}})
    assert (box["workingDir"], environment(box)["RUNWATCHMAN_WORKSPACE"]) == ("/w", "/w")
    assert not [name for name in environment(boxes(pod)["runwatchman-copy"]) if "SOURCE" in name]


def test_the_container_that_pushes() -> None:
    """It has what images/git/rw-publish reads; the time is one on record, so that a repeated push makes the same commit."""
    pod = task_pod(TaskKind.PUBLISH, run_of(SHORT, publish=PUBLISH))
    push = boxes(pod)["publish"]
    assert (push["image"], push["command"], push["securityContext"]["readOnlyRootFilesystem"]) == ("git:1", ["rw-publish"], True)
    assert environment(push) == {
        "RUNWATCHMAN_RUN": "demo",
        "RUNWATCHMAN_AGENT": "coder",
        "RUNWATCHMAN_ATTEMPT": "2",
        "TMPDIR": "/tmp",  # noqa: S108  # a path in the container
        "RUNWATCHMAN_WORKSPACE": "/workspace",
        "RUNWATCHMAN_SOURCE_DIR": "/source",
        "RUNWATCHMAN_SOURCE_DIRECTORY": "src",
        "RUNWATCHMAN_SOURCE_BASE": BASE,
        "RUNWATCHMAN_PUBLISH_URL": URL,
        "RUNWATCHMAN_PUBLISH_BRANCH": "agents/demo-coder",
        "RUNWATCHMAN_PUBLISH_EXPECTED": COMMIT,
        "RUNWATCHMAN_PUBLISH_TREE": TREE,
        "RUNWATCHMAN_PUBLISH_MESSAGE": "Work of agent coder in Run ns/demo",
        "RUNWATCHMAN_PUBLISH_DATE": "2026-01-01T12:00:00Z",
        "RUNWATCHMAN_PUBLISH_SUMMARY": "/runwatchman/summary/variables",
    }
    mounts = {mount["mountPath"]: mount["name"] for mount in push["volumeMounts"]}
    assert mounts["/source/secret"] == "runwatchman-push"
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    assert volumes[mounts["/tmp"]]["emptyDir"]["medium"] == "Memory"  # noqa: S108  # a path in the container
    assert volumes[mounts["/tmp/runwatchman-publish"]]["emptyDir"] == {"sizeLimit": "5Gi"}  # noqa: S108  # a path in the container


def test_the_command_after_the_push() -> None:
    """It starts when the push has succeeded, and has the summary of it, but neither the workspace nor the credential."""
    pod = task_pod(TaskKind.PUBLISH, run_of(SHORT, publish=PUBLISH | {"command": OPEN}))
    assert [box["name"] for box in pod["spec"]["initContainers"]] == ["runwatchman-publish"]
    (command,) = pod["spec"]["containers"]
    assert (command["image"], command["command"][3:]) == ("gh:1", ["publish", "gh", "pr", "create"])
    assert environment(command)["RUNWATCHMAN_PUBLISH_SUMMARY"] == "/runwatchman/summary/variables"
    assert [(mount["name"], mount.get("readOnly")) for mount in command["volumeMounts"]] == [("runwatchman-summary", True)]


@pytest.mark.parametrize(
    ("git", "bundle"),
    [
        ({}, "source-ca"),
        ({"caBundle": {"configMapName": "own-ca"}}, "own-ca"),
        ({"url": "https://other.example/x.git"}, None),
        ({"url": "https://other.example/x.git", "caBundle": {"configMapName": "own-ca"}}, "own-ca"),
    ],
)
def test_the_certificates_of_the_server(git: JsonObject, bundle: str | None) -> None:
    """Those of the source hold for the source's own server; another server has its own or none."""
    source = {"git": {"url": URL, "caBundle": {"configMapName": "source-ca"}}}
    pod = task_pod(TaskKind.PUBLISH, run_of({"image": "x"}, workspace={"source": source}, publish={"git": {"branch": "b", **git}}))
    found = [volume["configMap"]["name"] for volume in pod["spec"]["volumes"] if "configMap" in volume]
    assert found == ([bundle] if bundle else [])
    assert environment(boxes(pod)["publish"])["RUNWATCHMAN_PUBLISH_URL"] == git.get("url", URL)


@pytest.mark.parametrize("kind", TaskKind)
def test_without_the_image(kind: TaskKind) -> None:
    """An operator without the image with git says which field needs it, and how it is set."""
    run = run_of(SHORT, **TASKS)
    with pytest.raises(NoGitImage, match=f"agent coder: {kind.lower()} needs the image with git.*set git.image in the chart"):
        build_task_pod(run, agent_of(run), Task(kind, 0, publication=PUBLICATION), None, RunPolicySpec(), Provision())


@pytest.mark.parametrize(
    ("kind", "publish", "names"),
    [
        (TaskKind.VERIFY, PUBLISH, {"runwatchman-copy": "operator's", "verify": "Run's"}),
        (TaskKind.PUBLISH, PUBLISH, {"publish": "operator's"}),
        (TaskKind.PUBLISH, TASKS["publish"], {"runwatchman-publish": "operator's", "publish": "Run's"}),
    ],
)
def test_a_refused_image_has_an_owner(kind: TaskKind, publish: JsonObject, names: dict[str, str]) -> None:
    """A policy engine that refuses an image: the hint says whose it is. A quota's refusal names no reporter: there is none."""
    pod = task_pod(kind, run_of(SHORT, verify=VERIFY, publish=publish))
    for name, owner in names.items():
        assert f"Container {name} is the {owner}" in with_hint(f'image of container "{name}" is from an unknown registry', pod, 900)
    assert "reporter" not in with_hint("exceeded quota: team, requested: limits.memory=2Gi", pod, 900)


def test_the_template_is_not_changed() -> None:
    """Building twice gives the same pod."""
    run = run_of(TEMPLATE, **TASKS)
    assert task_pod(TaskKind.VERIFY, run) == task_pod(TaskKind.VERIFY, run)
    assert attempt_pod(run) == attempt_pod(run_of(TEMPLATE, **TASKS))
