"""The reporter next to agents on real kubelets: its observations, its deliveries, and the limits of a hostile agent."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from controller.api.agent_report import AgentReportStatus
from controller.api.base import JsonObject, parse
from tests.cluster import Cluster
from tests.image import IMAGE
from tests.kind.installed import Installed
from tests.support import apply, await_phase, await_that, get, policy_of, run_of, shell

BUSY = "while :; do :; done"
SLEEPER = "while :; do sleep 0.2; done"
IDLE_SECONDS = 8


@pytest.fixture
def restricted(kind_cluster: Cluster, namespace: str) -> str:
    """A namespace that takes only pods of the `restricted` standard."""
    kind_cluster.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    return namespace


def report(cluster: Cluster, namespace: str, name: str) -> JsonObject:
    """Return the status of an agent's report, empty before the first one."""
    found: JsonObject = get(cluster, namespace, "agentreport", name).get("status", {})
    return found


def await_report(cluster: Cluster, namespace: str, name: str, condition: Callable[[JsonObject], object]) -> JsonObject:
    """Wait for a report that meets the condition and return it."""

    def there() -> JsonObject | None:
        found = report(cluster, namespace, name)
        return found if found and condition(found) else None

    found: JsonObject = await_that(there, f"the report of {name} is not as it should be")
    return found


def last_words(cluster: Cluster, namespace: str, pod: str) -> JsonObject:
    """Return the reporter's termination message."""
    statuses = get(cluster, namespace, "pod", pod)["status"]["initContainerStatuses"]
    ended: JsonObject = next(s for s in statuses if s["name"] == "runwatchman-reporter")["state"]["terminated"]
    assert ended["exitCode"] == 0, ended
    found: JsonObject = json.loads(ended["message"])
    return found


def test_work_without_a_word_is_activity_and_a_loop_of_sleeps_is_none(
    kind_cluster: Cluster, reporting: Installed, restricted: str
) -> None:
    """At once in a restricted namespace: an agent that computes, on a fifth of a core, stays active; one that sleeps does not."""
    agents = [{"name": "busy", **shell(BUSY, resources={"limits": {"cpu": "200m"}})}, {"name": "sleeper", **shell(SLEEPER)}]
    apply(kind_cluster, restricted, run_of("seen", *agents))
    idle = await_report(kind_cluster, restricted, "seen-sleeper", lambda r: r["activityAgeSeconds"] >= IDLE_SECONDS)
    busy = report(kind_cluster, restricted, "seen-busy")
    assert busy["activityAgeSeconds"] < IDLE_SECONDS, busy
    assert busy["sources"] == ["Processes", "Events", "Workspace"]
    assert "progressAgeSeconds" not in idle
    assert parse(AgentReportStatus, busy).attempt == 0


TRIES = """
import glob, os, signal
def tried(what, act):
    try:
        print(what, act(), flush=True)
    except OSError as error:
        print("refused", what, error.strerror, flush=True)
own = str(os.getpid())
for pid in sorted(p for p in os.listdir("/proc") if p.isdigit() and p not in (own, "1")):
    tried("token", lambda: open(f"/proc/{pid}/root/var/run/secrets/kubernetes.io/serviceaccount/token").read())
    tried("environ", lambda: open(f"/proc/{pid}/environ").read())
    tried("memory", lambda: open(f"/proc/{pid}/mem").read())
    tried("files", lambda: os.listdir(f"/proc/{pid}/fd"))
    tried("kill", lambda: os.kill(int(pid), signal.SIGKILL))
for path in ("bin/rw", "bin/.ready", "answers/.x", "brief.md"):
    tried(path, lambda: os.remove("/runwatchman/" + path))
    tried(path, lambda: open("/runwatchman/" + path, "w"))
print("own", os.path.exists("/var/run/secrets/kubernetes.io"))
"""


def test_the_token_is_out_of_the_agents_reach(kind_cluster: Cluster, reporting: Installed, restricted: str) -> None:
    """An agent that sees the reporter's process reaches neither its token nor its environment, memory, signals or files.

    The image has no shell: the agent reports by appending lines.
    """
    said = (
        """\nopen("/runwatchman/out/events.jsonl", "a").write('{"type":"result","outcome":"Completed","summary":"no shell"}\\n')"""
    )
    apply(kind_cluster, restricted, run_of("thief", {"image": IMAGE, "command": ["python3", "-c", TRIES + said]}))
    await_phase(kind_cluster, restricted, "thief", "Completed")
    log = kind_cluster.kubectl("-n", restricted, "logs", "thief-coder-r0", "-c", "agent").splitlines()
    assert log[-1] == "own False"
    assert len(log) > 9, log
    assert all(line.startswith("refused") for line in log[:-1]), log
    assert {line.split()[1] for line in log if line.startswith("refused")} >= {"token", "environ", "memory", "files", "kill"}
    assert last_words(kind_cluster, restricted, "thief-coder-r0")["result"]["summary"] == "no shell"


HOSTILE = """
cd /runwatchman/out
head -c 1000000 /dev/zero | tr '\\0' x >>events.jsonl; echo >>events.jsonl
echo no json >>events.jsonl; printf '\\377\\376\\n' >>events.jsonl
echo '{"type":"read","id":"forged"}' >>events.jsonl
sleep 1; rm events.jsonl; sleep 1; mkfifo events.jsonl; sleep 1
rm events.jsonl; ln -s /proc/1/environ events.jsonl; sleep 1
rm events.jsonl; rw usage 1 2; kill -9 -1; rw done gave-up; exec sleep 1
"""


def test_a_hostile_agent_harms_only_its_own_report(kind_cluster: Cluster, reporting: Installed, restricted: str) -> None:
    """Huge lines, rubbish, forgeries, FIFOs and links in place of the file, signals to all: they are reported, and the true
    result still arrives.
    """
    apply(kind_cluster, restricted, run_of("hostile", shell(HOSTILE)))
    await_report(kind_cluster, restricted, "hostile-coder", lambda r: r.get("result"))
    await_phase(kind_cluster, restricted, "hostile", "Completed")
    said = last_words(kind_cluster, restricted, "hostile-coder-r0")
    assert (said["result"]["summary"], said["usage"]["inputTokens"]) == ("gave-up", 1)
    problems = " ".join(said["problems"])
    for told in ("longer than", "not JSON", "never delivered", "was deleted", "not a regular file", "symlink"):
        assert told in problems, said


def test_ending_process_1_ends_ones_own_pod(kind_cluster: Cluster, reporting: Installed, restricted: str) -> None:
    """Process 1 is pause, which runs as the agent's user: an agent that ends it ends only its own pod, which fails."""
    deadly = run_of("deadly", shell("rw progress hi; kill -TERM 1; sleep 60"))
    apply(kind_cluster, restricted, policy_of({"restartBudget": 0}), deadly, run_of("other", shell("sleep 5")))
    assert await_phase(kind_cluster, restricted, "deadly", "Blocked")["agents"][0]["outcome"] == "Failed"
    assert await_phase(kind_cluster, restricted, "other", "Completed")["restarts"] == 0


@pytest.mark.parametrize(("mode", "sources"), [("NoSharedPID", ["Events", "Workspace"]), ("Off", None)])
def test_a_policy_may_see_less(
    kind_cluster: Cluster, reporting: Installed, restricted: str, mode: str, sources: list[str] | None
) -> None:
    """NoSharedPID leaves process 1 to the agent and lists the missing observations; Off starts no reporter, and the agent runs
    all the same.
    """
    script = "grep -qx sh /proc/1/comm || exit 3; command -v rw >/dev/null && rw progress hi; sleep 4"
    apply(kind_cluster, restricted, policy_of({"reporter": mode}), run_of("less", shell(script)))
    if sources:
        assert await_report(kind_cluster, restricted, "less-coder", lambda r: r["message"] == "hi")["sources"] == sources
    await_phase(kind_cluster, restricted, "less", "Completed")
    spec: dict[str, Any] = get(kind_cluster, restricted, "pod", "less-coder-r0")["spec"]
    assert ("initContainers" in spec) is bool(sources)
    assert "shareProcessNamespace" not in spec
