"""Finds an escalation by its own name, or by the name of a Run with only one of the kind."""

from __future__ import annotations

from controller.api.names import LABEL_RUN
from controller.cli.rw.kubectl_errors import Refused
from controller.cli.rw.objects import JsonObject, items_of, name_of, waits
from controller.cli.rw.responses import VERBS
from controller.cli.rw.session import ESCALATIONS, RUNS, Session
from controller.cli.rw.user_error import Problem


def find(session: Session, name: str, decision: str) -> JsonObject:
    """Return the escalation of this name, or for a Run's name its only one that waits for such a decision. Raises Problem."""
    try:
        return session.kubectl.json("get", ESCALATIONS, name)
    except Refused as refused:
        if refused.reason != "NotFound":
            raise
    found = items_of(session.kubectl.json("get", ESCALATIONS, "-l", f"{LABEL_RUN}={name}"))
    fitting = [e for e in found if waits(e) and decision in [known for _, known in VERBS.get(e["spec"]["type"], ())]]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise Problem(f"Run {name} has {len(fitting)} such escalations", f"name one of {', '.join(map(name_of, fitting))}")
    if found:
        raise Problem(
            f"Run {name} has no escalation that waits for this decision",
            f"see {session.command('inbox', '-l', f'{LABEL_RUN}={name}')}",
        )
    raise _nothing_to_answer(session, name, decision)


def _nothing_to_answer(session: Session, name: str, decision: str) -> Problem:
    """Return the error for a name without an open escalation. A Run's name may be meant for another command, which the error
    names.
    """
    try:
        session.kubectl.json("get", RUNS, name)
    except Refused:
        return session.missing(ESCALATIONS, "escalation", name)
    meant = {
        "Wait": f"to wait for its end: kubectl wait run/{name} --for=condition=Finished --timeout=1h",
        "Retry": f"to restart an agent: {session.command('restart', name)}",
        "Stop": f"to end it: {session.command('stop', name)}",
    }
    return Problem(f"Run {name} has no escalation that waits", meant.get(decision, f"see {session.command('explain', name)}"))
