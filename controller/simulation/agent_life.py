"""The life of an agent in one pod: a simpy process that starts, works by its itinerary, speaks, and ends by itself or by TERM."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import simpy

from controller.plan.snapshot import PodFacts, Termination
from controller.simulation.itinerary import Behaviour, End, EndKind, Itinerary, Stretch
from controller.simulation.record import Record
from controller.simulation.simulated_reporter import SimulatedReporter
from controller.simulation.virtual_time import NEVER, SECOND, milliseconds

if TYPE_CHECKING:
    from controller.simulation.cluster import Cluster

SIGTERM_EXIT, SIGKILL_EXIT = 143, 137
"""Exit codes of a process that a signal has ended: 128 and the signal's number."""

OBEYS_TERM = SECOND
"""Time in which an agent that does not hang ends after TERM."""

FIRST_CALL = 5 * SECOND
"""Time after which an agent that starts or goes on calls its model, and may meet a limit."""

ENDED_BY_DEADLINE = "DeadlineExceeded"
"""The kubelet's reason for a pod that the operator has ended."""


class Life:
    """An agent in one pod, with its work, its record and its reporter."""

    def __init__(self, cluster: Cluster, pod: PodFacts, left: int) -> None:
        self.pod, self.attempt, self._cluster, self._env = pod.name, pod.attempt, cluster, cluster.env
        scenario, draws = cluster.scenario, cluster.draws
        self.itinerary = Itinerary(scenario.agent, draws, pod.attempt, left, cluster.horizon)
        self.record = Record(self._progress_gap)
        self.reporter: SimulatedReporter | None = None
        self.stretch: Stretch | None = None
        self.stretch_begins = 0
        self.asks = ""
        """The question that the agent waits for."""
        self.answered: simpy.Event | None = None
        self.running = self.ends = False
        self.process = self._env.process(self._live())

    def end(self) -> None:
        """Send TERM, once."""
        if not self.ends and self.process.is_alive:
            self.ends = True
            self.process.interrupt()

    def take_answer(self, question: str) -> None:
        """Give the agent an answer through its reporter."""
        if self.reporter is None or not self.running:
            return
        self.reporter.deliver((question,), self._cluster.now)
        if self.answered is not None and self.asks == question:
            self.reporter.say({"type": "read", "id": question}, self._cluster.now)
            self.answered.succeed()
            self.asks, self.answered = "", None

    def _live(self) -> Generator[simpy.Event, Any, None]:
        try:
            start = self._cluster.scenario.nodes.start_seconds.sample(self._cluster.draws.uniform("start", self.attempt))
            yield self._env.timeout(milliseconds(start))
            self._start()
            while True:
                self.stretch, self.stretch_begins = self.itinerary.stretch(), self._cluster.now
                limit = self._meets_limit(self.stretch)
                self.record.plan(self.stretch, self._cluster.now)
                yield self._after(self.stretch.length if limit is None else limit - self._cluster.now)
                if limit is not None:
                    return self._exit(self._cluster.scenario.provider.exit_code)
                if self._ended_by(self.stretch.end):
                    return None
                if self.answered is not None:
                    yield self.answered
        except simpy.Interrupt:
            yield from self._obey_term()

    def _after(self, time: int) -> simpy.Event:
        return self._env.timeout(time) if time < NEVER else self._env.event()

    def _start(self) -> None:
        """Start the containers: first the reporter, which loads what earlier attempts have left."""
        cluster, now = self._cluster, self._cluster.now
        pod = cluster.pods[self.pod]
        self.running = True
        cluster.account.note(now, f"started {self.attempt}")
        cluster.pods[self.pod] = replace(pod, phase="Running", started_at=cluster.clock.stamp(now), ready=True)
        cluster.changed = True
        if pod.reporting:
            self.reporter = SimulatedReporter(
                pod, self.record, cluster.clock, cluster.draws, cluster.outages, cluster.prices, now, cluster.report_seconds
            )
            if former := cluster.report:
                self.reporter.memory.restore_read(former.read)
                self.reporter.deliver(former.deliveries, now)

    def _ended_by(self, end: End) -> bool:
        """Do what a stretch ends with; return whether the agent has ended."""
        match end.kind:
            case EndKind.DONE:
                self._say({"type": "result", "outcome": "Completed", "summary": "", "outputs": {}})
                self._exit(0)
            case EndKind.CRASH:
                self._exit(end.exit_code, end.reason)
            case EndKind.QUESTION:
                return self._ask(end)
        return True

    def _ask(self, end: End) -> bool:
        """Ask people; return whether the agent has parked."""
        self.record.add_progress(self._cluster.now)
        self._say({"type": "question", "id": end.question, "text": "which way?", "options": []})
        if end.parks:
            self._say({"type": "park"})
            self._exit(0)
            return True
        self.record.begin(Behaviour.WAIT, self._cluster.now)
        self.asks, self.answered = end.question, self._env.event()
        return False

    def _say(self, event: dict[str, Any]) -> None:
        if self.reporter:
            self.reporter.say(event, self._cluster.now)

    def _obey_term(self) -> Generator[simpy.Event, Any, None]:
        """End by TERM; an agent that hangs is killed after the grace period."""
        stage = self.record.stage(self._cluster.now)
        hangs = stage is not None and stage.behaviour is Behaviour.HANG
        if self.running:
            yield self._env.timeout(self._cluster.pods[self.pod].grace_seconds * SECOND if hangs else OBEYS_TERM)
        self._exit(SIGKILL_EXIT if hangs else SIGTERM_EXIT)

    def _exit(self, code: int, reason: str = "Error") -> None:
        """End the pod with the agent. The reporter's last report is in its termination message, and in the API if it gets there."""
        cluster, now = self._cluster, self._cluster.now
        pod, stamp = cluster.pods[self.pod], cluster.clock.stamp(now)
        cluster.account.note(now, f"ended {self.attempt}: {code}")
        ended = Termination(code, reason if code else "Completed", "", pod.started_at, stamp) if self.running else None
        last = self.reporter.facts(now) if self.reporter else None
        cluster.pods[self.pod] = replace(
            pod,
            phase="Failed" if code else "Succeeded",
            reason=ENDED_BY_DEADLINE if pod.ending_since else "",
            ready=False,
            termination=ended,
            last_report=last,
        )
        if last and cluster.outages.end_of(now) is None:
            cluster.report = replace(last, deliveries=cluster.report.deliveries if cluster.report else ())
        self.running = False
        cluster.life_over(self, keeps_all=code == 0)

    def _meets_limit(self, stretch: Stretch) -> int | None:
        """Return when the agent calls a model that refuses it, None if that does not happen in this stretch."""
        now = self._cluster.now
        for behaviour, length in stretch.stages:
            if behaviour.calls_model and (met := self._cluster.limits.first_within(now + FIRST_CALL, now + length)) is not None:
                return met
            now += length
        return None

    def _progress_gap(self, number: int) -> int:
        distribution = self._cluster.scenario.agent.progress_every_seconds
        return milliseconds(distribution.sample(self._cluster.draws.uniform("progress", self.attempt, number)))
