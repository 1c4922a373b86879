"""The contestants: each controller with its objects, and how it is started with a user of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from controller.api.base import JsonObject
from controller.kube.resources import RUNS, Resource
from tests import users
from tests.cluster import Cluster, processes
from tests.cluster.binaries import find
from tests.cluster.processes import Record, start_time
from tests.support import CHECKOUT, OperatorProcess, apply, policy_of, run_of

ROOT = Path(__file__).parent.parent.parent
JOBS = Resource("batch", "v1", "jobs", "Job")
BARE_RUNS = Resource("bench.runwatchman.dev", "v1", "bareruns", "Run")
ACCOUNT = "controller"
IMAGE, COMMAND = "busybox:1.37", ["true"]
PLAYED = {"test.runwatchman.dev/outcome": "run-forever"}
"""For pods whose end is not simulated by kwok: the benchmark itself plays their kubelet."""
RESTARTS = 1
AT_ONCE = {"restartBudget": RESTARTS, "restartCooldownSeconds": 0, "confirmationIntervalSeconds": 1}
"""A policy with an immediate restart after a failure."""
RETRY_PERIOD = ("--lease-retry-period", "2")
"""The users' setting; the tests' is quicker, at two writes a second."""


def home_of(namespace: str) -> str:
    """Return the namespace of the account of a stage's controller: no operator starts an agent in its own namespace."""
    return f"{namespace}-home"


@contextmanager
def account_for(cluster: Cluster, namespace: str) -> Iterator[Cluster]:
    """Yield the cluster as the account of a stage's controller sees it; the account is deleted afterwards."""
    home = home_of(namespace)
    cluster.kubectl("create", "namespace", home)
    cluster.kubectl("-n", home, "create", "serviceaccount", ACCOUNT)
    try:
        yield users.account(cluster, home, ACCOUNT)
    finally:
        cluster.kubectl("delete", "namespace", home, "--wait=false")


@dataclass(frozen=True, slots=True)
class Stage:
    """The place of one controller's measurement: a namespace of its own, and the cluster as its account in another sees it."""

    cluster: Cluster
    account: Cluster
    namespace: str
    failing: bool

    @property
    def user(self) -> str:
        """The controller's user name at the API server."""
        return f"system:serviceaccount:{home_of(self.namespace)}:{ACCOUNT}"

    def let(self, role: str, *, everywhere: bool = False) -> None:
        """Bind a ClusterRole to the controller's account."""
        users.grant(
            self.cluster, None if everywhere else self.namespace, role, f"--serviceaccount={home_of(self.namespace)}:{ACCOUNT}"
        )

    def run(self, stack: ExitStack, name: str, *command: str) -> int:
        """Start a program that ends with the exit stack; return its process."""
        env = {**os.environ, "KUBECONFIG": str(self.account.kubeconfig), "PYTHONPATH": str(ROOT)}
        log = self.cluster.directory / f"{self.namespace}-{name}.log"
        pid = processes.start(Record(self.cluster.directory / "processes"), name, list(command), log, keep=False, env=env)
        stack.callback(processes.stop, pid, start_time(pid))
        return pid


@dataclass(frozen=True, slots=True)
class Contestant:
    """One controller: its objects, the state of a finished object, and its start."""

    name: str
    resource: Resource
    body: Callable[[str, bool], JsonObject]
    finished: Callable[[JsonObject], bool]
    start: Callable[[Stage, ExitStack], int]
    restarts: bool = True


def contestants(folder: Path, postgres: str | None = None, base: Path | None = None) -> dict[str, Contestant]:
    """Return every contestant by name; databases are put into the folder. `base` is a checkout of another revision of ours."""
    ours = {"status": "status", "annotations": "annotations", "sqlite": f"sqlite:///{folder}/"}
    ours |= {"postgresql": postgres} if postgres else {}
    found = [
        Contestant("job", JOBS, _job, _complete, _start_job),
        Contestant("naive", BARE_RUNS, _bare, _succeeded, _start_naive, restarts=False),
        Contestant("floor", BARE_RUNS, _bare, _succeeded, _start_floor),
        *(Contestant(f"runwatchman-{kind}", RUNS, run_for, _completed, partial(start_ours, store)) for kind, store in ours.items()),
    ]
    if base:
        found.append(Contestant("runwatchman-base", RUNS, run_for, _completed, partial(start_ours, "status", checkout=base)))
    return {each.name: each for each in found}


def _job(name: str, played: bool) -> JsonObject:
    pod = {"restartPolicy": "Never", "automountServiceAccountToken": False}
    pod["containers"] = [{"name": "agent", "image": IMAGE, "command": COMMAND}]
    template = {"metadata": {"annotations": PLAYED if played else {}}, "spec": pod}
    spec = {"backoffLimit": RESTARTS if played else 0, "template": template}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": spec}


def _bare(name: str, played: bool) -> JsonObject:
    spec = {"image": IMAGE, "command": COMMAND, "annotations": PLAYED if played else {}, "restarts": RESTARTS}
    return {"apiVersion": "bench.runwatchman.dev/v1", "kind": "Run", "metadata": {"name": name}, "spec": spec}


def run_for(name: str, played: bool) -> JsonObject:
    """Return a Run of one agent; for a played one the benchmark acts as the kubelet."""
    if not played:
        return run_of(name, {"image": IMAGE, "command": COMMAND})
    pod = {"containers": [{"name": "agent", "image": IMAGE, "command": COMMAND}]}
    return run_of(name, {"template": {"metadata": {"annotations": PLAYED}, "spec": pod}})


def _complete(job: JsonObject) -> bool:
    return any(each["type"] == "Complete" and each["status"] == "True" for each in job.get("status", {}).get("conditions", []))


def _succeeded(run: JsonObject) -> bool:
    return bool(run.get("status", {}).get("phase") == "Succeeded")


def _completed(run: JsonObject) -> bool:
    return bool(run.get("status", {}).get("phase") == "Completed")


def _start_job(stage: Stage, stack: ExitStack) -> int:
    stage.let("system:controller:job-controller", everywhere=True)
    flags = {
        "controllers": "job",
        "kubeconfig": str(stage.account.kubeconfig),
        "leader-elect": "false",
        "secure-port": "0",
        "kube-api-qps": "1000",
        "kube-api-burst": "2000",
    }
    program = find(["kube-controller-manager"])["kube-controller-manager"]
    return stage.run(stack, "job", str(program), *(f"--{key}={value}" for key, value in flags.items()))


def _start_naive(stage: Stage, stack: ExitStack) -> int:
    stage.let("bench-bare")
    stage.let("bench-kopf", everywhere=True)
    return stage.run(stack, "naive", sys.executable, "-m", "kopf", "run", "-n", stage.namespace, "-m", "tests.bench.naive")


def _start_floor(stage: Stage, stack: ExitStack) -> int:
    stage.let("bench-bare")
    return stage.run(
        stack, "floor", sys.executable, "-m", "tests.bench.minimal_controller", str(stage.account.kubeconfig), stage.namespace
    )


def start_ours(store: str, stage: Stage, stack: ExitStack, checkout: Path = CHECKOUT) -> int:
    """Start the operator with a store, or with an SQLite database in the folder that its URL ends with; return its process."""
    url = f"{store}{stage.namespace}.db" if store.endswith("/") else store
    return operator_for(stage, stack, "--store", url, checkout=checkout).pid


def operator_for(stage: Stage, stack: ExitStack, *options: str, checkout: Path = CHECKOUT) -> OperatorProcess:
    """Start the operator with options for a stage; it ends with the exit stack."""
    stage.let("runwatchman-operator")
    stage.let("runwatchman-operator-lease")
    stage.let("runwatchman-operator-halt", everywhere=True)
    if stage.failing:
        apply(stage.cluster, stage.namespace, policy_of(AT_ONCE))
    where = ("--namespace", stage.namespace, "--lease-namespace", stage.namespace)
    return stack.enter_context(OperatorProcess(stage.account, *where, *RETRY_PERIOD, *options, checkout=checkout))
