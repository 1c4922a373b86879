"""Pure: what the shared watch keeps of an escalation: all of one that waits, little of another."""

from __future__ import annotations

from dataclasses import dataclass

from controller.cli.rw.objects import FIRST, JsonObject, waits
from controller.cli.web.pages.escalation_card import card
from controller.cli.web.pages.unreadable import FAULTS, Unread, unread

RESULT_FIELDS = ("runName", "runUID", "type", "summary", "response")


@dataclass(frozen=True, slots=True)
class EscalationEntry:
    """An escalation; `whole` if it waits for an answer, else with the fields that its result needs. One that cannot be shown has
    no fields, and the reason why in `unread`.
    """

    obj: JsonObject
    whole: bool
    unread: Unread | None = None

    @property
    def version(self) -> str:
        """The version that is shown."""
        found: str = self.obj["metadata"]["resourceVersion"]
        return found


def entry_of(escalation: JsonObject) -> EscalationEntry:
    """Return what to keep."""
    meta = {key: value for key, value in escalation["metadata"].items() if key != "managedFields"}
    try:
        found = _entry(escalation, meta)
        card(found.obj, None, (), FIRST)
    except FAULTS:
        return EscalationEntry({"metadata": meta, "spec": {}}, whole=False, unread=unread("Escalation", escalation))
    return found


def _entry(escalation: JsonObject, meta: JsonObject) -> EscalationEntry:
    if waits(escalation):
        return EscalationEntry(escalation | {"metadata": meta}, whole=True)
    spec = {key: escalation["spec"][key] for key in RESULT_FIELDS if key in escalation["spec"]}
    return EscalationEntry({"metadata": meta, "spec": spec, "status": escalation.get("status", {})}, whole=False)
