"""A scenario: how agents, people, nodes and providers behave, as its author writes it in a file. Every part has a default.

Unless a description says otherwise, the default of a field is that the event does not happen.
"""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from controller.api import strict_file
from controller.api.base import ApiModel, FilledWord, Seconds, Tokens
from controller.api.measures import EndCode, Rate, Share, TokenBudget, Weight, wrong
from controller.api.spelling import Spelling
from controller.api.strict_file import FileRefused
from controller.api.violations import found
from controller.simulation.distributions import Distribution, constant
from controller.simulation.working_hours import Hours

EXIT_TEMPORARY = 75
"""EX_TEMPFAIL of sysexits.h, with which `rw exec` reports a provider's limit."""


class ScenarioRefused(FileRefused):
    """An invalid scenario. Each violation has its path, value and remedy."""


class End(ApiModel):
    """One way in which agents crash."""

    exit_code: EndCode = Field(default=1, description="Exit code of the agent's container.")
    reason: FilledWord = Field(default="Error", description="The kubelet's reason, for example OOMKilled.")
    weight: Weight = Field(default=1.0, description="Its weight among the ends.")


class Crash(ApiModel):
    """Agents that crash at random while they work."""

    per_hour: Rate = Field(default=0.0, description="Crashes an hour of work.")
    ends: Annotated[tuple[End, ...], Field(min_length=1, max_length=16)] = Field(
        default=(End(),), description="The ways in which they crash, each with its weight."
    )

    @model_validator(mode="after")
    def _weighted(self) -> Self:
        if not any(end.weight for end in self.ends):
            raise wrong("has no end with a weight above 0", at="ends")
        return self


class Doomed(ApiModel):
    """Runs that cannot succeed: each of their attempts crashes, as with a wrong credential or a task that breaks the agent."""

    share: Share = Field(default=0.0, description="Share of the Runs.")
    after_seconds: Distribution = Field(default=constant(60), description="Work before the crash of each attempt.")
    exit_code: EndCode = Field(default=1, description="Exit code of the agent's container.")


class Quiet(ApiModel):
    """Healthy agents that show no activity, as in a long call of a tool. Their work goes on meanwhile."""

    per_hour: Rate = Field(default=0.0, description="Silences an hour of work.")
    lasts_seconds: Distribution = Field(default=constant(600), description="Length of a silence.")


class Hang(ApiModel):
    """Agents that stop working and show no activity."""

    per_hour: Rate = Field(default=0.0, description="Hangs an hour of work.")
    lasts_seconds: Distribution | None = Field(
        default=None, description="Time after which a hang passes by itself; for ever if not set."
    )


class Loop(ApiModel):
    """Agents that are active and spend tokens, but make no progress."""

    per_hour: Rate = Field(default=0.0, description="Loops an hour of work.")
    lasts_seconds: Distribution | None = Field(
        default=None, description="Time after which a loop passes by itself; for ever if not set."
    )


class Questions(ApiModel):
    """Questions that agents ask of people. The agent waits for the answer."""

    per_hour: Rate = Field(default=0.0, description="Questions an hour of work.")
    parks: Share = Field(default=0.0, description="Share of the questions for which the agent ends its process until the answer.")


class Agent(ApiModel):
    """The behaviour of an agent. Rates are for each hour of work, not of waiting."""

    work_seconds: Distribution = Field(default=constant(3600), description="Work that a Run takes without any disturbance.")
    progress_every_seconds: Distribution = Field(default=constant(120), description="Time between two reports of progress.")
    keeps_work: Share = Field(default=1.0, description="Share of an attempt's work that is kept when it ends early.")
    crash: Crash = Field(default=Crash(), description=Crash.__doc__)
    doomed: Doomed = Field(default=Doomed(), description=Doomed.__doc__)
    quiet: Quiet = Field(default=Quiet(), description=Quiet.__doc__)
    hang: Hang = Field(default=Hang(), description=Hang.__doc__)
    loop: Loop = Field(default=Loop(), description=Loop.__doc__)
    questions: Questions = Field(default=Questions(), description=Questions.__doc__)
    tokens_per_hour: Tokens = Field(default=0, description="Tokens an hour of work or of a loop.")
    cost_micro_usd_per_million_tokens: Tokens = Field(
        default=0,
        alias="costMicroUSDPerMillionTokens",
        description="Price of a million tokens, in millionths of a dollar; 3000000 is 3 $.",
    )


class People(ApiModel):
    """The people who answer escalations."""

    answer_seconds: Distribution = Field(default=constant(600), description="Time to an answer, within the hours.")
    hours: Hours = Field(
        default=Hours(), description="The hours in which they answer; outside, the time to an answer stands still."
    )
    approve: Share = Field(default=1.0, description="Share of the approvals that are given, not denied.")
    retry: Share = Field(default=1.0, description="Share of the blocked Runs that they retry; they stop the others.")
    ignore: Share = Field(default=0.0, description="Share of the escalations that nobody ever answers.")


class Nodes(ApiModel):
    """The nodes of the cluster."""

    drains_per_day: Rate = Field(default=0.0, description="Evictions of a Run's pod a day.")
    start_seconds: Distribution = Field(default=constant(5), description="Time from a pod's creation to its agent's start.")


class Provider(ApiModel):
    """The model's provider: times in which it refuses the agent, because a limit is reached or it has an outage."""

    limits_per_day: Rate = Field(default=0.0, description="Times a day at which a limit is reached.")
    lasts_seconds: Distribution = Field(default=constant(3600), description="Time until it takes requests again.")
    exit_code: EndCode = Field(default=EXIT_TEMPORARY, description="Exit code of an agent that it refuses.")


class ReporterOutages(ApiModel):
    """Times in which no report of a Run reaches the operator, for example while a network is down. The agent works on."""

    outages_per_day: Rate = Field(default=0.0, description="Outages a day.")
    lasts_seconds: Distribution = Field(default=constant(60), description="Length of an outage.")


class Limits(ApiModel):
    """The limits that the Runs' specs set."""

    active_deadline_seconds: Seconds | None = Field(default=None, description="The Runs' activeDeadlineSeconds; none if not set.")
    token_budget: TokenBudget | None = Field(default=None, description="The Runs' tokenBudget; none if not set.")


class Advisor(ApiModel):
    """An advisor of the operator. Without one, the policy's llm has no effect."""

    answer_seconds: Distribution = Field(default=constant(10), description="Time to an answer; at most llm.timeoutSeconds.")
    agrees: Share = Field(default=1.0, description="Share of the actions of the rules with which it agrees.")
    confidence: Share = Field(default=0.9, description="Its confidence in its answers, for llm.minConfidencePercent.")
    unavailable: Share = Field(default=0.0, description="Share of the consultations without an answer.")


class Scenario(ApiModel):
    """How agents, people, nodes and providers behave."""

    description: str = Field(default="", max_length=4096, description="What it is about, and the sources of its figures.")
    horizon_seconds: Seconds = Field(default=86400, description="Time for which each Run is simulated, from its creation.")
    runs_per_day: Rate = Field(default=100.0, description="Runs created a day, by which figures a day are counted.")
    arrivals: Hours = Field(default=Hours(), description="The hours in which Runs are created, evenly.")
    agent: Agent = Field(default=Agent(), description=Agent.__doc__)
    limits: Limits = Field(default=Limits(), description=Limits.__doc__)
    people: People = Field(default=People(), description=People.__doc__)
    nodes: Nodes = Field(default=Nodes(), description=Nodes.__doc__)
    provider: Provider = Field(default=Provider(), description=Provider.__doc__)
    reporter: ReporterOutages = Field(default=ReporterOutages(), description=ReporterOutages.__doc__)
    advisor: Advisor | None = Field(default=None, description=Advisor.__doc__)


def read_scenario(data: bytes) -> Scenario:
    """Return the scenario in a file's bytes, YAML or JSON; an empty file means the defaults.

    Raises ScenarioRefused for any fault in it, with every violation.
    """
    return scenario_of(strict_file.load(strict_file.text_of(data, ScenarioRefused), ScenarioRefused))


def scenario_of(values: Any) -> Scenario:
    """Return the scenario that a file's values describe. Raises ScenarioRefused."""
    if not isinstance(values, dict):
        raise ScenarioRefused([found("file", values, "must be an object such as {agent: {workSeconds: 3600}}")])
    spelling = Spelling(())
    return strict_file.read_model(Scenario, spelling.canonical(values, Scenario), spelling, ScenarioRefused)
