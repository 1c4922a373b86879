"""The judged container is the one that the Run's spec names, whatever else admission has put into its pod."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.api.base import JsonObject
from controller.api.checks import parse_run_spec
from controller.api.names import RunKey
from controller.api.pod_template import container_name
from controller.api.run import RunSpec
from controller.cache.run_cache import RunCache
from controller.facts.pods import pod_facts
from controller.plan.outcomes import classify
from tests.builders import a_pod

FAULTS = Path(__file__).parent / "data/faults"
AGENT = {"exitCode": 3, "reason": "Error", "finishedAt": "2026-01-01T12:00:00Z", "startedAt": "2026-01-01T11:00:00Z"}
RUNS: JsonObject = {"running": {"startedAt": "2026-01-01T11:00:00Z"}}


def spec_of(*containers: str) -> RunSpec:
    """Return the spec of a Run whose agent has these containers; one without a template for none."""
    template = {"template": {"spec": {"containers": [{"name": name, "image": "x"} for name in containers]}}}
    return parse_run_spec({"spec": {"agents": [{"name": "coder", **(template if containers else {"image": "x"})}]}})


def pod_of(**states: JsonObject) -> JsonObject:
    """Return a running pod with containers in these states."""
    spec = {"restartPolicy": "Never", "containers": [{"name": name} for name in states]}
    statuses = [{"name": name, "ready": "running" in state, "state": state} for name, state in states.items()]
    return a_pod(spec, {"phase": "Running", "containerStatuses": statuses}, labels=LABELS)


LABELS = {
    "runwatchman.dev/run": "demo",
    "runwatchman.dev/run-uid": "run-1",
    "runwatchman.dev/agent": "coder",
    "runwatchman.dev/attempt": "0",
}
ENDED: JsonObject = {"terminated": AGENT}
DONE: JsonObject = {"terminated": AGENT | {"exitCode": 0}}


@pytest.mark.parametrize(
    ("spec", "pod", "exit_code"),
    [
        (spec_of("coder"), pod_of(proxy=DONE, coder=ENDED), 3),
        (spec_of("coder"), pod_of(coder=ENDED, proxy=DONE), 3),
        (spec_of("coder"), pod_of(agent=DONE, coder=ENDED), 3),
        (spec_of("coder"), pod_of(agent=RUNS, coder=ENDED), 3),
        (spec_of("coder"), pod_of(agent=ENDED, coder=RUNS), None),
        (spec_of("agent", "browser"), pod_of(browser=ENDED, agent=RUNS), None),
        (spec_of("agent", "browser"), pod_of(proxy=DONE, browser=RUNS, agent=ENDED), 3),
        (spec_of(), pod_of(proxy=DONE, agent=ENDED), 3),
    ],
    ids=[
        "a proxy comes first",
        "a proxy comes last",
        "another container is named agent and ended well",
        "another container is named agent and runs on",
        "another container is named agent and failed",
        "a helper failed",
        "a helper runs on",
        "the short form",
    ],
)
def test_the_runs_spec_names_the_judged_container(spec: RunSpec, pod: JsonObject, exit_code: int | None) -> None:
    """Only the end of the container that the spec names is the agent's end."""
    facts = pod_facts(pod, container_name(spec, "coder"))
    assert (facts.termination and facts.termination.exit_code) == exit_code
    assert facts.agent_ended == (exit_code is not None)
    assert not facts.terminated


@pytest.mark.parametrize("first", ["the Run", "the pod"])
def test_the_cache_judges_by_the_spec_in_any_order_of_arrival(first: str) -> None:
    """A pod that is cached before its Run is judged by the Run's spec too, as are answers to reads and writes."""
    pod = yaml.safe_load((FAULTS / "proxy-first.pod.yaml").read_text())
    pod["metadata"] |= {"resourceVersion": "1", "labels": LABELS | {"runwatchman.dev/run": "meshed"}}
    run = yaml.safe_load((FAULTS / "proxy-first.yaml").read_text())
    run["metadata"] |= {"uid": "run-1", "resourceVersion": "1", "generation": 1}
    cache, key = RunCache(lambda _: None), RunKey("default", "meshed", "run-1")
    cache.apply_run(run) if first == "the Run" else cache.apply_pod(pod)
    cache.apply_pod(pod) if first == "the Run" else cache.apply_run(run)
    live = cache.apply_pod(pod, key, parse_run_spec(run))
    for facts in (*cache.pods_of(key), live):
        outcome = classify(facts, 0, None, ending=False)
        assert (outcome.result, outcome.reason, outcome.exit_code) == ("Failed", "NonZeroExit", 1)
        assert outcome.message == "exit code 1: cannot reach the model"


@pytest.mark.parametrize("state", [RUNS, DONE, ENDED])
def test_a_pod_without_the_agents_container_completes_nothing(state: JsonObject) -> None:
    """A pod whose containers admission has renamed is at its end, with its own reason, whatever its other containers do."""
    pod = pod_of(other=state)
    facts = pod_facts(pod, "coder")
    assert facts.agent_ended
    pod["status"]["phase"] = "Succeeded"
    outcome = classify(pod_facts(pod, "coder"), 0, None, ending=False)
    assert (outcome.result, outcome.reason, outcome.exit_code) == ("Failed", "AgentContainerMissing", None)
    assert outcome.message == "pod demo-coder-r0 has no container coder"


def test_an_unreadable_pod_has_not_ended() -> None:
    """Nothing is known of the containers of a pod that cannot be read: it counts as running, not as a pod without its agent."""
    cache, key = RunCache(lambda _: None), RunKey("ns", "demo", "run-1")
    [found] = [cache.apply_pod({"metadata": a_pod(labels=LABELS)["metadata"], "spec": None}, key, spec_of("coder"))]
    assert not found.agent_ended


EPHEMERAL = {"ephemeralContainerStatuses": [{"name": "debugger", "state": ENDED}]}
SIDECAR = {"initContainerStatuses": [{"name": "proxy", "state": ENDED}]}


@pytest.mark.parametrize("more", [EPHEMERAL, SIDECAR], ids=["an ephemeral container", "a native sidecar"])
def test_no_other_kind_of_container_ends_the_agent(more: JsonObject) -> None:
    """Neither a debugger nor a native sidecar decides, whether it ends or outlives the agent."""
    pod = pod_of(agent=RUNS)
    pod["spec"]["initContainers"] = [{"name": "proxy", "restartPolicy": "Always"}]
    pod["status"] |= more
    assert not pod_facts(pod, "agent").agent_ended
    pod["status"]["containerStatuses"][0]["state"] = ENDED
    assert pod_facts(pod, "agent").agent_ended


RULES = [{"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [42]}}]


@pytest.mark.parametrize(
    ("change", "final"),
    [
        ({}, True),
        ({"restartPolicy": "Never"}, True),
        ({"restartPolicy": "OnFailure"}, False),
        ({"restartPolicy": "Never", "restartPolicyRules": RULES}, False),
    ],
    ids=["the pod's", "its own Never", "its own OnFailure", "with rules"],
)
def test_a_container_that_may_restart_has_not_ended(change: dict[str, Any], final: bool) -> None:
    """The end of a container that its kubelet may restart is final once the pod has ended."""
    pod = pod_of(agent=ENDED)
    pod["spec"]["containers"][0] |= change
    assert pod_facts(pod, "agent").agent_ended is final
    pod["status"]["phase"] = "Failed"
    assert pod_facts(pod, "agent").termination


def test_a_pod_at_its_deadline_runs_until_each_container_has_ended() -> None:
    """The kubelet writes Failed first: the next attempt waits until the helper beside the ended agent has ended too."""
    pod = pod_of(agent=ENDED, browser=RUNS)
    pod["status"] |= {"phase": "Failed", "reason": "DeadlineExceeded"}
    facts = pod_facts(pod, "agent")
    assert facts.agent_ended
    assert not facts.terminated


@pytest.mark.parametrize(
    "template",
    [
        {},
        {"spec": None},
        {"spec": 7},
        {"spec": {"containers": [{"name": ["x"]}]}},
        {"spec": {"containers": []}},
        {"spec": {"containers": ["x"]}},
    ],
)
def test_a_refused_template_names_no_container(template: JsonObject) -> None:
    """A spec that the operator refuses may lack what names the container; the pod's own spec decides then."""
    spec = parse_run_spec({"spec": {"agents": [{"name": "coder", "template": template}]}})
    assert container_name(spec, "coder") == ""
    assert pod_facts(pod_of(agent=ENDED), container_name(spec, "coder")).agent_ended


def test_a_pod_of_thousands_of_containers_is_read_in_linear_time() -> None:
    """The operator reads pods in its event loop: each container's status is looked at a few times, not once for each container."""
    names = [f"c{number}" for number in range(2000)]
    looks = 0

    class Counted(dict[str, Any]):
        def __getitem__(self, key: str) -> Any:
            nonlocal looks
            looks += key == "name"
            return super().__getitem__(key)

    pod = pod_of(agent=RUNS)
    pod["spec"]["containers"] = [Counted(name=name) for name in names]
    pod["status"]["containerStatuses"] = [Counted(name=name, state=ENDED) for name in names]
    assert pod_facts(pod, names[-1]).agent_ended
    assert looks < 10 * len(names)
