"""The quiet tenant alone, next to the noisy one, and alone again, under one operator in one run."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path

from controller.api.base import JsonObject
from tests.bench.measured import latency
from tests.bench.neighbours.noisy import Noisy
from tests.bench.neighbours.plan import Plan
from tests.bench.neighbours.quiet import KINDS, Quiet
from tests.bench.neighbours.tenant import Tenant
from tests.bench.wire import session
from tests.cluster import Cluster
from tests.endpoint import Endpoint
from tests.scripted_advisor import ScriptedAdvisor
from tests.support import OperatorProcess, apply, items, policy_of

NEWS = "change"
PROMPT: JsonObject = {"restartBudget": 1000, "restartCooldownSeconds": 0, "confirmationIntervalSeconds": 1}
ADVISED: JsonObject = {"llm": {"mode": "Auto", "timeoutSeconds": 60}}
UNADVISED: JsonObject = {"llm": {"mode": "Off"}}

Times = dict[str, list[float]]


class Stage:
    """The two namespaces, the noisy one's endpoint for notifications, and its advisor."""

    def __init__(self, cluster: Cluster, endpoint: Endpoint, advisor: ScriptedAdvisor) -> None:
        self.cluster, self.endpoint, self.advisor = cluster, endpoint, advisor
        tag = uuid.uuid4().hex[:6]
        self.quiet, self.noisy = f"quiet-{tag}", f"noisy-{tag}"


@contextmanager
def staged(cluster: Cluster, plan: Plan) -> Iterator[Stage]:
    """Both namespaces with their policies, and one operator over them."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        made = Stage(cluster, stack.enter_context(Endpoint()), ScriptedAdvisor(folder))
        for namespace in (made.quiet, made.noisy):
            cluster.kubectl("create", "namespace", namespace)
            stack.callback(cluster.kubectl, "delete", "namespace", namespace, "--wait=false")
        places = [{"secretName": f"place-{number}"} for number in range(plan.places)]
        apply(cluster, made.quiet, policy_of(PROMPT | UNADVISED))
        apply(cluster, made.noisy, *(_secret(each["secretName"], made.endpoint.port) for each in places))
        apply(cluster, made.noisy, policy_of(PROMPT | ADVISED | {"notifications": places}))
        where = ("--namespace", made.quiet, "--namespace", made.noisy, "--lease-name", made.quiet, "--reporter-image", "x")
        how = (
            "--adapter=local",
            "--adapter-commands",
            str(made.advisor.commands()),
            "--notify-schemes",
            "json",
            "--notify-allow",
            "127.0.0.1",
        )
        stack.enter_context(OperatorProcess(cluster, *where, *how))
        yield made


def _secret(name: str, port: int) -> JsonObject:
    url = {"url": f"json://127.0.0.1:{port}/"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": url}


async def campaign(stage: Stage, plan: Plan, progress: Callable[[str], None]) -> JsonObject:
    """Take the three turns and return the figures."""
    async with session(stage.cluster.kubeconfig) as http:
        quiet, noisy = Tenant(http, stage.quiet), Tenant(http, stage.noisy)
        async with quiet.watched(), noisy.watched():
            measured, crowd = Quiet(quiet, plan), Noisy(stage.cluster, noisy, plan)
            await measured.go()  # One-time work, such as connections and compiled code, is not counted.
            progress("alone")
            before = await measured.go()
            progress(f"beside {plan.crowd} Runs")
            await crowd.gather()
            async with crowd.loud():
                beside = await measured.go()
                await crowd.has_done_everything()
            progress("alone again")
            after = await measured.go()
    alone = {kind: before[kind] + after[kind] for kind in KINDS}
    return {"alone": _told(alone), "beside": _told(beside), "ratios": _ratios(alone, beside), "noise": _noise(stage, crowd)}


def _noise(stage: Stage, crowd: Noisy) -> JsonObject:
    consulted = len(list((stage.advisor.folder / "asked").glob("*.json")))
    asked = len(items(stage.cluster, stage.noisy, "escalations"))
    told = {"escalations": asked, "consultations": consulted, "notifications": len(stage.endpoint.messages)}
    return {"runs": len(crowd.names), "changes": dict(crowd.done), **told}


def _told(times: Times) -> JsonObject:
    return {name: asdict(latency(each)) for name, each in _pooled(times).items()}


def _ratios(alone: Times, beside: Times) -> JsonObject:
    """Return the growth of the latency of each kind, at the median and the 99th percentile."""
    without, with_ = _told(alone), _told(beside)
    return {name: {part: round(with_[name][part] / without[name][part], 2) for part in ("p50", "p99")} for name in without}


def _pooled(times: Times) -> Times:
    """Return each kind, and all decisions together: status-only updates are delayed on purpose."""
    return times | {"decisions": [taken for kind, each in times.items() if kind != NEWS for taken in each]}
