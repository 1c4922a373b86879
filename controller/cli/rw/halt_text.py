"""Pure: halts in words, and the command that lifts the one that holds a Run."""

from __future__ import annotations

from controller.cli.rw.objects import JsonObject, phase_of, status_of
from controller.cli.rw.terminal_safe import clean


def words_of(halt: JsonObject) -> str:
    """Return who halted, since when and why."""
    spec, since = halt["spec"], halt["metadata"].get("creationTimestamp", "")
    return " ".join(clean(f"halted by {spec['by']} since {since}: {spec['reason']}").split())


def place_of(halt: JsonObject) -> str:
    """Return what is halted."""
    namespace = halt["metadata"].get("namespace")
    return f"namespace {namespace}" if namespace else "the cluster"


def lift_words(run: JsonObject) -> tuple[str, ...]:
    """Return the command that lets a halted Run start again; none for a Run that is not halted."""
    if phase_of(run) != "Halted" and status_of(run).get("reason") != "Halted":
        return ()
    message = status_of(run).get("message", "")
    if message.startswith("budget "):  # a spent budget with onSpent Stop, which ends by itself
        return ()
    of_cluster = message.startswith("the cluster")
    return ("lift", "--all-namespaces") if of_cluster else ("lift",)
