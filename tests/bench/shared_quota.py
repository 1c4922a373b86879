"""A fleet whose provider exhausts its quota: how many attempts are lost to it, with and without a Provider.

scripts/run python -m tests.bench.shared_quota [--runs N] [--places N] [--without]

Each agent is a simulated pod that asks a stub once. The stub serves so many agents, then none until its reset time. An agent that
it does not serve reports the limit with the reset time, as `rw exec` does, and exits with 75.
"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import click

from controller.api.names import REPORTER_CONTAINER
from tests.bench.wire import session
from tests.cluster import Cluster
from tests.installed_cluster import installed_cluster
from tests.support import OperatorProcess, apply, run_of, simulated

API = "/apis/runwatchman.dev/v1alpha1/namespaces"
MERGE = {"Content-Type": "application/merge-patch+json"}
PER_MINUTE = 300
POLL_SECONDS = 0.5
JsonObject = dict[str, Any]


class Quota:
    """Serves `calls` agents, then none for some seconds, then all."""

    def __init__(self, calls: int, seconds: float) -> None:
        self._left, self._seconds = calls, seconds
        self.resets_at: datetime | None = None

    def serve(self) -> bool:
        """Return whether the next agent is served."""
        now = datetime.now(UTC)
        if self._left and self.resets_at is None:
            self._left -= 1
            if not self._left:
                self.resets_at = now + timedelta(seconds=self._seconds)
            return True
        return self.resets_at is not None and now >= self.resets_at


class Agents:
    """Plays the agents of a namespace: each asks the quota once, and ends."""

    def __init__(self, http: aiohttp.ClientSession, namespace: str, quota: Quota) -> None:
        self._http, self._namespace, self._quota = http, namespace, quota
        self._played: set[str] = set()
        self.limited: list[JsonObject] = []

    async def play(self) -> None:
        """Play until cancelled."""
        while True:
            pods = (await self.call("GET", f"/api/v1/namespaces/{self._namespace}/pods"))["items"]
            ready = [p for p in pods if p["status"].get("phase") == "Running" and p["metadata"]["uid"] not in self._played]
            await asyncio.gather(*map(self._ask, ready))
            await asyncio.sleep(POLL_SECONDS)

    async def _ask(self, pod: JsonObject) -> None:
        self._played.add(pod["metadata"]["uid"])
        path = f"/api/v1/namespaces/{self._namespace}/pods/{pod['metadata']['name']}"
        if self._quota.serve():
            await self.call("PATCH", path, {"metadata": {"annotations": {"test.runwatchman.dev/outcome": "succeed"}}})
            return
        self.limited.append(pod)
        await self._report(pod)
        stamp = pod["metadata"]["creationTimestamp"]
        ended = {"exitCode": 75, "reason": "Error", "startedAt": stamp, "finishedAt": stamp}
        container = {
            "name": "agent",
            "image": "x",
            "imageID": "",
            "ready": False,
            "restartCount": 0,
            "state": {"terminated": ended},
        }
        await self.call("PATCH", f"{path}/status", {"status": {"phase": "Failed", "containerStatuses": [container]}})

    async def _report(self, pod: JsonObject) -> None:
        """Report the limit, as the reporter in the pod does."""
        [owner] = [each for each in pod["metadata"]["ownerReferences"] if each.get("controller")]
        name, place = f"{owner['name']}-coder", f"{API}/{self._namespace}/agentreports"
        spec = {"runName": owner["name"], "runUID": owner["uid"], "agent": "coder"}
        about = {"apiVersion": owner["apiVersion"], "kind": "AgentReport", "metadata": {"name": name}, "spec": spec}
        about["metadata"] |= {"ownerReferences": [{key: owner[key] for key in ("apiVersion", "kind", "name", "uid")}]}
        await self.call("POST", place, about, may_exist=True)
        assert self._quota.resets_at
        seconds = max(1, round((self._quota.resets_at - datetime.now(UTC)).total_seconds()))
        limit = {"kind": "Quota", "ageSeconds": 0, "resetSeconds": seconds, "message": "usage limit reached"}
        attempt = int(pod["metadata"]["labels"]["runwatchman.dev/attempt"])
        status = {"attempt": attempt, "podUID": pod["metadata"]["uid"], "seq": 1, "intervalSeconds": 60, "activityAgeSeconds": 0}
        await self.call("PATCH", f"{place}/{name}/status?fieldManager={REPORTER_CONTAINER}", {"status": status | {"limit": limit}})

    async def call(self, verb: str, path: str, body: JsonObject | None = None, *, may_exist: bool = False) -> JsonObject:
        """Return the API server's answer to one request."""
        headers = MERGE if verb == "PATCH" else {"Content-Type": "application/json"}
        async with self._http.request(verb, path, data=json.dumps(body) if body else None, headers=headers) as answer:
            found: JsonObject = await answer.json()
            assert answer.ok or (may_exist and answer.status == 409), found
            return found


async def campaign(cluster: Cluster, namespace: str, runs: int, quota: Quota, seconds: float) -> tuple[list[JsonObject], Agents]:
    """Run the fleet until all Runs have ended or the time is over; return the Runs, and the agents."""
    async with session(cluster.kubeconfig) as http:
        agents = Agents(http, namespace, quota)
        playing = asyncio.create_task(agents.play())
        found: list[JsonObject] = []
        try:
            async with asyncio.timeout(seconds):
                while True:
                    found = (await agents.call("GET", f"{API}/{namespace}/runs"))["items"]
                    phases = Counter(run.get("status", {}).get("phase") for run in found)
                    click.echo(f"{dict(phases)} limited {len(agents.limited)}", err=True)
                    if phases["Completed"] + phases["Failed"] + phases["Blocked"] == runs:
                        break
                    await asyncio.sleep(5)
        except TimeoutError:
            click.echo("the time is over", err=True)
        playing.cancel()
        return found, agents


def busiest(times: list[datetime], seconds: int) -> int:
    """Return the most starts in so many seconds."""
    return max((sum(one <= other < one + timedelta(seconds=seconds) for other in times) for one in times), default=0)


@click.command()
@click.option("--runs", default=400, show_default=True)
@click.option("--calls", default=100, show_default=True, help="Agents that the quota serves.")
@click.option("--reset", default=60, show_default=True, help="Seconds until the quota is reset: an hour, shortened.")
@click.option("--places", default=20, show_default=True, help="Agents that are active at once: maxActiveAgents.")
@click.option("--limit", default=900, show_default=True, help="Seconds until the campaign gives up.")
@click.option("--without", is_flag=True, help="Without a Provider.")
def main(runs: int, calls: int, reset: int, places: int, limit: int, *, without: bool) -> None:
    """Start the fleet, and print what the quota cost it."""
    with installed_cluster(None, "api", kwok_nodes=4) as cluster:
        good = measure(cluster, runs, Quota(calls, reset), places, limit, without=without)
    sys.exit(0 if good else 1)


def measure(cluster: Cluster, runs: int, quota: Quota, places: int, limit: int, *, without: bool) -> bool:
    """Return whether the Provider has kept its promises; print the figures."""
    namespace = f"quota-{uuid.uuid4().hex[:6]}"
    cluster.create_namespace(namespace)
    spec = {"maxActiveAgents": places, "reopenPerMinute": PER_MINUTE}
    apply(
        cluster,
        namespace,
        {"apiVersion": "runwatchman.dev/v1alpha1", "kind": "Provider", "metadata": {"name": "stub"}, "spec": spec},
    )
    agent = simulated("run-forever") | ({} if without else {"provider": "stub"})
    with OperatorProcess(cluster, "--namespace", namespace, "--lease-name", namespace):
        apply(cluster, namespace, *(run_of(f"r{number}", agent) for number in range(runs)))
        found, agents = asyncio.run(campaign(cluster, namespace, runs, quota, limit))
    status = json.loads(cluster.kubectl("-n", namespace, "get", "rwprov", "stub", "-o", "json")).get("status", {})
    pods = json.loads(cluster.kubectl("-n", namespace, "get", "pods", "-o", "json"))["items"]
    closed, opened = (datetime.fromisoformat(status[key]) if key in status else None for key in ("closedAt", "openedAt"))
    made = sorted(datetime.fromisoformat(pod["metadata"]["creationTimestamp"]) for pod in pods)
    late = [p for p in agents.limited if closed and datetime.fromisoformat(p["metadata"]["creationTimestamp"]) > closed]
    after = [moment for moment in made if opened and moment > opened]
    figures = {
        "runs": runs,
        "completed": sum(run.get("status", {}).get("phase") == "Completed" for run in found),
        "attempts lost to the quota": len(agents.limited),
        "of them started after the closing": len(late),
        "charged restarts": sum(run.get("status", {}).get("restarts", 0) for run in found),
        "most starts in ten seconds after the opening": busiest(after, 10),
        "allowed": PER_MINUTE // 6,
    }
    click.echo(json.dumps(figures, indent=1))
    steady = busiest(after, 10) <= PER_MINUTE // 6 + PER_MINUTE // 60  # creation times have whole seconds
    return figures["completed"] == runs and not figures["charged restarts"] and len(late) <= 2 and steady


if __name__ == "__main__":
    main()
