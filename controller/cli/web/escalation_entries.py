"""Pure: what the shared watch keeps of an escalation: all of one that waits, little of another."""

from __future__ import annotations

from dataclasses import dataclass

from controller.cli.rw.objects import JsonObject, waits

RESULT_FIELDS = ("runName", "runUID", "type", "summary", "response")


@dataclass(frozen=True, slots=True)
class EscalationEntry:
    """An escalation; `whole` if it waits for an answer, else with the fields that its result needs."""

    obj: JsonObject
    whole: bool

    @property
    def version(self) -> str:
        """The version that is shown."""
        found: str = self.obj["metadata"]["resourceVersion"]
        return found


def entry_of(escalation: JsonObject) -> EscalationEntry | None:
    """Return what to keep; None for an object that cannot be read, because somebody wrote it by hand."""
    meta = {key: value for key, value in escalation["metadata"].items() if key != "managedFields"}
    try:
        if waits(escalation):
            return EscalationEntry(escalation | {"metadata": meta}, whole=True)
        spec = {key: escalation["spec"][key] for key in RESULT_FIELDS if key in escalation["spec"]}
        return EscalationEntry({"metadata": meta, "spec": spec, "status": escalation.get("status", {})}, whole=False)
    except (AttributeError, KeyError, TypeError):
        return None
