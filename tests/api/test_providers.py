"""Providers on a real API server: a limit holds a fleet, one agent probes, the others follow, and nobody is charged."""

from __future__ import annotations

import json
import re
import signal
from collections import Counter
from datetime import datetime, timedelta

from controller.api.base import JsonObject
from controller.api.timestamps import format_time
from tests.plugin import Plugin, report
from tests.support import OperatorProcess, apply, await_that, get, items, run_of, simulated, status

API = "runwatchman.dev/v1alpha1"
FLEET = ("a", "b", "c", "d", "e")
CLOSED_SECONDS = 3600
"""Longer than the test: it ends the closing itself."""


def provider_of(**spec: object) -> JsonObject:
    """Return a provider named claude."""
    return {"apiVersion": API, "kind": "Provider", "metadata": {"name": "claude"}, "spec": spec}


def provider(rw: Plugin) -> JsonObject:
    """Return the status of the provider."""
    found: JsonObject = get(rw.cluster, rw.namespace, "providers.runwatchman.dev", "claude").get("status", {})
    return found


def standing(rw: Plugin) -> Counter[tuple[str, str]]:
    """Return how many Runs have each phase and reason."""
    found = (run.get("status", {}) for run in items(rw.cluster, rw.namespace, "runs"))
    return Counter((each.get("phase", ""), each.get("reason", "")) for each in found)


def started(rw: Plugin) -> list[str]:
    """Return the names of the pods that were started."""
    pods = items(rw.cluster, rw.namespace, "pods")
    return sorted(pod["metadata"]["name"] for pod in pods if not pod["spec"].get("schedulingGates"))


def end(rw: Plugin, pod: str, code: int) -> None:
    """End the agent of a pod with an exit code, as its kubelet would."""
    stamp = get(rw.cluster, rw.namespace, "pod", pod)["metadata"]["creationTimestamp"]
    ended = {"exitCode": code, "reason": "Error", "startedAt": stamp, "finishedAt": stamp}
    container = {"name": "agent", "image": "x", "imageID": "", "ready": False, "restartCount": 0, "state": {"terminated": ended}}
    patch = json.dumps({"status": {"phase": "Failed", "containerStatuses": [container]}})
    rw.cluster.kubectl("-n", rw.namespace, "patch", "pod", pod, "--subresource=status", "--type=merge", "-p", patch)


DEADLINE_SECONDS = 3600
PASSED = timedelta(seconds=2 * DEADLINE_SECONDS)


def let_time_pass(rw: Plugin, run: str) -> None:
    """Move the times in a Run's record back, as if it had begun, and begun to wait, so long ago. The operator is not running."""
    record = status(rw.cluster, rw.namespace, run)["operatorState"]
    moved = {key: format_time(datetime.fromisoformat(record[key]) - PASSED) for key in ("startedAt", "heldAt")}
    patch = json.dumps({"status": {"operatorState": moved}})
    rw.cluster.kubectl("-n", rw.namespace, "patch", "run", run, "--subresource=status", "--type=merge", "-p", patch)


def test_a_limit_holds_the_fleet_until_a_probe_has_shown_that_it_is_over(rw: Plugin, operator: OperatorProcess) -> None:
    """Two agents have places, and three wait. A limit closes the provider, also for a new operator; then all work, uncharged.

    The deadline of the Run that has met the limit passes while it waits, and it works on all the same.
    """
    apply(rw.cluster, rw.namespace, provider_of(maxActiveAgents=2, reopenPerMinute=120, probe={"intervalSeconds": CLOSED_SECONDS}))
    agent = simulated("run-forever") | {"provider": "claude"}
    apply(rw.cluster, rw.namespace, *(run_of(name, agent, activeDeadlineSeconds=DEADLINE_SECONDS) for name in FLEET))
    full = {("Running", "Supervising"): 2, ("Queued", "ProviderFull"): 3}
    await_that(lambda: standing(rw) == full, "two agents at work and three in line")
    first = started(rw)[0].split("-")[0]

    limit = {"kind": "Quota", "ageSeconds": 0, "message": "usage limit reached"}
    report(rw, first, limit=limit)
    await_that(lambda: provider(rw).get("state") == "Closed", "the provider to be closed")
    end(rw, f"{first}-coder-r0", 75)
    await_that(lambda: standing(rw)["Queued", "ProviderClosed"] == 4, "the others to show it")
    found = provider(rw)
    assert (found["reason"], found["message"], found["closedBy"]["run"]) == ("Quota", "usage limit reached", first)
    assert f"until {found['closedUntil']}" in status(rw.cluster, rw.namespace, first)["message"]
    for command in (("explain", first), ("describe", first), ("get",)):
        assert f"provider claude is closed until {found['closedUntil']}" in rw.ok(*command)
    assert re.search(r"claude +Closed +in \S+ +\d/2 +\d +Quota: usage limit reached \(agent coder of Run \w\)", rw.ok("providers"))
    for verb in ("explain", "describe", "get"):
        assert "the deadline stands still (activeDeadlineSeconds)" in rw.ok(verb, first)
    before = started(rw)
    operator.stop(signal.SIGKILL)
    let_time_pass(rw, first)
    operator.start()
    assert (provider(rw)["state"], started(rw), len(before)) == ("Closed", before, 2)

    over = json.dumps({"status": {"closedUntil": found["closedAt"]}})
    rw.cluster.kubectl("-n", rw.namespace, "patch", "rwprov", "claude", "--subresource=status", "--type=merge", "-p", over)
    await_that(lambda: provider(rw).get("state") == "Probing", "a probe")
    probe = provider(rw)["probe"]
    pod = f"{probe['run']}-coder-r{probe['attempt']}"
    await_that(lambda: pod in started(rw), "the probe to start")
    assert len(started(rw)) == len(before) + 1
    rw.cluster.kubectl("-n", rw.namespace, "patch", "rwprov", "claude", "--type=merge", "-p", '{"spec":{"maxActiveAgents":null}}')
    uid = get(rw.cluster, rw.namespace, "pod", pod)["metadata"]["uid"]
    report(rw, probe["run"], attempt=probe["attempt"], podUID=uid, turns=1, limit=None)
    await_that(lambda: provider(rw).get("state") == "Open", "the provider to be open")
    await_that(lambda: standing(rw) == {("Running", "Supervising"): 5}, "all agents at work")
    runs = items(rw.cluster, rw.namespace, "runs")
    assert {run["status"]["restarts"] for run in runs} == {0}
    record = status(rw.cluster, rw.namespace, first)["operatorState"]
    assert record["pausedSeconds"] >= PASSED.total_seconds()
    assert "heldAt" not in record
    assert sorted(run["status"]["agents"][0]["attempt"] for run in runs) == [0, 0, 0, 0, 1]
    told = [event["reason"] for event in items(rw.cluster, rw.namespace, "events") if event["involvedObject"]["kind"] == "Provider"]
    assert sorted(told) == ["Closed", "Open", "Probing", "Reopening"] or sorted(told) == ["Closed", "Open", "Probing"]


def test_a_healthy_fleet_costs_its_provider_no_write(rw: Plugin, operator: OperatorProcess) -> None:
    """Thirty Runs complete. The provider's status is written when it is created, and its numbers at most once more."""
    apply(rw.cluster, rw.namespace, provider_of())
    await_that(lambda: provider(rw).get("state") == "Open", "the provider's first status")
    apply(rw.cluster, rw.namespace, *(run_of(f"r{number}", simulated("succeed") | {"provider": "claude"}) for number in range(30)))
    await_that(lambda: standing(rw) == {("Completed", "AllAgentsComplete"): 30}, "thirty Runs to complete")
    text = operator.probe("metrics", "metrics")[1]
    writes = re.findall(r'api_requests_total\{code="200",resource="providers",verb="PUT"\} (\S+)', text)
    assert [float(number) <= 2 for number in writes] == [True]


def conditions(rw: Plugin) -> dict[str, tuple[str, str]]:
    """Return the conditions of Run r, with status and reason."""
    found = status(rw.cluster, rw.namespace, "r").get("conditions", ())
    return {each["type"]: (each["status"], each["reason"]) for each in found}


def test_a_provider_that_cannot_be_read_holds_its_agents_and_no_others(rw: Plugin, operator: OperatorProcess) -> None:
    """It says what is wrong and so do its Runs, until it is corrected. Another provider's agents start."""
    budget = {"name": "daily", "window": "Day", "timeZone": "Local", "tokens": 1000}  # The API server knows that one.
    apply(rw.cluster, rw.namespace, provider_of(budgets=[budget]), provider_of() | {"metadata": {"name": "codex"}})
    agents = {"held": "claude", "free": "codex"}
    apply(rw.cluster, rw.namespace, *(run_of(run, simulated("run-forever") | {"provider": of}) for run, of in agents.items()))
    await_that(lambda: started(rw) == ["free-coder-r0"], "the other provider's agent to start")
    await_that(lambda: standing(rw)["Queued", "ProviderUnreadable"] == 1, "the Run to say why it waits")
    await_that(lambda: ready(rw) == ("False", "Unreadable"), "the condition")
    why = "spec.budgets[0].timeZone: must be an IANA time zone, for example Europe/Berlin (found 'Local')"
    assert why in status(rw.cluster, rw.namespace, "held")["message"]
    assert re.search(rf"claude +Unreadable .*{re.escape(why)}", rw.ok("providers"))
    budget["timeZone"] = "Europe/Berlin"
    apply(rw.cluster, rw.namespace, provider_of(budgets=[budget]))
    await_that(lambda: "held-coder-r0" in started(rw), "the agent to start")
    await_that(lambda: ready(rw) == ("True", "Accepted"), "the condition")
    assert operator.pid


def ready(rw: Plugin) -> tuple[str, str]:
    """Return the status and the reason of the provider's condition Ready."""
    found = [(each["status"], each["reason"]) for each in provider(rw).get("conditions", ()) if each["type"] == "Ready"]
    return found[0] if found else ("", "")


def test_a_provider_that_does_not_exist_limits_nothing(rw: Plugin, operator: OperatorProcess) -> None:
    """The Run works and says so, until the provider exists."""
    apply(rw.cluster, rw.namespace, run_of("r", simulated("run-forever") | {"provider": "claude"}))
    await_that(lambda: conditions(rw).get("ProvidersFound") == ("False", "ProviderNotFound"), "the condition")
    await_that(lambda: started(rw) == ["r-coder-r0"], "the agent to start")
    apply(rw.cluster, rw.namespace, provider_of())
    await_that(lambda: "ProvidersFound" not in conditions(rw), "the condition to go")
    assert operator.pid
