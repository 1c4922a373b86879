"""The reporter as a process against the real API server, with a real account's token and the shipped role."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from controller.api.agent_report import AgentReportStatus
from controller.api.base import JsonObject, parse
from controller.api.names import REPORTER_CONTAINER
from tests.cluster import Cluster
from tests.support import apply, await_that, get, run_of
from tests.unit.reporter.conftest import Reporting
from tests.unit.reporter.server import Server


class Pod:
    """A reporter with the token of a pod of a Run of this namespace; the pod exists, but never runs."""

    def __init__(self, cluster: Cluster, namespace: str, folder: Path) -> None:
        self.cluster, self.namespace = cluster, namespace
        apply(cluster, namespace, run_of("demo"))
        self.run_uid = get(cluster, namespace, "run", "demo")["metadata"]["uid"]
        self.kubectl("create", "serviceaccount", REPORTER_CONTAINER)
        self.allow()
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "demo-coder-r0"}, "spec": self.spec()}
        apply(cluster, namespace, pod)
        self.pod_uid = get(cluster, namespace, "pod", "demo-coder-r0")["metadata"]["uid"]
        server = yaml.safe_load(cluster.kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
        self.reporting = Reporting(folder, Server(), urlsplit(server).port or 443, cluster.directory / "ca.crt")
        bound = ("--bound-object-kind=Pod", "--bound-object-name=demo-coder-r0", f"--bound-object-uid={self.pod_uid}")
        self.reporting.renew_token(self.kubectl("create", "token", REPORTER_CONTAINER, *bound).strip())

    @staticmethod
    def spec() -> JsonObject:
        gates, containers = [{"name": "example.com/never"}], [{"name": "agent", "image": "x"}]
        return {"serviceAccountName": REPORTER_CONTAINER, "schedulingGates": gates, "containers": containers}

    def kubectl(self, *arguments: str) -> str:
        return self.cluster.kubectl("-n", self.namespace, *arguments)

    def allow(self) -> None:
        whom = f"--serviceaccount={self.namespace}:{REPORTER_CONTAINER}"
        self.kubectl("create", "rolebinding", REPORTER_CONTAINER, f"--clusterrole={REPORTER_CONTAINER}", whom)

    def start(self) -> None:
        about = {"RUNWATCHMAN_NAMESPACE": self.namespace, "RUNWATCHMAN_RUN_UID": self.run_uid, "RUNWATCHMAN_POD_UID": self.pod_uid}
        self.reporting.start(**about, RUNWATCHMAN_ATTEMPT="0", RUNWATCHMAN_REPORT_INTERVAL_SECONDS="1")

    def report(self) -> JsonObject:
        return get(self.cluster, self.namespace, "agentreport", "demo-coder")

    def await_report(self, condition: Callable[[JsonObject], object], what: str) -> JsonObject:
        def there() -> JsonObject | None:
            found = self.report()
            return found if found and condition(found.get("status", {})) else None

        found: JsonObject = await_that(there, what)
        return found


@pytest.fixture
def pod(api_cluster: Cluster, namespace: str, tmp_path: Path) -> Iterator[Pod]:
    found = Pod(api_cluster, namespace, tmp_path)
    found.start()
    yield found
    if found.reporting.process and found.reporting.process.poll() is None:
        found.reporting.end()


def test_a_question_and_its_answer(pod: Pod) -> None:
    """The shipped role is enough, the schema accepts the report, its managed-fields entry has our manager's name, and the answer
    is delivered.
    """
    pod.reporting.say('{"type":"question","id":"q1","text":"Ship \\u0007 it?\\n\\ud83d\\ude80","options":["yes"]}')
    pod.reporting.say('{"type":"limit","kind":"quota","resetsAt":1e999,"message":"You have hit your limit"}')
    pod.reporting.say('{"type":"result","outcome":"Completed","outputs":{"pr":"x"}}')
    found = pod.await_report(lambda status: status.get("result"), "the question is not reported")
    assert parse(AgentReportStatus, found["status"]).questions[0].text == "Ship \N{REPLACEMENT CHARACTER} it?\n\N{ROCKET}"
    limit = {"kind": "Quota", "resetsAt": "9999-12-31T23:59:59Z", "message": "You have hit your limit"}
    assert {name: value for name, value in found["status"]["limit"].items() if name != "ageSeconds"} == limit
    entries = json.loads(pod.kubectl("get", "agentreport", "demo-coder", "-o", "json", "--show-managed-fields"))
    stamps = {entry["manager"]: entry for entry in entries["metadata"]["managedFields"] if entry.get("subresource") == "status"}
    assert stamps["runwatchman-reporter"]["time"]
    (owner,) = found["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner.get("blockOwnerDeletion")) == ("Run", pod.run_uid, None)
    delivery = '{"spec":{"deliveries":[{"questionID":"q1","answer":"go"}]}}'
    pod.kubectl("patch", "agentreport", "demo-coder", "--type=merge", "-p", delivery)
    pod.await_report(lambda status: status.get("delivered") == ["q1"], "the delivery is not acknowledged")
    assert pod.reporting.rw("answer", "q1").stdout == "go\n"
    pod.await_report(lambda status: status.get("read") == ["q1"] and not status["questions"], "it is not reported as read")


def test_without_rights_and_with_them_again(pod: Pod) -> None:
    """A removed binding loses no report: events in between are reported when it is back. The same holds for a deleted report."""
    first = pod.await_report(lambda status: status.get("seq"), "no first beat")
    pod.kubectl("delete", "rolebinding", REPORTER_CONTAINER)
    pod.reporting.say('{"type":"result","outcome":"Failed","summary":"meanwhile"}')
    pod.kubectl("delete", "agentreport", "demo-coder")
    pod.allow()
    found = pod.await_report(lambda status: status.get("result"), "events in between are lost")
    assert found["metadata"]["uid"] != first["metadata"]["uid"]
    assert found["status"]["seq"] > first["status"]["seq"]
    assert '"summary":"meanwhile"' in pod.reporting.end()
