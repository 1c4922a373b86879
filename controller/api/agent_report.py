"""The `AgentReport`: what the reporter in an agent's pod says of the agent, and what the operator has for it. Not for users.

Ages are by the pod's monotonic clock; the API server's stamp on the reporter's managedFields entry, minus an age, is a time.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from controller.api.base import AgentName, ApiModel, Count, LongText, Name, Seconds, SecondsOrOff, Text, Word
from controller.api.run_status import Generation, ResultStatus, Usage

MAX_QUESTIONS = 8
"""Questions that one agent may have open at once; more are reported as a problem."""

MAX_IDS = 64
"""Answers that are remembered as delivered or read; the oldest are forgotten first."""

QuestionID = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$", min_length=1, max_length=63)]


class Delivery(ApiModel):
    """A human's answer on its way to the agent, or the word that there will be none."""

    question_id: QuestionID = Field(alias="questionID", description="The question that it answers.")
    answer: LongText = Field(description="The answer.")
    by: Text = Field(default="", description="Who answered.")
    dismissed: bool = Field(default=False, description="Whether a human dismissed the question: nobody will answer it.")


class AgentReportSpec(ApiModel):
    """What the operator has for the agent."""

    run_name: Name = Field(description="The Run.")
    run_uid: Word = Field(alias="runUID", description="UID of the Run.")
    agent: AgentName = Field(description="The agent.")
    deliveries: tuple[Delivery, ...] = Field(default=(), max_length=MAX_IDS, description="Answers for the agent.")


class ReportedQuestion(ApiModel):
    """What the agent waits to be told."""

    id: QuestionID = Field(description="Names the question within its agent; the same question keeps its id.")
    text: LongText = Field(description="The question.")
    options: tuple[Text, ...] = Field(default=(), max_length=16, description="Answers to choose from.")


class AgentReportStatus(ApiModel):
    """What the reporter says of one attempt."""

    attempt: Count = Field(description="The attempt that this is about, from 0.")
    pod_uid: Word = Field(alias="podUID", description="UID of the attempt's pod.")
    seq: Generation = Field(description="Rises with each report of a pod.")
    interval_seconds: Seconds = Field(description="Seconds between two reports of an idle agent.")
    activity_age_seconds: SecondsOrOff = Field(description="Seconds since the agent was last seen active.")
    progress_age_seconds: SecondsOrOff | None = Field(
        default=None, description="Seconds since the agent last showed progress; left out by one that has shown none."
    )
    sources: tuple[Word, ...] = Field(
        default=(), max_length=8, description="Where activity is looked for: Processes, Events, Workspace."
    )
    message: Text = Field(default="", description="The agent's last word of progress.")
    progress_events: Count = Field(default=0, description="How often the agent has shown progress in this attempt.")
    turns: Count = Field(default=0, description="Finished turns of a known CLI.")
    questions: tuple[ReportedQuestion, ...] = Field(
        default=(), max_length=MAX_QUESTIONS, description="What the agent asks and has not read the answer of."
    )
    delivered: tuple[QuestionID, ...] = Field(
        default=(), max_length=MAX_IDS, description="Questions whose answer lies where the agent can read it."
    )
    read: tuple[QuestionID, ...] = Field(
        default=(), max_length=MAX_IDS, description="Questions whose answer the agent has read, in former attempts too."
    )
    parked: bool = Field(default=False, description="Whether the agent has ended its pod to wait for an answer.")
    result: ResultStatus | None = Field(default=None, description="What the agent says it has come to.")
    usage: Usage | None = Field(default=None, description="What this attempt has used so far.")
    problems: tuple[Text, ...] = Field(
        default=(), max_length=8, description="What of the agent's output was refused or cut, and why."
    )


class AgentReport(ApiModel):
    """What the reporter in an agent's pod says of the agent. Plumbing between reporter and operator, not for users."""

    spec: AgentReportSpec = Field(description="What the operator has for the agent.")
