"""The `Escalation`: the one human inbox. The operator writes it; a human writes only `spec.response`, once."""

from __future__ import annotations

from pydantic import Field

from controller.api.base import AgentName, ApiEnum, ApiModel, LongText, Name, Text, Time, Word
from controller.api.policy import Responders


class EscalationType(ApiEnum):
    """What is asked of a human."""

    QUESTION = "Question"
    APPROVAL = "Approval"
    BLOCKED = "Blocked"


class Decision(ApiEnum):
    """What a human decides: Approve or Deny an approval; Retry, Stop or Wait for a blocked Run; Answer a question."""

    APPROVE = "Approve"
    DENY = "Deny"
    RETRY = "Retry"
    STOP = "Stop"
    WAIT = "Wait"
    ANSWER = "Answer"


class EscalationPhase(ApiEnum):
    """Where an escalation stands."""

    OPEN = "Open"
    ANSWERED = "Answered"
    DELIVERED = "Delivered"
    EXPIRED = "Expired"
    SUPERSEDED = "Superseded"
    RESOLVED = "Resolved"


class Response(ApiModel):
    """A human's answer."""

    decision: Decision = Field(description="Approve or Deny; Retry, Stop or Wait; Answer for questions.")
    answer: LongText | None = Field(default=None, description="The answer to a question.")
    by: Text = Field(description="Who answers: the user name that the API server sees.")
    on_behalf_of: Text | None = Field(default=None, description="For whom a bridge answers.")
    comment: Text | None = Field(default=None, description="Anything to add.")


class Proposal(ApiModel):
    """What the operator would do."""

    action: Word = Field(description="The intent of the action.")
    text: Text = Field(default="", description="What would happen, for people.")


class Suggestion(ApiModel):
    """What the advisor suggests; never more than that."""

    text: LongText = Field(description="The suggested answer or the diagnosis.")
    advisor: Word = Field(default="", description="The command that gave it.")


class EscalationSpec(ApiModel):
    """What is asked. All of it but response is immutable."""

    run_name: Name = Field(description="The Run.")
    run_uid: Word = Field(alias="runUID", description="UID of the Run.")
    agent: AgentName | None = Field(default=None, description="The agent that it concerns.")
    type: EscalationType = Field(description="Question, Approval or Blocked.")
    summary: Text = Field(description="One line for the inbox.")
    text: LongText = Field(default="", description="The question, or the cause and the remedy.")
    options: tuple[Text, ...] = Field(default=(), max_length=16, description="Answers to choose from.")
    proposal: Proposal | None = Field(default=None, description="What the operator would do.")
    suggestion: Suggestion | None = Field(default=None, description="What the advisor suggests.")
    responders: Responders | None = Field(
        default=None,
        description="Who may answer, by the policy that was in force; empty is everybody whom RBAC lets. Not set: no policy "
        "was, so nobody may answer before status.responders says who.",
    )
    expires_at: Time | None = Field(default=None, description="When it expires.")
    response: Response | None = Field(default=None, description="The answer; the only part that a human writes, once.")


class EscalationStatus(ApiModel):
    """Where the escalation stands."""

    phase: EscalationPhase | None = Field(default=None, description="Open, Answered, Delivered, Expired, Superseded, Resolved.")
    responders: Responders | None = Field(
        default=None,
        description="Who may answer what was asked while no policy was in force: those of the first policy that was; empty is "
        "everybody whom RBAC lets.",
    )
    answered_at: Time | None = Field(default=None, description="When it was answered.")
    notified_at: Time | None = Field(default=None, description="When people were told.")
    delivered_at: Time | None = Field(default=None, description="When the answer reached the agent.")


class Escalation(ApiModel):
    """A question, approval or blocked Run that waits for a human."""

    spec: EscalationSpec = Field(description="What is asked. All of it but response is immutable.")
