"""A refusal of a pod names the container that it is about, and the setting of the person who can change it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.base import JsonObject
from controller.api.checks import parse_run_spec
from controller.plan.snapshot import RunFacts
from controller.resources.pod_builder import build_pod
from controller.resources.refusal_hints import with_hint
from controller.resources.reporter_sidecar import Sidecar

LIMIT = 900
OURS, THEIRS = "Container runwatchman-reporter is the operator's: ", "Container {} is the Run's: "
RESOURCES, USERS, IMAGE = "reporterResources", "podSecurity.reporterRunAsUser", "--reporter-image"


def pod(**resources: JsonObject) -> JsonObject:
    """Return a pod with an agent, a helper, an init container and a reporter."""
    box = {"name": "agent", "image": "a"} | ({"resources": resources} if resources else {})
    template = {"containers": [{"name": "proxy", "image": "p"}, box], "initContainers": [{"name": "prepare", "image": "i"}]}
    spec = parse_run_spec({"spec": {"agents": [{"name": "coder", "template": {"spec": template}}]}})
    return build_pod(RunFacts("ns", "demo", "uid-1", 1, spec), spec.agents[0], 0, sidecar=Sidecar("r:1"))


HINTS = [
    (
        "[minimum cpu usage per Container is 50m, but request is 10m, minimum memory usage per Container is 64Mi, "
        "but request is 32Mi]",
        (OURS, RESOURCES),
    ),
    ('pods "x" is forbidden: maximum cpu usage per Container is 100m, but limit is 250m', (OURS, RESOURCES)),
    ('pods "x" is forbidden: maximum memory usage per Container is 32Mi, but limit is 64Mi', (OURS, RESOURCES)),
    (
        'pods "x" is forbidden: cpu max limit to request ratio per Container is 4, but provided ratio is 25.000000',
        (OURS, RESOURCES),
    ),
    (
        'pods "x" is forbidden: minimum ephemeral-storage usage per Container is 1Gi.  No request is specified',
        (OURS, RESOURCES),
    ),
    ('pods "x" is forbidden: maximum memory usage per Pod is 1Gi, but limit is 1140850688', ("count as well", RESOURCES)),
    (
        "exceeded quota: team, requested: limits.memory=64Mi, used: limits.memory=1Gi, limited: limits.memory=1Gi",
        ("count as well", RESOURCES),
    ),
    (
        "failed quota: team: must specify limits.cpu for: agent,prepare; limits.memory for: agent,prepare,proxy",
        (THEIRS.format("agent, prepare, proxy"), "`resources` in the policy"),
    ),
    (
        'pods "x" is forbidden: failed quota: team: must specify limits.ephemeral-storage for: agent,runwatchman-reporter',
        (OURS, RESOURCES, THEIRS.format("agent")),
    ),
    (
        'ValidatingAdmissionPolicy "uid-range" with binding "uid-range" denied request: unable to validate against '
        "any security context constraint: runAsUser must be in the ranges: [1000660000, 1000669999]",
        (OURS, USERS, THEIRS.format("agent, prepare, proxy")),
    ),
    (
        "unable to validate against any security context constraint: [provider restricted-v2: .initContainers[0].runAsUser: "
        "Invalid value: 10002: must be in the ranges: [10001, 10001]]",
        (OURS, USERS),
    ),
    (
        "Container agent is attempting to run as disallowed user 10001. Allowed runAsUser: {}",
        (THEIRS.format("agent"), "agents.podSecurity"),
    ),
    (
        'admission webhook "gatekeeper" denied the request: [repos] initContainer <runwatchman-reporter> has an invalid image '
        'repo <localhost/x>, allowed repos are ["registry.example"]',
        (OURS, IMAGE),
    ),
    (
        "policy Pod/team/x for violation: Unknown image registry. rule registries failed at path /spec/containers/1/image/",
        (THEIRS.format("agent"), "another image"),
    ),
    (
        "only read-only root filesystem container is allowed: .containers[1].readOnlyRootFilesystem: Invalid value: false",
        (THEIRS.format("agent"), "the Run's template"),
    ),
    (
        'admission webhook "validation.gatekeeper.sh" denied the request: [team] you must provide labels: {"team"}',
        ("Set labels and annotations with `podMetadata` in the policy",),
    ),
    (
        'Pod "x" is invalid: spec.containers[1].resources.requests: Invalid value: "2": must be at most the cpu limit of 1',
        (THEIRS.format("agent"), "`resources` in the policy"),
    ),
]


@pytest.mark.parametrize(("message", "hints"), HINTS)
def test_a_refusal_names_container_and_setting(message: str, hints: tuple[str, ...]) -> None:
    """The API server's words come first; the hint names our container or the Run's, and only settings that change it."""
    text = with_hint(message, pod(), LIMIT)
    assert text.startswith(message.rstrip("."))
    assert [hint for hint in hints if hint not in text] == []
    assert (OURS in text) is (OURS in hints)
    assert ("is the Run's" in text) is any("is the Run's" in hint for hint in hints)


def test_a_value_of_the_agent_is_the_runs() -> None:
    """A value that only the agent's container has is not blamed on the reporter."""
    message = "maximum cpu usage per Container is 1, but limit is 2"
    assert with_hint(message, pod(limits={"cpu": "2000m"}), LIMIT).endswith(
        "Container agent is the Run's: set its resources in the Run, or `resources` in the policy."
    )


@pytest.mark.parametrize(
    "message", ['pods "x" is forbidden: exceeded quota: none, requested: pods=1, used: pods=0, limited: pods=0', "no"]
)
def test_other_refusals_stay_as_they_are(message: str) -> None:
    """A refusal that is not about a container gets no hint."""
    assert with_hint(message, pod(), LIMIT) == message


def test_a_long_refusal_keeps_its_hint() -> None:
    """OpenShift lists every constraint: the text is cut, the hint is not, and the whole text decides about it."""
    message = "provider x: Forbidden; " * 100 + ".initContainers[0].runAsUser: Invalid value: 10002: must be in the ranges: [1, 9]"
    text = with_hint(message, pod(), LIMIT)
    assert len(text) <= LIMIT
    assert USERS in text


@given(
    st.lists(
        st.sampled_from(
            ["usage per Container is ", "but limit is ", "cpu", "ratio per Container is ", "ranges: [", "9, 8]", "]", "."]
        )
        | st.text(max_size=9)
    )
)
def test_no_words_raise(parts: list[str]) -> None:
    """Any text of a webhook gives a message."""
    assert len(with_hint("maximum cpu " + "".join(parts), pod(), LIMIT)) <= LIMIT
