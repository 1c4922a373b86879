"""The source of a workspace: what the API accepts, the container that clones, and what its end means."""

from __future__ import annotations

from typing import Any, cast

import pytest

from controller.api.base import JsonObject, dump
from controller.api.ca_bundle import CaBundle
from controller.api.checks import parse_run_spec
from controller.api.cluster_defaults import Variable
from controller.api.container_fields import Resources
from controller.api.operator_state import AgentState, OperatorState, OutcomeResult
from controller.api.policy import OutcomeAction, RunPolicySpec
from controller.api.source import SourceStatus
from controller.api.violations import Refused
from controller.cache.run_cache import RunCache
from controller.cli.rw.source_text import source_words
from controller.facts.pods import pod_facts
from controller.kube.client import Client
from controller.plan import plan, transitions
from controller.plan.actions import CreatePod, RecordOutcome, ReserveAttempt
from controller.plan.intents import Charge
from controller.plan.outcomes import action_for, classify
from controller.plan.reasons import Reason
from controller.plan.snapshot import PodFacts, RunFacts, Snapshot
from controller.reconcile.actions.create import create_pod
from controller.reconcile.actions.dependencies import Tools
from controller.resources.pod_builder import Cloning, build_pod
from controller.resources.refusal_hints import with_hint
from controller.resources.reporter_sidecar import Sidecar
from controller.status.status import build_status
from tests.builders import a_pod
from tests.unit.test_creating import Recording
from tests.unit.test_timestamps import NOON

HTTPS = "https://git.example/team/project.git"
SSH = "git@git.example:team/project.git"
COMMIT, OTHER_COMMIT = "0123456789abcdef" * 2 + "01234567", "f" * 40
IMAGE = Cloning("git:1")
CLONED = Cloning("git:1", SourceStatus(revision=COMMIT))


def run_with(git: JsonObject, **agent: Any) -> RunFacts:
    """Return a Run whose agent's workspace has this source."""
    source = {"name": "coder", "workspace": {"source": {"git": git}}, **({"image": "x"} | agent)}
    source = {key: value for key, value in source.items() if value is not None}
    return RunFacts("ns", "demo", "run-1", 1, parse_run_spec({"spec": {"agents": [source]}}))


def pod_of(git: JsonObject, cloning: Cloning = IMAGE, *, policy: RunPolicySpec | None = None, **agent: Any) -> JsonObject:
    """Return the spec of the pod of a Run with this source."""
    run = run_with(git, **agent)
    assert run.spec
    pod = build_pod(run, run.spec.agents[0], 0, sidecar=Sidecar("r:1"), policy=policy or RunPolicySpec(), cloning=cloning)
    return cast("JsonObject", pod["spec"])


def source_of(spec: JsonObject) -> JsonObject:
    """Return the container that clones."""
    (found,) = [each for each in spec["initContainers"] if each["name"] == "runwatchman-source"]
    return cast("JsonObject", found)


def environment(container: JsonObject) -> dict[str, str]:
    """Return a container's variables."""
    return {each["name"]: each["value"] for each in container["env"]}


@pytest.mark.parametrize(
    "git",
    [
        {"url": HTTPS},
        {"url": "https://git.example:8443/~me/project", "revision": "feature/x-1", "depth": 1, "submodules": True},
        {"url": HTTPS, "revision": COMMIT, "secretName": "clone", "directory": "src/project"},
        {"url": HTTPS, "caBundle": {"configMapName": "ca", "key": "root.pem"}},
        {"url": SSH, "secretName": "clone", "revision": "refs/pull/7/head"},
        {"url": "ssh://git@git.example:2222/project.git", "secretName": "clone", "revision": "v1.0"},
        {"url": "ssh://git.example/project.git", "secretName": "clone"},
    ],
)
def test_accepted(git: JsonObject) -> None:
    """Every form of a URL and every field; the spec is written as it was read."""
    spec = run_with(git).spec
    assert spec
    assert spec.agents[0].workspace
    assert dump(spec.agents[0].workspace)["source"]["git"].items() >= git.items()


FORMS = "must be https://HOST/PATH, ssh://USER@HOST/PATH or USER@HOST:PATH, without spaces"


@pytest.mark.parametrize(
    ("git", "field", "says"),
    [
        (
            {"url": "https://robot:pw@git.example/x.git"},
            "url",
            "put them into a Secret of type kubernetes.io/basic-auth and name it in",
        ),
        ({"url": "https://TOKEN@git.example/x.git"}, "url", "may have no user and no password"),
        ({"url": "ssh://git:pw@git.example/x.git"}, "url", "may have no password"),
        *(
            ({"url": url}, "url", FORMS)
            for url in (
                *("http://git.example/x.git", "git://git.example/x.git", "file:///etc", "/srv/x.git", "../x", "git.example:x.git"),
                *(
                    "https://git.example",
                    "ext::sh -c date",
                    "https://git.example/a b",
                    "--upload-pack=x",
                    "ssh://-oProxyCommand=x/y",
                ),
                *("git@-oProxyCommand=x:y", "https://git.example/x\ny"),
            )
        ),
        ({"url": SSH}, "secretName", "secretName is required for ssh: name a Secret of type kubernetes.io/ssh-auth"),
        ({"url": SSH, "secretName": "s", "caBundle": {"configMapName": "c"}}, "caBundle", "caBundle is for https:// only"),
        *(
            ({"url": HTTPS, "directory": folder}, "directory", "must be a path in the workspace such as src/project")
            for folder in ("/etc", "../x", "a/../b", "", ".git", "a//b", "a/.git", ".runwatchman-clone")
        ),
        *(
            ({"url": HTTPS, "revision": revision}, "revision", "must be a branch, a tag, a full commit or a ref")
            for revision in ("", "-x", "--upload-pack=x", "a b", "a:b", "a^", "main~1")
        ),
        ({"url": HTTPS, "depth": 0}, "depth", "must be a whole number from 1 to 1000000"),
        ({"url": HTTPS, "branch": "x"}, "branch", "unknown field"),
        ({}, "url", "this field is required"),
    ],
)
def test_refused(git: JsonObject, field: str, says: str) -> None:
    """Each violation has the field's path and the remedy."""
    with pytest.raises(Refused) as error:
        run_with(git)
    first = error.value.violations[0]
    assert first.path == f"spec.agents[0].workspace.source.git.{field}"
    assert says in first.message
    assert "pw" not in str(error.value)


def test_the_container_that_clones() -> None:
    """It comes after the reporter and before the template's own; it is restricted and has what rw-clone reads."""
    git = {"url": HTTPS, "revision": "main", "depth": 3, "submodules": True, "directory": "src", "secretName": "clone"}
    containers = [{"name": "agent", "image": "x", "resources": {"limits": {"cpu": "1"}}, "securityContext": {"runAsUser": 2000}}]
    template = {"spec": {"initContainers": [{"name": "mine", "image": "y"}], "containers": containers}}
    spec = pod_of(git, template=template, image=None)
    found = source_of(spec)
    assert [each["name"] for each in spec["initContainers"]] == ["runwatchman-reporter", "runwatchman-source", "mine"]
    assert (found["image"], found["resources"]) == ("git:1", {"limits": {"cpu": "1"}})
    assert found["securityContext"] == {
        "runAsUser": 2000,
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert environment(found) == {
        "TMPDIR": "/tmp",  # noqa: S108  # a path in the container
        "RUNWATCHMAN_WORKSPACE": "/workspace",
        "RUNWATCHMAN_SOURCE_DIR": "/source",
        "RUNWATCHMAN_SOURCE_URL": HTTPS,
        "RUNWATCHMAN_SOURCE_REVISION": "main",
        "RUNWATCHMAN_SOURCE_DEPTH": "3",
        "RUNWATCHMAN_SOURCE_SUBMODULES": "true",
        "RUNWATCHMAN_SOURCE_DIRECTORY": "src",
        "RUNWATCHMAN_SOURCE_BASE": "",
    }


def test_only_it_has_the_secret() -> None:
    """The Secret and the private folder are mounted in no other container, and not at all once the clone is on record."""
    git = {"url": HTTPS, "secretName": "clone", "caBundle": {"configMapName": "ca", "key": "root.pem"}}
    spec = pod_of(git)
    volumes = {each["name"]: each for each in spec["volumes"]}
    assert volumes["runwatchman-source"]["secret"] == {"secretName": "clone", "defaultMode": 0o440}
    assert volumes["runwatchman-source-ca"]["configMap"]["items"] == [{"key": "root.pem", "path": "ca.crt"}]
    mounted = {
        each["name"]: {mount["name"] for mount in each["volumeMounts"]} for each in (*spec["containers"], *spec["initContainers"])
    }
    own = {"runwatchman-source", "runwatchman-source-ca", "runwatchman-source-tmp"}
    assert mounted.pop("runwatchman-source") == {"runwatchman-workspace", *own}
    assert [name for name, mounts in mounted.items() if mounts & own] == []
    later = pod_of(git, CLONED)
    assert environment(source_of(later))["RUNWATCHMAN_SOURCE_BASE"] == COMMIT
    assert "clone" not in str(later["volumes"])


def test_it_has_what_the_policy_gives_agents() -> None:
    """A proxy, a CA bundle, resources and pull secrets reach it as they reach the agent."""
    policy = RunPolicySpec(
        env=(Variable(name="HTTPS_PROXY", value="http://proxy:3128"), Variable(name="TMPDIR", value="/elsewhere")),
        ca_bundle=CaBundle(config_map_name="ca"),
        resources=Resources(limits={"memory": "1Gi"}),
    )
    found = source_of(pod_of({"url": HTTPS}, policy=policy))
    assert environment(found)["HTTPS_PROXY"] == "http://proxy:3128"
    assert environment(found)["GIT_SSL_CAINFO"] == "/runwatchman/ca/ca.crt"
    assert environment(found)["TMPDIR"] == "/tmp"  # noqa: S108  # a path in the container
    assert found["resources"] == {"limits": {"memory": "1Gi"}}


def test_kubernetes_expands_nothing_in_it() -> None:
    """`$(NAME)` in a URL stays as it is."""
    url = "https://git.example/$(HOME)$$/x.git"
    assert environment(source_of(pod_of({"url": url})))["RUNWATCHMAN_SOURCE_URL"].replace("$$", "$") == url


def test_no_source_no_container() -> None:
    """A workspace alone adds nothing, and needs no image."""
    run = RunFacts(
        "ns", "demo", "run-1", 1, parse_run_spec({"spec": {"agents": [{"name": "coder", "image": "x", "workspace": {}}]}})
    )
    assert run.spec
    assert "initContainers" not in build_pod(run, run.spec.agents[0], 0)["spec"]


async def test_an_operator_without_the_image_says_so() -> None:
    """The refusal names the agent and the setting; nothing is created."""
    server, run = Recording(), run_with({"url": HTTPS})
    tools = Tools(cast("Client", server), RunCache(lambda _: None))
    start = CreatePod(reason=Reason.STARTING, agent="coder", attempt=0, pod="demo-coder-r0")
    made = await create_pod(tools, Snapshot(run), start)
    (refusal,) = made.refusals
    assert "agent coder: workspace.source needs the image with git" in refusal.message
    assert "set git.image in the chart (--git-image)" in refusal.message
    assert server.pod == {}


def test_a_refused_image_names_the_setting() -> None:
    """A policy engine that refuses the image is not the Run's author's to satisfy."""
    run = run_with({"url": HTTPS})
    assert run.spec
    pod = build_pod(run, run.spec.agents[0], 0, cloning=IMAGE)
    words = with_hint('image "git:1" of container "runwatchman-source" is from an unknown registry', pod, 900)
    assert words.endswith("Container runwatchman-source is the operator's: set git.image in the chart (--git-image).")


def ended(code: int, message: str, **status: Any) -> PodFacts:
    """Return the facts of a pod whose container has cloned, or has failed and with it the pod."""
    end = {"exitCode": code, "reason": "Error", "message": message, "finishedAt": "2026-01-01T11:59:00Z"}
    spec = {"initContainers": [{"name": "runwatchman-source"}], "restartPolicy": "Never"}
    states = {"initContainerStatuses": [{"name": "runwatchman-source", "state": {"terminated": end}}]}
    return pod_facts(a_pod(spec, {"phase": "Failed" if code else "Running", **states, **status}), "agent")


@pytest.mark.parametrize(
    ("code", "reason", "action"),
    [
        (75, Reason.SOURCE_UNAVAILABLE, OutcomeAction.RETRY_FREE),
        (77, Reason.SOURCE_REFUSED, OutcomeAction.ESCALATE),
        (78, Reason.SOURCE_REFUSED, OutcomeAction.ESCALATE),
        (1, Reason.INIT_CONTAINER_FAILED, OutcomeAction.RETRY),
        (137, Reason.INIT_CONTAINER_FAILED, OutcomeAction.RETRY),
    ],
)
def test_its_end(code: int, reason: Reason, action: OutcomeAction) -> None:
    """The exit code decides who can help, and the message is git's."""
    words = "fatal: Authentication failed for 'https://git.example/x.git/'"
    outcome = classify(ended(code, words), 0, RunPolicySpec(), ending=False)
    assert (outcome.reason, outcome.result, outcome.exit_code) == (reason, OutcomeResult.FAILED, code)
    assert outcome.message.startswith(f"init container runwatchman-source: exit code {code}: ")
    assert outcome.message.endswith(words)
    assert action_for(outcome, RunPolicySpec()) is action
    rule = RunPolicySpec.model_validate_json(f'{{"outcomes": [{{"reasons": ["{reason}"], "action": "Fail"}}]}}')
    assert action_for(outcome, rule) is OutcomeAction.FAIL


@pytest.mark.parametrize(
    ("code", "message", "revision"),
    [(0, f"revision {COMMIT}\n", COMMIT), (0, f"revision {COMMIT}x", ""), (0, "", ""), (1, f"revision {COMMIT}", "")],
)
def test_the_base_commit(code: int, message: str, revision: str) -> None:
    """Only a whole commit after a success counts."""
    assert ended(code, message).source_revision == revision


def test_the_first_commit_is_kept() -> None:
    """It is recorded with the attempt's end or the next reservation, shown meanwhile, and no later pod changes it."""
    run = run_with({"url": HTTPS})
    pod = PodFacts("demo-coder-r0", "c0", "coder", 0, "run-1", phase="Running", bound=True, source_revision=COMMIT)
    state = OperatorState(run_uid="run-1", agents={"coder": AgentState(pod_uid="c0")})
    seen = Snapshot(run, state=state, pods=(pod,))
    assert build_status(seen, plan(seen, NOON), (), {}, NOON)["agents"][0]["source"] == {"revision": COMMIT}
    for action in (
        RecordOutcome(reason=Reason.VANISHED, agent="coder", attempt=0, pod="demo-coder-r0", pod_uid="c0"),
        ReserveAttempt(reason=Reason.UNREADY, agent="coder", attempt=1, charge=Charge.BUDGET),
    ):
        saved = transitions.apply(seen, action, NOON)
        assert saved.agents["coder"].source == SourceStatus(revision=COMMIT)
        forged = PodFacts("demo-coder-r1", "c1", "coder", 1, "run-1", source_revision=OTHER_COMMIT)
        adopted = saved.model_copy(
            update={"agents": {"coder": saved.agents["coder"].model_copy(update={"attempt": 1, "pod_uid": "c1"})}}
        )
        later = Snapshot(run, state=adopted, pods=(forged,))
        assert build_status(later, plan(later, NOON), (), {}, NOON)["agents"][0]["source"] == {"revision": COMMIT}


@pytest.mark.parametrize(
    ("status", "words"),
    [({}, "not cloned yet"), ({"source": {"revision": COMMIT}}, f"cloned at {COMMIT}")],
)
def test_people_see_it(status: JsonObject, words: str) -> None:
    """`describe` and `explain` have the URL, the wanted revision and the commit."""
    agent = {"name": "coder", "workspace": {"source": {"git": {"url": HTTPS, "revision": "main"}}}}
    assert source_words(agent, status) == f"source {HTTPS} (main), {words}"
    assert source_words({"name": "coder", "workspace": {}}, status) == ""
