"""One Run on a real API server under the real operator, whose world is the simulation's, in real time.

The world's agents, people, drains and limits are those of `controller.simulation`. Its decisions are not: they come from the
operator, through the objects. So a difference to the simulated Run is one of the operator in virtual time.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, deque
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import aiohttp

from controller.api.base import JsonObject
from controller.api.names import LABEL_ATTEMPT, REPORTER_CONTAINER, report_name
from controller.api.phases import TERMINAL_PHASES, Phase
from controller.api.policy import RunPolicySpec
from controller.api.timestamps import parse_time
from controller.kube.resources import AGENT_REPORTS, ESCALATIONS, PODS, RUNS
from controller.plan.snapshot import PodFacts, ReportFacts
from controller.simulation.account import Account
from controller.simulation.cluster import Cluster
from controller.simulation.counterfactual import would_finish
from controller.simulation.draws import Draws
from controller.simulation.effects import count, key_of
from controller.simulation.passes import ORDERED
from controller.simulation.scenario import Scenario
from controller.simulation.virtual_time import SECOND, Clock
from tests.bench.scale.reports import MERGE_PATCH
from tests.bench.wire import STRATEGIC_PATCH, call
from tests.simulation_check.objects import escalation_facts, pod_status, report_object, report_status

LOOK_SECONDS = 5.0
AGENT = "agent"
ENDED = ("Succeeded", "Failed")


class PlayedRun:
    """A Run with its world. Events of watches come in through `see`; `play` returns at the Run's end or at the horizon."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        person: str,
        run: JsonObject,
        scenario: Scenario,
        policy: RunPolicySpec,
        draws: Draws,
        report_seconds: int,
    ) -> None:
        meta = run["metadata"]
        created = parse_time(meta["creationTimestamp"])
        assert created
        self.name, self.uid, self._namespace = meta["name"], meta["uid"], meta["namespace"]
        self._http, self._person, self._began = http, person, time.monotonic()
        self.account = Account()
        self.world = Cluster(scenario, policy, draws, Clock(created), self.account, report_seconds)
        self._events: deque[tuple[str, str, JsonObject]] = deque()
        self._wake = asyncio.Event()
        self._pods: dict[str, JsonObject] = {}
        self._written: dict[str, PodFacts] = {}
        self._answered: set[str] = set()
        self._delivered: set[str] = set()
        self.refusals: Counter[str] = Counter()
        """The writes of the world that were refused, since their object was gone or had moved on."""
        self._reported = 0
        self._sent: ReportFacts | None = None
        self._has_report = False
        self.status: JsonObject = {}
        self.finished_seconds: float | None = None

    def see(self, kind: str, change: str, found: JsonObject) -> None:
        """Take an event of a watch."""
        self._events.append((kind, change, found))
        self._wake.set()

    async def play(self) -> None:
        """Let the world go on in real time."""
        while self.finished_seconds is None and self._now < self.world.horizon:
            await self._sleep()
            self._move()
            while self._events:
                await self._take(*self._events.popleft())
            self._move()
            await self._write()
        self.account.enter(self.account.phase, self.account.reason, min(self._now, self.world.horizon))

    @property
    def _now(self) -> int:
        return int((time.monotonic() - self._began) * SECOND)

    async def _sleep(self) -> None:
        """Wait for an event, or for the world's next one."""
        self._wake.clear()
        if self._events:
            return
        due = min(self.world.upcoming(), self._arrival(), self.world.horizon)
        with suppress(TimeoutError):
            async with asyncio.timeout(min(LOOK_SECONDS, max(0, due - self._now) / SECOND)):
                await self._wake.wait()

    def _arrival(self) -> int:
        """Return when the next report arrives."""
        life = self.world.life
        if life is None or not life.running or life.reporter is None:
            return self.world.horizon
        found = life.reporter.arrivals(self._reported, self.world.horizon)
        return found[0] if found else self.world.horizon

    def _move(self) -> None:
        """Let everything happen whose time has come."""
        now = self._now
        while self.world.upcoming() <= now:
            self.world.step()
        self.world.advance(now)

    async def _take(self, kind: str, change: str, found: JsonObject) -> None:
        match kind:
            case "pod":
                await self._take_pod(change, found)
            case "run":
                self._take_run(found)
            case "escalation" if change != "DELETED":
                self._take_escalation(found)
            case "report" if change != "DELETED":
                self._take_report(found)

    def _take_run(self, run: JsonObject) -> None:
        self.status = run.get("status", {})
        if "phase" not in self.status:
            return
        phase = Phase(self.status["phase"])
        self.account.enter(phase, str(self.status.get("plan", {}).get("reason", "")), self._now)
        if phase in TERMINAL_PHASES:
            self.finished_seconds = self._now / SECOND

    async def _take_pod(self, change: str, pod: JsonObject) -> None:
        """Start the agent of a pod that is bound, and end it as its kubelet would."""
        meta, spec = pod["metadata"], pod["spec"]
        name = meta["name"]
        if change == "DELETED":
            self.world.pods.pop(name, None)
            return
        self._pods[name] = pod
        facts = self.world.pods.get(name)
        if facts is None:
            reporting = any(each["name"] == REPORTER_CONTAINER for each in spec.get("initContainers", ()))
            facts = PodFacts(name, meta["uid"], AGENT, int(meta["labels"][LABEL_ATTEMPT]), self.uid, reporting=reporting)
            self.world.pods[name] = self._written[name] = facts
        if spec.get("nodeName") and not facts.bound:
            facts = self.world.pods[name] = replace(facts, bound=True)
            self.world.begin_life(facts)
        ends, deletes = spec.get("activeDeadlineSeconds") == 1, "deletionTimestamp" in meta
        if (ends and not facts.ending_since) or (deletes and not facts.deleting):
            stamp = self.world.clock.stamp(self._now)
            ending = stamp if ends else facts.ending_since
            facts = self.world.pods[name] = replace(facts, ending_since=ending, deleting=facts.deleting or deletes)
            await self._end(facts)

    async def _end(self, facts: PodFacts) -> None:
        """End an agent by TERM, and count it if it would have finished."""
        life = self.world.life
        if life is None or life.pod != facts.name:
            return
        if life.running and not life.ends:
            state = await self._state()
            agent = state.get("agents", {}).get(AGENT, {})
            cause = state["stop"]["reason"] if state.get("stop") else agent.get("lastOutcome", "")
            if cause not in ORDERED:
                self.account.false_stops += would_finish(life, self.world.people, self.world.now, self.world.horizon)
        life.end()

    async def _state(self) -> JsonObject:
        """Return the operator's state of the Run."""
        run = await call(self._http, "GET", RUNS.path(self._namespace, self.name))
        found: Any = run.get("status", {}).get("operatorState", {})
        state: JsonObject = json.loads(found) if isinstance(found, str) else found
        return state

    def _take_escalation(self, found: JsonObject) -> None:
        name = found["metadata"]["name"]
        before = self.world.escalations.get(name)
        facts = self.world.escalations[name] = escalation_facts(found, before)
        if before is None:
            count(self.account, facts.type)
            reason = found["spec"]["summary"].split(": ")[1]
            self.world.ask_people(facts, key_of(facts, reason))

    def _take_report(self, found: JsonObject) -> None:
        for delivery in found["spec"].get("deliveries", ()):
            question = delivery["questionID"]
            if question not in self._delivered:
                self._delivered.add(question)
                if self.world.report is not None:
                    same = self._sent is self.world.report
                    self.world.report = replace(self.world.report, deliveries=(*self.world.report.deliveries, question))
                    self._sent = self.world.report if same else self._sent
                self.world.hand_over(question)

    async def _write(self) -> None:
        """Write what the world has changed: as the kubelet, the reporter and the people do."""
        for name, facts in list(self.world.pods.items()):
            before = self._written.get(name, facts)
            if facts is not before:
                self._written[name] = facts
                await self._write_pod(before, facts)
        await self._write_report()
        for name, asked in list(self.world.escalations.items()):
            if asked.decision is not None and name not in self._answered:
                self._answered.add(name)
                response = {
                    "decision": asked.decision.value,
                    "by": self._person,
                    **({"answer": "this way"} if asked.question else {}),
                }
                await self._patch(ESCALATIONS.path(self._namespace, name), {"spec": {"response": response}}, MERGE_PATCH)

    async def _write_pod(self, before: PodFacts, facts: PodFacts) -> None:
        path = PODS.path(self._namespace, facts.name)
        if facts.disrupted_at and not before.disrupted_at:
            condition = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
            await self._patch(f"{path}/status", {"status": {"conditions": [condition]}}, STRATEGIC_PATCH)
            await self._delete(path, facts.grace_seconds)
        begins, ends = facts.started_at and not before.started_at, facts.phase in ENDED and before.phase not in ENDED
        if begins or ends:
            await self._patch(f"{path}/status", {"status": pod_status(self._pods[facts.name], facts)}, STRATEGIC_PATCH)
        if facts.deleting and facts.phase in ENDED:
            await self._delete(path, 0)

    async def _write_report(self) -> None:
        life = self.world.life
        runs = life is not None and life.running
        if life is not None and runs and life.reporter is not None and self._arrival() <= self._now:
            self._reported = self._now
            former = self.world.report
            self.world.report = life.reporter.facts(self._now, former.deliveries if former else ())
            life.reporter.has_news = False
        if self.world.report is not None and self.world.report is not self._sent:
            self._sent = self.world.report
            await self._send(self._sent)

    async def _send(self, report: ReportFacts) -> None:
        """Write a report, as the reporter does: its object is created with the first one."""
        path = AGENT_REPORTS.path(self._namespace, report_name(self.name, AGENT))
        body = {"status": report_status(report)}
        if not self._has_report:
            self._has_report = True
            await call(self._http, "POST", AGENT_REPORTS.path(self._namespace), report_object(self.name, self.uid, AGENT))
        await self._patch(f"{path}/status", body, MERGE_PATCH, fieldManager=REPORTER_CONTAINER)

    async def _patch(self, path: str, body: JsonObject, headers: dict[str, str], **query: str) -> bool:
        """Patch an object; return False if it does not exist, or if it is refused since it has moved on."""
        try:
            await call(self._http, "PATCH", path, body, headers=headers, params=query)
        except aiohttp.ClientResponseError as error:
            if error.status not in (
                HTTPStatus.NOT_FOUND,
                HTTPStatus.CONFLICT,
                HTTPStatus.UNPROCESSABLE_ENTITY,
                HTTPStatus.FORBIDDEN,
            ):
                raise
            self.refusals[f"{path.rpartition('/namespaces/')[2].split('/')[1]}: {error.status} {error.message}"] += 1
            return False
        return True

    async def _delete(self, path: str, grace: int) -> None:
        with suppress(aiohttp.ClientResponseError):
            await call(self._http, "DELETE", path, {"gracePeriodSeconds": grace})
