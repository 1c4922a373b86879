"""Common helpers of cluster tests: the operator as a process of its own, and waiting for conditions."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from controller.api.base import JsonObject
from controller.api.names import API_VERSION
from tests.cluster import Cluster
from tests.cluster.processes import Record, wait_until

PATIENCE = 180.0
"""Seconds after which an awaited condition counts as missed; generous, since these machines are shared."""

ASK_SECONDS = 5.0
"""How long an endpoint may take to answer."""
UNVERIFIED = ssl._create_unverified_context()  # noqa: S323  # the operator's certificate is its own
"""For a certificate that the operator has created itself."""


def await_that(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> Any:
    """Return the value of `condition` once it is true; fail with `what` when it takes too long."""
    found: Any = None

    def there() -> bool:
        nonlocal found
        found = condition()
        return bool(found)

    assert wait_until(there, seconds), f"after {seconds:.0f} s: {what}"
    return found


async def eventually(condition: Callable[[], object], what: str) -> Any:
    """Await a condition while the event loop turns."""
    return await asyncio.to_thread(await_that, condition, what)


def ask(url: str, token: str = "") -> tuple[int, str]:
    """Return the code and body of an answer, (0, '') without one; over TLS the certificate is not verified."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310  # one of ours
    try:
        with urllib.request.urlopen(request, timeout=ASK_SECONDS, context=UNVERIFIED) as answer:  # noqa: S310  # one of ours
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def apply(cluster: Cluster, namespace: str, *objects: JsonObject) -> None:
    """Apply objects to a namespace."""
    cluster.apply(namespace, *objects)


def run_of(name: str, *agents: JsonObject, **spec: Any) -> JsonObject:
    """Return a Run; an agent is a dict of fields, `name` defaulting to coder and `image` to busybox."""
    filled = [{"name": "coder"} | ({} if "template" in a else {"image": "busybox:1.37"}) | a for a in agents or ({},)]
    return {"apiVersion": "runwatchman.dev/v1alpha1", "kind": "Run", "metadata": {"name": name}, "spec": {"agents": filled, **spec}}


def policy_of(spec: JsonObject, name: str = "default") -> JsonObject:
    """Return a RunPolicy; the one named default is its namespace's."""
    return {"apiVersion": "runwatchman.dev/v1alpha1", "kind": "RunPolicy", "metadata": {"name": name}, "spec": spec}


def answer(cluster: Cluster, namespace: str, escalation: str, decision: str, **fields: str) -> None:
    """Answer an escalation as the human whose kubeconfig it is, which an answer has to name."""
    response = {"decision": decision, "by": cluster.user, **fields}
    patch = json.dumps({"spec": {"response": response}})
    cluster.kubectl("-n", namespace, "patch", "escalation", escalation, "--type=merge", "-p", patch)


def pods_of(cluster: Cluster, namespace: str, prefix: str) -> dict[str, JsonObject]:
    """Return the pods whose names begin with an agent's, by name."""
    found = {pod["metadata"]["name"]: pod for pod in items(cluster, namespace, "pods")}
    return {name: found[name] for name in sorted(found) if name.startswith(f"{prefix}-")}


def simulated(outcome: str) -> JsonObject:
    """Return an agent whose pod gets this end from the simulated nodes: `fail` after a second, `run-forever` never by itself."""
    pod = {"containers": [{"name": "agent", "image": "x"}]}
    return {"template": {"metadata": {"annotations": {"test.runwatchman.dev/outcome": outcome}}, "spec": pod}}


def simulated_forever(name: str) -> JsonObject:
    """Return a Run whose simulated pod never ends by itself."""
    return run_of(name, simulated("run-forever"))


def failing(name: str, **spec: Any) -> JsonObject:
    """Return a Run whose simulated pods fail."""
    return run_of(name, simulated("fail"), **spec)


def shell(script: str, **fields: Any) -> JsonObject:
    """Return an agent that runs a shell script."""
    return {"command": ["sh", "-c", script], **fields}


POLLED = {
    "pod": "/api/v1",
    "event": "/api/v1",
    "lease": "/apis/coordination.k8s.io/v1",
    **dict.fromkeys(("run", "escalation", "agentreport"), f"/apis/{API_VERSION}"),
}
"""Kinds that tests read again and again, with their groups: these are read without a process."""


def get(cluster: Cluster, namespace: str, kind: str, name: str) -> JsonObject:
    """Return an object, empty if absent."""
    if path := _collection(namespace, kind):
        return _printed(cluster.read(f"{path}/{name}") or {})
    text = cluster.kubectl("-n", namespace, "get", kind, name, "-o", "json", "--ignore-not-found")
    found: JsonObject = json.loads(text) if text.strip() else {}
    return found


def items(cluster: Cluster, namespace: str, kind: str) -> list[JsonObject]:
    """Return every object of a kind in a namespace."""
    if path := _collection(namespace, kind):
        listed = cluster.read(path)
        assert listed, f"the API server has no {kind}"
        common = {"apiVersion": listed["apiVersion"], "kind": listed["kind"].removesuffix("List")}
        return [_printed(common | each) for each in listed["items"]]
    found: list[JsonObject] = json.loads(cluster.kubectl("-n", namespace, "get", kind, "-o", "json"))["items"]
    return found


def _collection(namespace: str, kind: str) -> str:
    """Return the path of a namespace's objects of a kind that is polled, empty for another."""
    one = kind.removesuffix("s")
    return f"{POLLED[one]}/namespaces/{namespace}/{one}s" if one in POLLED else ""


def _printed(found: JsonObject) -> JsonObject:
    """Return an object as kubectl prints it: without the owners of its fields."""
    if found:
        found["metadata"].pop("managedFields", None)
    return found


def status(cluster: Cluster, namespace: str, run: str) -> JsonObject:
    """Return a Run's status."""
    found: JsonObject = get(cluster, namespace, "run", run).get("status", {})
    return found


def await_phase(cluster: Cluster, namespace: str, run: str, *phases: str, seconds: float = PATIENCE) -> JsonObject:
    """Wait until a Run is in one of the phases and return its status."""
    last: JsonObject = {}

    def there() -> JsonObject | None:
        nonlocal last
        last = status(cluster, namespace, run)
        return last if last.get("phase") in phases else None

    try:
        found: JsonObject = await_that(there, "", seconds)
    except AssertionError:
        raise AssertionError(f"Run {run} is not {' or '.join(phases)} after {seconds:.0f} s: {json.dumps(last)[:3000]}") from None
    return found


def condition(found: JsonObject, kind: str) -> tuple[str, str]:
    """Return a condition's status and reason from a Run's status."""
    return next((c["status"], c["reason"]) for c in found["conditions"] if c["type"] == kind)


PATIENT_LEASE = ("--lease-duration", "60", "--lease-renew-deadline", "40", "--lease-retry-period", "0.5")
"""A busy machine must not lose the Lease. A killed operator is restarted under its own name, so no wait takes that long."""


CHECKOUT = Path(__file__).parent.parent
"""The sources that an operator process runs: Python finds them in its working directory."""


class OperatorProcess:
    """`runwatchman operator` as users run it, against one cluster, on ports of its own; by default of this checkout."""

    def __init__(self, cluster: Cluster, *options: str, keep: bool = False, checkout: Path = CHECKOUT) -> None:
        self._cluster, self._options, self._keep, self._checkout = cluster, options, keep, checkout
        self._identity = f"operator-{time.monotonic_ns()}"
        self.log = cluster.directory / f"{self._identity}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.began():
            self.stop()

    def began(self) -> bool:
        """Whether the process was started."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process
        return self._process.pid

    def start(self) -> None:
        """Start the operator and wait until it reports that it is ready."""
        self.start_without_waiting()
        await_that(lambda: self.ready() or self.ended(), f"operator not ready, see {self.log}")
        assert not self.ended(), f"the operator ended: {self.log.read_text()[-2000:]}"

    def ended(self) -> bool:
        """Whether the process has ended."""
        assert self._process
        return self._process.poll() is not None

    def start_without_waiting(self) -> None:
        """Start the operator; another may hold its Lease."""
        command = [sys.executable, "-m", "controller", "operator", "--kubeconfig", str(self._cluster.kubeconfig)]
        command += ["--metrics-port", "0", "--health-port", "0", *PATIENT_LEASE, "--identity", self._identity, *self._options]
        env = {key: value for key, value in os.environ.items() if key != "KUBECONFIG"}
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env=env, cwd=self._checkout, start_new_session=self._keep
            )
        if self._cluster.provider != "existing":  # the cleanup after a killed run ends it with the cluster
            Record(self._cluster.directory / "processes").add("operator", self._process.pid)

    def ready(self) -> bool:
        """Whether `/readyz` reports it."""
        return self.probe("health", "readyz")[0] == 200

    def probe(self, endpoint: str, path: str, token: str = "") -> tuple[int, str]:
        """Return the code and body of a request to one of the operator's endpoints; (0, '') where it does not answer."""
        last = self._listening(endpoint)
        return ask(f"{last['scheme']}://127.0.0.1:{last['port']}/{path}", token) if last else (0, "")

    def port(self, endpoint: str) -> int:
        """Return the port of one of the operator's endpoints."""
        return int(self._listening(endpoint)["port"])

    def _listening(self, endpoint: str) -> JsonObject:
        """Return the last log line with the address of an endpoint: an operator that has restarted its loop listens again."""
        told = [line for line in self._text().splitlines() if line.startswith("{") and '"endpoint"' in line]
        return next((line for line in map(json.loads, reversed(told)) if line.get("endpoint") == endpoint), {})

    def lines(self) -> list[JsonObject]:
        """Return the log of this process so far, one object per line."""
        return [json.loads(line) for line in self._text().splitlines() if line.startswith("{")]

    def _text(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the operator a signal and return its exit code."""
        assert self._process
        self._process.send_signal(number)
        code = self._process.wait(timeout=PATIENCE)
        if number == signal.SIGKILL:
            self.log = self.log.with_name(f"operator-{time.monotonic_ns()}.log")
        return code
