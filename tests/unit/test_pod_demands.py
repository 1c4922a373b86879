"""A namespace decides about users, resources and pull secrets of agents' pods; policy, operator and namespace set them."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from controller.api.base import JsonObject, dump
from controller.api.checks import parse_run_spec
from controller.api.pod_metadata import PodMetadata
from controller.api.pod_policy import ImagePullSecret, PodSecurity, Provision, ReporterResources
from controller.api.policy import NetworkMode, RunPolicySpec
from controller.api.policy_defaults import PolicyDefaults
from controller.api.resolved_policy import ResolvedPolicy
from controller.cli import main
from controller.facts.namespaces import fs_group, pull_secrets, user_range
from controller.plan.snapshot import RunFacts
from controller.resources.pod_builder import build_pod
from controller.resources.pod_users import NoUserLeft
from controller.resources.reporter_sidecar import Sidecar

PROJECT = {"openshift.io/sa.scc.uid-range": "1000660000/10000", "openshift.io/sa.scc.supplemental-groups": "1000670000/10000"}
BOX: JsonObject = {"containers": [{"name": "agent", "image": "a"}]}
RANGE = (1000660000, 1000669999)
OPENSHIFT = Provision(RANGE, 1000670000)


def pod_of(
    template: JsonObject | None = None,
    security: PodSecurity | None = None,
    provided: Provision = Provision(),  # noqa: B008  # it is immutable
    **policy: Any,
) -> JsonObject:
    """Return the pod of an agent with a reporter; `template` are fields of its pod's spec."""
    agent = {"template": {"spec": {"containers": [{"name": "agent", "image": "a"}]} | template}} if template else {"image": "a"}
    spec = parse_run_spec({"spec": {"agents": [{"name": "coder"} | agent]}})
    run = RunFacts("ns", "demo", "uid-1", 1, spec)
    rules = RunPolicySpec(pod_security=security, **policy)
    return build_pod(run, spec.agents[0], 0, sidecar=Sidecar("r:1"), policy=rules, provision=provided)


def ids(pod: JsonObject) -> tuple[int, int, int, int, int]:
    """Return the user, the group and the group of volumes of a pod, and the user and the group of its reporter."""
    spec = pod["spec"]
    context, own = spec["securityContext"], spec["initContainers"][0]["securityContext"]
    return context["runAsUser"], context["runAsGroup"], context["fsGroup"], own["runAsUser"], own["runAsGroup"]


@pytest.mark.parametrize(
    ("template", "security", "provided", "expected"),
    [
        ({}, {}, Provision(), (10001, 10001, 10001, 10002, 10002)),
        ({}, {"runAsUser": 2000}, Provision(), (2000, 2000, 2000, 10002, 10002)),
        ({}, {"runAsUser": 10002}, Provision(), (10002, 10002, 10002, 10003, 10003)),
        ({}, {"reporterRunAsUser": 3000}, Provision(), (10001, 10001, 10001, 3000, 3000)),
        (
            {},
            {"runAsUser": 2, "runAsGroup": 3, "fsGroup": 4, "reporterRunAsUser": 5, "reporterRunAsGroup": 3},
            Provision(),
            (2, 3, 4, 5, 3),
        ),
        ({"runAsUser": 2000}, {"runAsUser": 4, "runAsGroup": 5}, Provision(), (2000, 5, 2000, 10002, 10002)),
        ({"fsGroup": 7, "runAsGroup": 8}, {"fsGroup": 9}, Provision(), (10001, 8, 7, 10002, 10002)),
        ({}, {}, OPENSHIFT, (RANGE[0], RANGE[0], 1000670000, RANGE[0] + 1, RANGE[0] + 1)),
        ({"runAsUser": RANGE[0] + 1}, {}, OPENSHIFT, (RANGE[0] + 1, RANGE[0] + 1, 1000670000, RANGE[0], RANGE[0])),
        ({}, {"runAsUser": 2000, "fsGroup": 2000, "reporterRunAsUser": 3}, OPENSHIFT, (2000, 2000, 2000, 3, 3)),
        ({}, {"reporterRunAsUser": RANGE[1]}, OPENSHIFT, (RANGE[0], RANGE[0], 1000670000, RANGE[1], RANGE[1])),
    ],
)
def test_users_are_the_templates_the_policys_the_namespaces_or_ours(
    template: JsonObject, security: JsonObject, provided: Provision, expected: tuple[int, ...]
) -> None:
    """The first of template, policy, namespace and built-in value that names a user or group counts, each by itself."""
    pod = pod_of({"securityContext": template} if template else None, PodSecurity.model_validate(security), provided)
    assert ids(pod) == expected


USERS = st.integers(1, 5) | st.sampled_from([10001, 10002, 10003]) | st.none()


@given(pod=USERS, box=USERS, init=USERS, agent=USERS, reporter=USERS, users=st.sampled_from([None, (1, 1), (1, 3), (10001, 10005)]))
def test_the_reporter_has_a_user_of_its_own(
    pod: int | None, box: int | None, init: int | None, agent: int | None, reporter: int | None, users: tuple[int, int] | None
) -> None:
    """For any users of a template, a policy and a namespace, no other container has the reporter's user, or no pod is built."""
    if agent is not None and agent == reporter:
        return
    contexts = [{"securityContext": {"runAsUser": user}} if user else {} for user in (pod, box, init)]
    template = contexts[0] | {
        "containers": [{"name": "agent", "image": "a"} | contexts[1]],
        "initContainers": [{"name": "prepare", "image": "p"} | contexts[2]],
    }
    try:
        spec = pod_of(template, PodSecurity(run_as_user=agent, reporter_run_as_user=reporter), Provision(users))["spec"]
    except NoUserLeft:
        return
    own, prepare = spec["initContainers"]
    used = {
        box.get("securityContext", {}).get("runAsUser", spec["securityContext"]["runAsUser"])
        for box in (*spec["containers"], prepare)
    }
    assert own["securityContext"]["runAsUser"] not in used | {0}


@pytest.mark.parametrize(
    ("security", "provided", "words"),
    [
        ({"reporterRunAsUser": 2000}, Provision(), "user 2000 is the reporter's (podSecurity.reporterRunAsUser)"),
        ({}, Provision((2000, 2000)), "may have the users 2000 to 2000 only"),
    ],
)
async def test_a_pod_without_a_user_for_its_reporter_is_refused(security: JsonObject, provided: Provision, words: str) -> None:
    """The Run shows which user is missing or taken and what to set; without a reporter the pod is built."""
    with pytest.raises(NoUserLeft, match=words.replace("(", r"\(").replace(")", r"\)")):
        pod_of({"securityContext": {"runAsUser": 2000}}, PodSecurity.model_validate(security), provided)


@pytest.mark.parametrize(
    "security", [{"runAsUser": 0}, {"fsGroup": -1}, {"runAsUser": 2**31}, {"runAsUser": 7, "reporterRunAsUser": 7}]
)
def test_users_that_may_not_be_are_refused(security: JsonObject) -> None:
    """Root, an ID that Kubernetes does not have, and one user for both are no values of a policy."""
    with pytest.raises(ValidationError):
        PodSecurity.model_validate(security)


@pytest.mark.parametrize(
    ("annotations", "users", "group"),
    [
        (PROJECT, RANGE, 1000670000),
        ({"openshift.io/sa.scc.uid-range": "1000660000/10000"}, RANGE, 1000660000),
        ({"openshift.io/sa.scc.uid-range": "1000660000-1000669999"}, RANGE, 1000660000),
        (PROJECT | {"openshift.io/sa.scc.supplemental-groups": "5/2,9/1"}, RANGE, 5),
        ({"openshift.io/sa.scc.uid-range": "0/3"}, (1, 2), 1),
        ({"openshift.io/sa.scc.uid-range": "0/1"}, None, None),
        ({"openshift.io/sa.scc.uid-range": "9/0"}, None, None),
        ({"openshift.io/sa.scc.uid-range": "4294967296/5"}, None, None),
        ({"openshift.io/sa.scc.uid-range": "many"}, None, None),
        ({"openshift.io/sa.scc.uid-range": 7}, None, None),
        ({}, None, None),
        (None, None, None),
        ("x", None, None),
    ],
)
def test_ranges_of_a_namespace(annotations: Any, users: tuple[int, int] | None, group: int | None) -> None:
    """OpenShift's two forms of a range are read; root is left out, and a value that cannot be read counts as absent."""
    namespace = {"metadata": {"annotations": annotations}}
    assert (user_range(namespace), fs_group(namespace)) == (users, group)


@pytest.mark.parametrize(
    ("account", "names"),
    [
        ({"imagePullSecrets": [{"name": "a"}, {"name": "b"}]}, ("a", "b")),
        ({"imagePullSecrets": [{"name": 1}, {}, "x", {"name": ""}]}, ()),
        ({"imagePullSecrets": "a"}, ()),
        ({}, ()),
    ],
)
def test_pull_secrets_of_an_account(account: JsonObject, names: tuple[str, ...]) -> None:
    """The names are read; other values are ignored."""
    assert pull_secrets(account) == names


def test_pull_secrets_are_the_templates_the_policys_and_the_accounts() -> None:
    """A pod has each Secret once; its template's come first."""
    more = {"image_pull_secrets": (ImagePullSecret(name="b"), ImagePullSecret(name="c"))}
    pod = pod_of({"imagePullSecrets": [{"name": "a"}, {"name": "b"}]}, None, Provision(pull_secrets=("c", "d")), **more)
    assert pod["spec"]["imagePullSecrets"] == [{"name": name} for name in "abcd"]
    assert "imagePullSecrets" not in pod_of()["spec"]


def test_the_reporters_resources_are_the_policys() -> None:
    """A policy replaces them as a whole; without one they are the built-in values."""
    own = ReporterResources(requests={"cpu": "50m", "memory": "64Mi"})
    (reporter,) = pod_of(reporter_resources=own)["spec"]["initContainers"]
    assert reporter["resources"] == {"requests": {"cpu": "50m", "memory": "64Mi"}}
    (reporter,) = pod_of()["spec"]["initContainers"]
    assert reporter["resources"] == {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"cpu": "250m", "memory": "64Mi"}}


OPERATORS = PolicyDefaults(
    NetworkMode.MANAGED,
    ReporterResources(limits={"memory": "1Gi"}),
    PodSecurity(run_as_user=5, reporter_run_as_user=6),
    (ImagePullSecret(name="registry"),),
)


def test_a_policy_comes_before_the_operator() -> None:
    """Values that a policy does not set are the operator's; users and groups each by themselves, and an empty list is a value."""
    empty = OPERATORS.complete(ResolvedPolicy.of("p", RunPolicySpec())).spec
    assert (empty.network_policy, empty.reporter_resources) == (NetworkMode.MANAGED, ReporterResources(limits={"memory": "1Gi"}))
    assert (empty.pod_security, empty.image_pull_secrets) == (OPERATORS.pod_security, OPERATORS.image_pull_secrets)
    own = RunPolicySpec(
        network_policy=NetworkMode.UNMANAGED,
        reporter_resources=ReporterResources(),
        pod_security=PodSecurity(run_as_user=7),
        image_pull_secrets=(),
    )
    policy = ResolvedPolicy.of("p", own)
    full = OPERATORS.complete(policy)
    assert full.digest == policy.digest
    assert dump(full.spec) == dump(own) | {"podSecurity": {"runAsUser": 7, "reporterRunAsUser": 6}}


def test_labels_and_annotations_of_a_policy() -> None:
    """A pod has them, a template's come first, and the operator's own last."""
    more = {"labels": {"team": "search", "mine": "p"}, "annotations": {"note": "x"}}
    spec = parse_run_spec(
        {"spec": {"agents": [{"name": "coder", "template": {"metadata": {"labels": {"mine": "t"}}, "spec": BOX}}]}}
    )
    policy = RunPolicySpec(pod_metadata=PodMetadata.model_validate(more))
    found = build_pod(RunFacts("ns", "demo", "uid-1", 1, spec), spec.agents[0], 0, policy=policy)["metadata"]
    assert (found["labels"]["team"], found["labels"]["mine"], found["annotations"]["note"]) == ("search", "t", "x")
    assert found["labels"]["runwatchman.dev/run"] == "demo"


@pytest.mark.parametrize(
    ("field", "key", "words"),
    [
        ("labels", "runwatchman.dev/run-uid", "reserved for the operator"),
        ("annotations", "runwatchman.dev/brief", "reserved for the operator"),
        ("annotations", "container.apparmor.security.beta.kubernetes.io/agent", "confinement"),
    ],
)
def test_a_policy_gives_no_label_of_the_operators(field: str, key: str, words: str) -> None:
    """Keys that a template may not have are refused in a policy, too."""
    with pytest.raises(ValidationError, match=words):
        PodMetadata.model_validate({field: {key: "x"}})


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--reporter-resources={limits: {memory: 64 MB}}", "reporterResources.limits.memory: "),
        (
            "--reporter-resources={limits: {memory: 64Mi}, requests: {memory: 65Mi}}",
            "reporterResources.requests: memory may not be more than in limits, where it is 64Mi",
        ),
        ("--reporter-resources={limit: {memory: 64Mi}}", "limit: unknown field"),
        ("--reporter-resources=x", "reporterResources: must be an object"),
        ("--reporter-resources={: }", "is neither YAML nor JSON"),
        ("--agents-pod-security={runAsUser: 0}", "podSecurity.runAsUser: "),
        ("--agents-pod-security={runAsUser: 3, reporterRunAsUser: 3}", "podSecurity.reporterRunAsUser: must differ from runAsUser"),
        ("--agents-image-pull-secrets=registry,A_B", "imagePullSecrets[1].name: "),
    ],
)
def test_wrong_options_are_refused_by_name(option: str, words: str) -> None:
    """An option is checked before the operator starts; the message names the option, the field and the fault."""
    refused = CliRunner().invoke(main, ["operator", option])
    assert refused.exit_code == 2
    assert option.partition("=")[0] in refused.output
    assert words in " ".join(refused.output.split())
