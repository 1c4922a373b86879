"""The built pods are hardened, gated and fenced, and their facts can be read back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.checks import check_run, parse_run_spec
from controller.api.container_fields import Resources
from controller.api.policy import HostUsers, NetworkMode, RunPolicySpec
from controller.api.run import Agent, RunSpec
from controller.facts.pods import pod_facts
from controller.plan.snapshot import RunFacts
from controller.reporter.settings import settings_from
from controller.resources.brief import Answered, Settled
from controller.resources.claim_builder import build_claim
from controller.resources.pod_builder import build_pod, session_id
from controller.resources.reporter_sidecar import Sidecar

TEMPLATE: dict[str, Any] = {
    "metadata": {"labels": {"mine": "x"}},
    "spec": {
        "securityContext": {"runAsUser": 2000},
        "schedulingGates": [{"name": "kueue.x-k8s.io/admission"}],
        "containers": [{"name": "log", "image": "l"}, {"name": "agent", "image": "a", "env": [{"name": "MY", "value": "1"}]}],
        "initContainers": [{"name": "prepare", "image": "p"}],
    },
}


def run_with(agent: dict[str, Any]) -> RunFacts:
    spec = parse_run_spec({"spec": {"agents": [{"name": "coder"} | agent], "brief": "do it"}})
    return RunFacts("ns", "demo", "uid-1", 1, spec)


def built(agent: dict[str, Any], attempt: int = 2) -> dict[str, Any]:
    run = run_with(agent)
    assert run.spec
    return build_pod(run, run.spec.agents[0], attempt, "Interrupted")


@pytest.mark.parametrize("agent", [{"image": "a"}, {"template": TEMPLATE}, {"image": "a", "workspace": {}}])
def test_every_pod_is_restricted(agent: dict[str, Any]) -> None:
    """Every requirement of Pod Security `restricted` is set on the pod and on every container, for any template in the Run."""
    spec = built(agent)["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == (2000 if "template" in agent else 10001)
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert spec["automountServiceAccountToken"] is False
    assert spec["restartPolicy"] == "Never"
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


def test_a_pod_is_fenced_owned_and_told_who_it_is() -> None:
    """The pod has gate, finalizer, owner and labels; the judged container knows its Run, agent, attempt and last outcome."""
    pod = built({"template": TEMPLATE})
    assert [gate["name"] for gate in pod["spec"]["schedulingGates"]] == ["runwatchman.dev/admitted", "kueue.x-k8s.io/admission"]
    assert pod["metadata"]["name"] == "demo-coder-r2"
    assert pod["metadata"]["finalizers"] == ["runwatchman.dev/outcome"]
    assert pod["metadata"]["ownerReferences"][0]["uid"] == "uid-1"
    assert pod["metadata"]["labels"]["mine"] == "x"
    log, agent = pod["spec"]["containers"]
    assert "env" not in log
    environment = {e["name"]: e["value"] for e in agent["env"]}
    assert environment["RUNWATCHMAN_ATTEMPT"] == "2"
    assert environment["RUNWATCHMAN_LAST_OUTCOME"] == "Interrupted"
    assert environment["MY"] == "1"


def test_a_session_that_was_given_up_is_named_to_its_agent_only() -> None:
    """The agent's every later attempt gets the time of the order, and `rw exec` carries it out once; other agents get nothing."""
    document = {"agents": [{"name": "a", "image": "i"}, {"name": "b", "image": "i"}], "newSessionAt": {"a": "2026-01-01T00:00:00Z"}}
    run = RunFacts("ns", "demo", "uid-1", 1, parse_run_spec({"spec": document}))
    assert run.spec
    environments = [
        {variable["name"]: variable["value"] for variable in build_pod(run, agent, 1)["spec"]["containers"][0]["env"]}
        for agent in run.spec.agents
    ]
    assert environments[0]["RUNWATCHMAN_NEW_SESSION"] == "2026-01-01T00:00:00+00:00"
    assert "RUNWATCHMAN_NEW_SESSION" not in environments[1]


def test_the_template_is_not_changed() -> None:
    """Building twice gives the same pod: the builder does not change the Run."""
    run = run_with({"template": TEMPLATE})
    assert run.spec
    assert build_pod(run, run.spec.agents[0], 0) == build_pod(run, run.spec.agents[0], 0)
    assert "volumes" not in TEMPLATE["spec"]


def test_a_claim_says_what_the_workspace_says() -> None:
    """The claim has the workspace's size, class and mode, and the Run owns it."""
    run = run_with({"image": "a", "workspace": {"size": "2Gi", "storageClassName": "fast"}})
    assert run.spec
    claim = build_claim(run, run.spec.agents[0])
    assert claim["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "2Gi"}},
        "storageClassName": "fast",
    }
    assert claim["metadata"]["name"] == "demo-coder-workspace"


def test_facts_of_a_pod_as_built() -> None:
    """A built pod is read back as gated, unbound and ours, and another controller's gate is distinguished."""
    pod = built({"template": TEMPLATE})
    pod["metadata"]["uid"] = "p"
    facts = pod_facts(pod)
    assert (facts.agent, facts.attempt, facts.run_uid) == ("coder", 2, "uid-1")
    assert (facts.gated, facts.foreign_gates, facts.bound) == (True, ("kueue.x-k8s.io/admission",), False)
    assert facts.has_finalizer
    assert not facts.terminated


@pytest.mark.parametrize("agent", [{"image": "a"}, {"template": TEMPLATE}])
def test_users_are_the_hosts_unless_the_policy_says_private(agent: dict[str, Any]) -> None:
    """A pod has its own user namespace if its policy or its template asks for it."""
    run = run_with(agent)
    assert run.spec
    assert "hostUsers" not in build_pod(run, run.spec.agents[0], 0)["spec"]
    assert build_pod(run, run.spec.agents[0], 0, policy=RunPolicySpec(host_users=HostUsers.PRIVATE))["spec"]["hostUsers"] is False
    host = run_with({"template": {"spec": {**TEMPLATE["spec"], "hostUsers": True}}})
    assert host.spec
    assert build_pod(host, host.spec.agents[0], 0, policy=RunPolicySpec(host_users=HostUsers.PRIVATE))["spec"]["hostUsers"] is False
    own = run_with({"template": {"spec": {**TEMPLATE["spec"], "hostUsers": False}}})
    assert own.spec
    assert build_pod(own, own.spec.agents[0], 0)["spec"]["hostUsers"] is False


def under(agent: dict[str, Any], policy: RunPolicySpec) -> dict[str, Any]:
    """Return the pod of an agent under a policy, with its reporter."""
    run = run_with(agent)
    assert run.spec
    return build_pod(run, run.spec.agents[0], 0, sidecar=Sidecar("r:1"), policy=policy)


def test_containers_that_name_no_resources_have_the_policys() -> None:
    """Containers without requests and limits get those of the policy; one that has some, as the reporter, keeps only those."""
    policy = RunPolicySpec(resources=Resources(requests={"cpu": "1"}, limits={"memory": "1Gi"}))
    named = {"limits": {"cpu": "2"}}
    spec = {**TEMPLATE["spec"], "containers": [{"name": "log", "image": "l", "resources": named}, {"name": "agent", "image": "a"}]}
    pod = under({"template": {"spec": spec}}, policy)["spec"]
    found = {box["name"]: box["resources"] for box in [*pod["containers"], *pod["initContainers"]]}
    given = {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}}
    assert found == {"log": named, "agent": given, "prepare": given, "runwatchman-reporter": found["runwatchman-reporter"]}
    assert found["runwatchman-reporter"]["limits"]["memory"] == "64Mi"
    assert under({"image": "a"}, policy)["spec"]["containers"][0]["resources"] == given
    assert "resources" not in under({"image": "a"}, RunPolicySpec())["spec"]["containers"][0]


def test_pods_run_under_the_policys_runtime() -> None:
    """Every pod has the policy's RuntimeClass; without one, the template's own counts."""
    assert under({"image": "a"}, RunPolicySpec(runtime_class_name="gvisor"))["spec"]["runtimeClassName"] == "gvisor"
    assert (
        under({"template": {"spec": {**TEMPLATE["spec"], "runtimeClassName": "kata"}}}, RunPolicySpec())["spec"]["runtimeClassName"]
        == "kata"
    )


@pytest.mark.parametrize("mode", [None, *NetworkMode])
def test_only_pods_of_a_managed_network_are_selected(mode: NetworkMode | None) -> None:
    """Only pods whose network the operator manages have the label that its NetworkPolicy selects."""
    labels = under({"image": "a"}, RunPolicySpec(network_policy=mode))["metadata"]["labels"]
    assert labels.get("runwatchman.dev/network") == ("managed" if mode is NetworkMode.MANAGED else None)


def with_reporter(agent: dict[str, Any], *, shared: bool = True) -> dict[str, Any]:
    run = run_with(agent)
    assert run.spec
    return build_pod(run, run.spec.agents[0], 2, sidecar=Sidecar("r:1", 30, shared))


def mounts(container: dict[str, Any]) -> dict[str, tuple[str, bool]]:
    return {m["mountPath"]: (m["name"], m.get("readOnly", False)) for m in container["volumeMounts"]}


@pytest.mark.parametrize("agent", [{"image": "a"}, {"template": TEMPLATE}])
def test_the_reporter_comes_first_and_is_restricted(agent: dict[str, Any]) -> None:
    """The reporter is a native sidecar before the template's own, with a user of its own and all settings of `restricted`."""
    spec = with_reporter(agent)["spec"]
    reporter = spec["initContainers"][0]
    assert (reporter["name"], reporter["restartPolicy"]) == ("runwatchman-reporter", "Always")
    context = reporter["securityContext"]
    assert (context["runAsUser"], context["capabilities"]) == (10002, {"drop": ["ALL"]})
    assert (context["allowPrivilegeEscalation"], context["readOnlyRootFilesystem"]) == (False, True)
    assert spec["securityContext"]["runAsUser"] != 10002
    assert (spec["serviceAccountName"], spec["automountServiceAccountToken"]) == ("runwatchman-reporter", False)


def test_only_the_reporter_has_the_token_and_only_out_is_writable_for_the_agent() -> None:
    """The agent mounts its tools and answers read-only, and only the reporter's container sees the token."""
    spec = with_reporter({"template": TEMPLATE})["spec"]
    reporter, prepare = spec["initContainers"]
    log, agent = spec["containers"]
    assert mounts(agent) == {
        "/runwatchman/out": ("runwatchman-out", False),
        "/runwatchman/brief.md": ("runwatchman-brief", True),
        "/workspace": ("runwatchman-workspace", False),
        "/runwatchman/bin": ("runwatchman-bin", True),
        "/runwatchman/answers": ("runwatchman-answers", True),
        "/usr/local/bin/rw": ("runwatchman-bin", True),
    }
    assert mounts(reporter)["/workspace"] == ("runwatchman-workspace", True)
    assert mounts(reporter)["/var/run/secrets/kubernetes.io/serviceaccount"] == ("runwatchman-token", True)
    assert "volumeMounts" not in log
    assert "volumeMounts" not in prepare


def test_rw_is_not_put_where_the_template_has_mounted_something() -> None:
    """A volume of the template at /usr/local/bin stays; `rw` is in /runwatchman/bin all the same."""
    own = {"volumeMounts": [{"name": "mine", "mountPath": "/usr/local/"}], "name": "agent", "image": "a"}
    spec = with_reporter({"template": {"spec": {"containers": [own], "volumes": [{"name": "mine", "emptyDir": {}}]}}})["spec"]
    assert "/usr/local/bin/rw" not in mounts(spec["containers"][0])


@pytest.mark.parametrize("shared", [True, False])
def test_processes_are_shared_only_in_full(shared: bool) -> None:
    """NoSharedPID gives the agent its own process namespace, and sets this in the reporter's environment."""
    spec = with_reporter({"image": "a"}, shared=shared)["spec"]
    assert spec.get("shareProcessNamespace", False) is shared
    environment = {e["name"]: e.get("value") for e in spec["initContainers"][0]["env"]}
    assert environment["RUNWATCHMAN_REPORTER"] == ("Full" if shared else "NoSharedPID")
    assert environment["RUNWATCHMAN_REPORT_INTERVAL_SECONDS"] == "30"


def test_the_reporter_understands_what_it_is_told() -> None:
    """The reporter reads the environment that is built here, with the values that the kubelet fills in."""
    pod = with_reporter({"image": "a"})
    entries = pod["spec"]["initContainers"][0]["env"]
    told = settings_from({e["name"]: e.get("value", "from-the-pod") for e in entries})
    assert (told.run, told.run_uid, told.agent, told.attempt, told.interval) == ("demo", "uid-1", "coder", 2, 30)
    assert told.sees_processes
    assert str(told.workspace) in mounts(pod["spec"]["initContainers"][0])


def test_a_conversation_keeps_its_id_over_attempts() -> None:
    """The session's UUID is stable over an agent's attempts, and differs for another Run of the same name."""
    assert session_id("u", "coder") == session_id("u", "coder")
    assert len({session_id("u", "coder"), session_id("u", "tester"), session_id("v", "coder")}) == 3


@pytest.mark.parametrize("where", [("securityContext",), ("containers", 0, "securityContext")])
def test_an_agent_may_not_be_the_reporter(where: tuple[Any, ...]) -> None:
    """A template that uses the reporter's user anywhere is refused with the path."""
    spec: dict[str, Any] = {"containers": [{"name": "agent", "image": "a"}]}
    inner: Any = spec
    for part in where[:-1]:
        inner = inner[part]
    inner[where[-1]] = {"runAsUser": 10002}
    run = run_with({"template": {"spec": spec}})
    assert run.spec
    (found,) = check_run(run.spec)
    assert found.path.endswith("securityContext.runAsUser")
    assert "reserved for the reporter" in found.message


@given(st.text(), st.text())
def test_no_label_or_annotation_breaks_the_reading(attempt: str, ending: str) -> None:
    """Users who may edit pods can edit labels and annotations: no value raises an exception."""
    pod = built({"image": "a"})
    pod["metadata"]["uid"] = "p"
    pod["metadata"]["labels"]["runwatchman.dev/attempt"] = attempt
    pod["metadata"]["annotations"]["runwatchman.dev/ending-at"] = ending
    assert pod_facts(pod).attempt >= -1


def test_a_brief_with_many_long_answers_is_cut_and_says_so() -> None:
    """A brief is cut, with a mark, so that the pod's annotations stay within the API server's 256 KiB."""
    run = RunFacts("ns", "demo", "run-1", 1, RunSpec(agents=(Agent(name="coder", image="x"),), brief="Do it."))
    answers = Settled(tuple(Answered(f"q{n}", "\u00e4" * 16384, "alice") for n in range(16)))
    assert run.spec
    pod = build_pod(run, run.spec.agents[0], 1, settled=answers)
    brief = pod["metadata"]["annotations"]["runwatchman.dev/brief"]
    assert brief.startswith("Do it.\n\n## Answer to question q0 by alice\n\n\u00e4")
    assert brief.endswith("(cut here: the answers in full are in /runwatchman/answers)")
    assert len(brief.encode()) < 200 * 1024


def test_a_brief_tells_which_questions_nobody_will_answer() -> None:
    """The next attempt's brief lists the questions that a human has dismissed, in addition to the answers."""
    run = RunFacts("ns", "demo", "run-1", 1, RunSpec(agents=(Agent(name="coder", image="x"),), brief="Do it."))
    assert run.spec
    pod = build_pod(run, run.spec.agents[0], 1, settled=Settled((Answered("q1", "yes", "alice"),), dismissed=("q2",)))
    brief = pod["metadata"]["annotations"]["runwatchman.dev/brief"]
    assert brief.startswith("Do it.\n\n## Question q2 was dismissed\n\nNobody will answer it.")
    assert brief.endswith("## Answer to question q1 by alice\n\nyes")
