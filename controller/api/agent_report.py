"""The `AgentReport`: the channel between the reporter in an agent's pod and the operator. It is not for users.

The reporter writes the agent's state to the status; the operator writes answers for the agent to the spec. Ages are measured by
the pod's monotonic clock. A time is the API server's stamp on the reporter's managedFields entry, minus an age.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from controller.api.base import (
    AgentName,
    ApiEnum,
    ApiModel,
    Count,
    Generation,
    LongText,
    Name,
    Seconds,
    SecondsOrOff,
    Text,
    Time,
    Word,
)
from controller.api.operator_state import ResultStatus, Usage

MAX_QUESTIONS = 8
"""Questions that one agent may have open at once. Further questions are reported as a problem."""

MAX_IDS = 64
"""IDs of answers that are remembered as delivered or read. The oldest are dropped first."""

QuestionID = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$", min_length=1, max_length=63)]


class Delivery(ApiModel):
    """A human's answer on its way to the agent, or a notice that nobody will answer."""

    question_id: QuestionID = Field(alias="questionID", description="ID of the question that this answers.")
    answer: LongText = Field(description="The answer.")
    by: Text = Field(default="", description="Who answered.")
    dismissed: bool = Field(default=False, description="Whether a human dismissed the question: nobody will answer it.")


class AgentReportSpec(ApiModel):
    """The operator's deliveries for the agent."""

    run_name: Name = Field(description="The Run.")
    run_uid: Word = Field(alias="runUID", description="UID of the Run.")
    agent: AgentName = Field(description="The agent.")
    deliveries: tuple[Delivery, ...] = Field(default=(), max_length=MAX_IDS, description="Answers for the agent.")


class ReportedQuestion(ApiModel):
    """A question that the agent waits to have answered."""

    id: QuestionID = Field(description="Identifies the question within its agent; the same question keeps its id.")
    text: LongText = Field(description="The question.")
    options: tuple[Text, ...] = Field(default=(), max_length=16, description="Answers to choose from.")


class LimitKind(ApiEnum):
    """Why an agent's model cannot answer for now."""

    QUOTA = "Quota"
    RATE_LIMIT = "RateLimit"
    OUTAGE = "Outage"


class ReportedLimit(ApiModel):
    """A limit of the agent's provider. `resetSeconds` and `resetsAt` are the provider's own words, and may be wrong."""

    kind: LimitKind = Field(
        description="Quota: nothing is left of a budget, a credit or a plan. RateLimit: too many requests. Outage: no answer."
    )
    age_seconds: SecondsOrOff = Field(description="Seconds since the agent met the limit.")
    reset_seconds: SecondsOrOff | None = Field(
        default=None, description="Seconds from the limit until the provider answers again, if it has stated them."
    )
    resets_at: Time | None = Field(
        default=None, description="When the provider answers again, if it has stated the time, by its own clock."
    )
    message: Text = Field(default="", description="The provider's words.")


class AgentReportStatus(ApiModel):
    """The reporter's report about one attempt."""

    attempt: Count = Field(description="The attempt that this report is about, from 0.")
    pod_uid: Word = Field(alias="podUID", description="UID of the attempt's pod.")
    seq: Generation = Field(description="Sequence number; it rises with each report of a pod.")
    interval_seconds: Seconds = Field(description="Seconds between two reports of an idle agent.")
    activity_age_seconds: SecondsOrOff = Field(description="Seconds since the agent was last seen active.")
    progress_age_seconds: SecondsOrOff | None = Field(
        default=None, description="Seconds since the agent last showed progress; not set if it has shown none."
    )
    sources: tuple[Word, ...] = Field(
        default=(), max_length=8, description="Sources of activity that are watched: Processes, Events, Workspace."
    )
    message: Text = Field(default="", description="The agent's latest progress message.")
    progress_events: Count = Field(default=0, description="How often the agent has shown progress in this attempt.")
    turns: Count = Field(default=0, description="Finished turns, counted for known CLIs.")
    questions: tuple[ReportedQuestion, ...] = Field(
        default=(), max_length=MAX_QUESTIONS, description="Questions whose answer the agent has not read yet."
    )
    delivered: tuple[QuestionID, ...] = Field(
        default=(), max_length=MAX_IDS, description="Questions whose answer is stored where the agent can read it."
    )
    read: tuple[QuestionID, ...] = Field(
        default=(), max_length=MAX_IDS, description="Questions whose answer the agent has read, in earlier attempts too."
    )
    parked: bool = Field(default=False, description="Whether the agent has ended its pod to wait for an answer.")
    result: ResultStatus | None = Field(default=None, description="The result that the agent reported.")
    usage: Usage | None = Field(default=None, description="Usage of this attempt so far.")
    limit: ReportedLimit | None = Field(
        default=None, description="The limit that the agent has met last, if it has finished no turn since."
    )
    problems: tuple[Text, ...] = Field(
        default=(), max_length=8, description="Parts of the agent's output that were refused or cut, and why."
    )


class AgentReport(ApiModel):
    """The reporter's view of one agent. It carries data between reporter and operator and is not for users."""

    spec: AgentReportSpec = Field(description="The operator's deliveries for the agent.")
