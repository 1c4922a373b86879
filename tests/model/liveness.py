"""L: with one undisturbed operator and healthy nodes every Run reaches a good state, and deleted objects disappear.

From a state of the cluster, one operator makes pass after pass. When a pass changes nothing, all due steps of kubelets and
controllers happen; when those change nothing either, the clock advances to the plan's next check. The result depends on the cluster
and the clock only (a paused operator never continues), so it is computed once for each of those.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from controller.api.operator_state import AgentState
from controller.api.phases import Health, Phase
from controller.plan import refused_writes
from controller.plan.actions import CreateEscalation, DeletePod, RemoveFinalizer
from controller.plan.attempts.start_stop import FIRST_ATTEMPT
from controller.plan.model import Plan
from controller.plan.reasons import Reason
from controller.plan.refused_writes import refusal_of
from tests.model import advisor, environment, reporters
from tests.model.advisor_answers import PENDING
from tests.model.bridge import INBOX, Bridge, View, moment, question_name, tick
from tests.model.reporting import Report
from tests.model.world import NOBODY, RUNNING, Config, Escalation, Facts, Ghost, Left, Pod, Run, Said, World
from tests.model.world_steps import Operators

PASSES = 80
"""Rounds of passes, kubelets and clock after which a Run counts as never reaching a good state."""

ENDED_PHASES = frozenset({Phase.STOPPED, Phase.FAILED, Phase.COMPLETED, Phase.PAUSED, Phase.HALTED})
GOOD_PHASES = ENDED_PHASES | {Phase.BLOCKED}
"""Phases in which a Run is over, held, or waits for a human as a whole."""
GOOD_HEALTHS = frozenset({Health.HEALTHY, Health.COMPLETE, Health.AWAITING_GUIDANCE})
"""An agent that waits for an answer waits for a human; its siblings do not."""

TASKS = (Reason.VERIFYING, Reason.PUBLISHING)
"""Reasons of agents whose own work is done: a request for a restart waits for the end of their tasks."""

LONGEST_SLEEP = 1000
"""Ticks until the next check after which a Run counts as sleeping for ever: no wait of a model's policy is half as long."""

STEPS = 60
"""Steps of one pass, each one write, after which it counts as endless."""


class Cluster(NamedTuple):
    """The part of the world that the result depends on."""

    run: Run | None
    pods: tuple[Pod, ...]
    escalations: tuple[Escalation, ...]
    reports: tuple[Report, ...]
    said: tuple[Said, ...]
    now: int
    unspaced: bool
    former: int
    refusing: tuple[str, ...]
    halted: bool


class Liveness:
    """Decides for each state of the cluster whether it reaches a good state, and caches the result."""

    def __init__(self, config: Config, bridge: Bridge, provider: str = Facts.NONE) -> None:
        self._config, self._bridge, self._provider = config, bridge, provider
        self._operators = Operators(replace(config, facts=(provider,)), bridge)
        self._known: dict[Cluster, str] = {}

    @property
    def clusters(self) -> int:
        """How many different states of the cluster were judged."""
        return len(self._known)

    def broken(self, world: World) -> str:
        """Return the reason why this world's Run does not reach a good state, empty for none."""
        seen: list[Cluster] = []
        left = Left(unspace=self._config.left.unspace)
        now = world._replace(ops=(None,), left=left, ghost=Ghost(), hers=(), noticed=world.halted)
        verdict = "L: the Run reaches no end, but is busy for ever"
        for _ in range(PASSES):
            heard = now.escalations, now.reports, now.said
            cluster = Cluster(now.run, now.pods, *heard, now.now, now.unspaced, now.former, now.refusing, now.halted)
            if cluster in self._known:
                verdict = self._known[cluster]
                break
            seen.append(cluster)
            after = self._onward(now)
            if isinstance(after, str):
                verdict = after
                break
            now = after
        self._known.update(dict.fromkeys(seen, verdict))
        return verdict

    def _onward(self, world: World) -> World | str:
        """Return the world after the next step that happens by itself, or the verdict on a world without such a step."""
        worked = self._pass(world)
        if isinstance(worked, str) or worked != world:
            return worked
        settled = self._nodes(world)
        return settled if settled != world else self._rest(world)

    def _pass(self, world: World) -> World | str:
        """Make one undisturbed pass for each Run that exists or existed."""
        for key in world.keys:
            fresh = [move.world for move in self._operators.looks(world, 0, key)]
            if not fresh:
                continue
            world = fresh[-1]  # with everything in the caches
            for _ in range(STEPS):
                if world.ops[0] is None:
                    break
                world = next(iter(self._operators.steps(world, 0))).world
            else:
                return "a pass does not end"
        return world

    def _nodes(self, world: World) -> World:
        for pod in world.pods:
            for move in environment.kubelet(self._config, world, pod):
                return move.world
            if pod.word is not None and pod.phase == RUNNING:
                for move in reporters.in_time(self._config, world, pod, pod.word):
                    return move.world
        for move in environment.collect(world):
            return move.world
        for said in world.said:  # the adapter answers in time, even with no advisor available
            if said.answer == PENDING:
                return advisor.answered(self._config, world, said, "is unavailable")
        return world

    def _rest(self, world: World) -> World | str:
        """Judge a world in which only time can bring change."""
        gone = world.run is None or world.unspaced or world.run.deleting
        if gone and {RemoveFinalizer.step, DeletePod.step} & {*world.refusing}:
            return ""  # The pods themselves show it.
        if world.run is None or world.unspaced:
            return "L: a deleted Run's pods do not go" if any(pod.owner != NOBODY or pod.deleting for pod in world.pods) else ""
        plan = self._refused(world, self._view(world, world.run))
        if plan.actions:
            return f"a pass has something to do and does nothing: {', '.join(action.step for action in plan.actions)}"
        good_now = good(plan) and not _helpers_of_ended_agents(world, world.run) and not self._idle_task(world, world.run, plan)
        held = self._provider == Facts.HOLDS and _waits_for_provider(plan)
        if good_now or held or self._asks_about_the_end(world, world.run, plan):
            return self._litter(world, plan) or self._unheard(world, world.run, plan) or self._swallowed(world, world.run, plan)
        check = plan.verdict.next_check
        if check is None or tick(check) > world.now + LONGEST_SLEEP:
            return f"L: the Run sleeps for ever: {plan.verdict.phase}, {plan.verdict.reason}"
        return world._replace(now=max(world.now + 1, tick(check)))

    def _idle_task(self, world: World, run: Run, plan: Plan) -> bool:
        """Whether the work of an agent is done and waits for a task without a pod at work, while no human is asked about it."""
        if plan.verdict.phase in GOOD_PHASES:
            return False
        state = self._bridge.states.values[run.state]
        waits = {view.name for view in plan.agents if view.reason in TASKS}
        named = {agent.task.pod_uid for name, agent in state.agents.items() if name in waits and agent.task} if state else set()
        return len([pod for pod in world.pods if pod.uid in named and pod.phase == RUNNING]) < len(waits)

    def _swallowed(self, world: World, run: Run, plan: Plan) -> str:
        """The last request for a restart of the first agent is carried out: another pod works, or one that was created after it.

        While a pause or a stop ends the pods it waits: a resumed Run gets new attempts, a stopped one none.
        """
        state, name = self._bridge.states.values[run.state], self._config.agents[0]
        works = any(view.name == name and view.health is Health.HEALTHY and view.reason not in TASKS for view in plan.agents)
        if not (run.asked and works and state) or plan.verdict.phase is Phase.STOPPING:
            return ""
        pod = world.pod((name, state.agents[name].attempt))
        older = pod is not None and pod.attempt == FIRST_ATTEMPT and pod.asked != run.asked
        lost = older or state.agents[name].restarted_at != moment(run.asked)
        return "L: a user's request for a restart is never carried out" if lost else ""

    def _asks_about_the_end(self, world: World, run: Run, plan: Plan) -> bool:
        """Whether a human is or was asked about each live pod that a stop or a pause waits for."""
        state = self._bridge.states.values[run.state]
        blocks = {name: agent.blocked for name, agent in state.agents.items() if agent.blocked} if state else {}
        waits = {e.name for e in world.escalations if e.owner == run.uid and e.open and not e.decision}
        asked = {name for name, block in blocks.items() if block.decision or block.escalation in waits}
        live = {pod.agent for pod in world.pods if pod.owner == run.uid and pod.live}
        unasked = CreateEscalation.step in world.refusing and plan.verdict.reason in refused_writes.REASONS
        return plan.verdict.phase is Phase.STOPPING and plan.verdict.next_check is not None and (unasked or live <= asked)

    def _refused(self, world: World, view: View) -> Plan:
        """Return the plan of a pass that has tried every write that is refused."""
        plan = self._bridge.plan(view, world.now)
        while denied := tuple(refusal_of(action, "refused") for action in plan.actions if action.step in world.refusing):
            view = view._replace(refused=(*view.refused, *denied))
            plan = self._bridge.plan(view, world.now)
        return plan

    def _view(self, world: World, run: Run) -> View:
        named = (
            *self._bridge.looked_at(run, halted=world.halted),
            *self._bridge.asked(run.uid, run.state, world.pods, world.reports),
        )
        seen = tuple(e for e in world.escalations if e.open or (INBOX, e.name) in named)
        view = View(run.uid, run, world.pods, seen, world.reports, world.unspaced, world.said, halted=world.halted)
        return view._replace(provider=self._provider)

    def _litter(self, world: World, plan: Plan) -> str:
        """A Run in a good state holds no deleted pod, and no pod that can never start, unless a human was asked to admit that.

        No pod works on in a paused or halted one, except while it is stopping: then a human was asked about the pod's node.
        """
        held = (world.halted or (world.run and world.run.desired == "Paused")) and plan.verdict.phase is not Phase.STOPPING
        asked = any(world.run and e.owner == world.run.uid and e.open for e in world.escalations)
        if world.refusing and (asked or CreateEscalation.step in world.refusing):
            return ""
        state = self._bridge.states.values[world.run.state] if world.run else None
        agents = state.agents if state else {}
        if not world.refusing and any(refused_writes.stands(agent) for agent in agents.values()):
            return "L: the block for a refused write stays although all writes are accepted"
        for pod in world.pods:
            if pod.deleting and pod.ended and pod.fin:
                return f"L: the deleted pod {pod.name} is held for ever"
            if held and pod.live and world.run and pod.owner == world.run.uid:
                return f"L: the pod {pod.name} works on in a Run that is {'halted' if world.halted else 'paused'}"
            agent = agents.get(pod.agent, AgentState())
            own = _is_due(agent, pod) if pod.task else agent.attempt == pod.attempt and agent.pod_uid in ("", pod.uid)
            to_come = (own or pod.attempt > agent.attempt) and not (state and state.stop)
            if pod.gated and not pod.deleting and not to_come:
                return f"L: the stray pod {pod.name} stays for ever"
        return ""

    def _unheard(self, world: World, run: Run, plan: Plan) -> str:
        """An agent that waits for guidance has an open question to a human, and every answer has reached its agent.

        While an escalation or a delivery is refused, the Run shows that instead.
        """
        if world.refusing and plan.verdict.phase is Phase.BLOCKED:
            return ""
        state = self._bridge.states.values[run.state]
        open_ones = [e for e in world.escalations if e.owner == run.uid and e.question and e.open]
        waits = {e.agent for e in open_ones if not e.decision}
        unapproved = plan.verdict.reason is Reason.AWAITING_APPROVAL
        if unapproved and not any(e.owner == run.uid and e.approval and e.open and not e.decision for e in world.escalations):
            return "L: the Run waits for an approval that no human is asked for"
        for view in plan.agents if plan.verdict.phase not in ENDED_PHASES else ():
            if view.health is Health.AWAITING_GUIDANCE and view.name not in waits:
                return f"L: {view.name} waits for an answer that no human is asked for"
        for pod in world.pods:
            agent = state.agents.get(pod.agent) if state else None
            mine = agent is not None and agent.pod_uid == pod.uid and agent.outcome is None and pod.phase == RUNNING
            if not mine or pod.word is None or agent is None or plan.verdict.phase in ENDED_PHASES:
                continue
            for question in pod.word.waits_for:
                name = question_name(pod.agent, question, run.uid)
                if world.escalation(name) is None and name not in agent.asked:
                    return f"L: no human was asked {question}"
            if any(e.agent == pod.agent and e.decision for e in open_ones):
                return f"L: an answer never reaches {pod.name}"
        return ""


def _is_due(agent: AgentState, pod: Pod) -> bool:
    """Whether the pod of a task is, or may become, that of the try that the state has."""
    if agent.outcome is None:
        return pod.attempt >= agent.attempt
    if agent.task is None:
        return agent.outcome.attempt == pod.attempt and pod.number == 0
    return (agent.task.kind.lower(), agent.task.number) == (pod.task, pod.number) and agent.task.pod_uid in ("", pod.uid)


def _waits_for_provider(plan: Plan) -> bool:
    """Whether every agent that is not at work waits for its provider, the Run says so, and it is looked at again."""
    held = [view for view in plan.agents if view.health not in GOOD_HEALTHS]
    said = all(view.health is Health.QUEUED and view.reason == Reason.PROVIDER_CLOSED for view in held)
    at_work = any(view.health is Health.HEALTHY for view in plan.agents)
    return said and plan.verdict.next_check is not None and (at_work or plan.verdict.phase is Phase.QUEUED)


def _helpers_of_ended_agents(world: World, run: Run) -> bool:
    """Whether a helper runs on beside an agent that has ended: it works for nobody."""
    return any(pod.exit and pod.phase == RUNNING and pod.owner == run.uid for pod in world.pods)


def good(plan: Plan) -> bool:
    """Whether the Run is in a good state: every agent works or is complete, or the Run is held, has ended or waits for a human."""
    if plan.verdict.phase is Phase.STOPPING:
        return False  # a stop or a pause still has to end the working agents
    if plan.verdict.phase in GOOD_PHASES or plan.verdict.reason in (Reason.AWAITING_APPROVAL, Reason.DENIED):
        return True
    return all(view.health in GOOD_HEALTHS for view in plan.agents)
