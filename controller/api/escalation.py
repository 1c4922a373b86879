"""The `Escalation`: an entry in the inbox of humans. The operator writes it; a human writes only `spec.response`, once."""

from __future__ import annotations

from pydantic import Field

from controller.api.base import AgentName, ApiEnum, ApiModel, LongText, Name, Text, Time, Word
from controller.api.policy import Responders


class EscalationType(ApiEnum):
    """The kinds of request to a human."""

    QUESTION = "Question"
    APPROVAL = "Approval"
    BLOCKED = "Blocked"
    BUDGET = "Budget"


class Decision(ApiEnum):
    """A human's decision: Approve or Deny an approval or more of a budget; Retry, Stop or Wait for a blocked Run; Answer."""

    APPROVE = "Approve"
    DENY = "Deny"
    RETRY = "Retry"
    STOP = "Stop"
    WAIT = "Wait"
    ANSWER = "Answer"


class EscalationPhase(ApiEnum):
    """The phases of an escalation."""

    OPEN = "Open"
    ANSWERED = "Answered"
    DELIVERED = "Delivered"
    EXPIRED = "Expired"
    SUPERSEDED = "Superseded"
    RESOLVED = "Resolved"


class Response(ApiModel):
    """A human's answer."""

    decision: Decision = Field(description="Approve or Deny an Approval or a Budget; Retry, Stop or Wait; Answer for questions.")
    answer: LongText | None = Field(default=None, description="The answer to a question.")
    by: Text = Field(description="Author of the answer: the user name that the API server sees.")
    on_behalf_of: Text | None = Field(default=None, description="Person on whose behalf a bridge answers.")
    comment: Text | None = Field(default=None, description="An optional comment.")


class Proposal(ApiModel):
    """The action that the operator proposes."""

    action: Word = Field(description="The intent of the action.")
    text: Text = Field(default="", description="The action's effect, for people.")


class Suggestion(ApiModel):
    """The advisor's suggestion. It never takes effect by itself."""

    text: LongText = Field(description="The suggested answer or the diagnosis.")
    advisor: Word = Field(default="", description="The command that made it.")


class EscalationSpec(ApiModel):
    """The request to a human. All fields but response are immutable."""

    run_name: Name = Field(description="The Run; for a Budget its Provider.")
    run_uid: Word = Field(alias="runUID", description="UID of the Run; for a Budget of its Provider.")
    agent: AgentName | None = Field(default=None, description="The agent concerned.")
    type: EscalationType = Field(description="Question, Approval, Blocked or Budget.")
    summary: Text = Field(description="One line for the inbox.")
    text: LongText = Field(default="", description="The question, or the cause and the remedy.")
    options: tuple[Text, ...] = Field(default=(), max_length=16, description="Answers to choose from.")
    proposal: Proposal | None = Field(default=None, description="The action that the operator proposes.")
    suggestion: Suggestion | None = Field(default=None, description="The advisor's suggestion.")
    responders: Responders | None = Field(
        default=None,
        description="Users who may answer, by the policy that was in force; empty: everybody whom RBAC permits. Not set: no policy "
        "was in force, and nobody may answer until status.responders is set.",
    )
    expires_at: Time | None = Field(default=None, description="When it expires.")
    response: Response | None = Field(default=None, description="The answer; the only field that a human writes, once.")


class EscalationStatus(ApiModel):
    """The state of the escalation."""

    phase: EscalationPhase | None = Field(default=None, description="Open, Answered, Delivered, Expired, Superseded, Resolved.")
    responders: Responders | None = Field(
        default=None,
        description="Users who may answer if no policy was in force when this was asked: those of the first policy in force since; "
        "empty: everybody whom RBAC permits.",
    )
    answered_at: Time | None = Field(default=None, description="When it was answered.")
    notified_at: Time | None = Field(default=None, description="When people were notified.")
    delivered_at: Time | None = Field(default=None, description="When the answer reached the agent.")


class Escalation(ApiModel):
    """A question, approval, blocked Run or spent budget that waits for a human."""

    spec: EscalationSpec = Field(description="The request to a human. All fields but response are immutable.")
