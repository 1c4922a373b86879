"""Writes a human's response to an escalation, once, in the name that the API server sees."""

from __future__ import annotations

from collections.abc import Mapping

from controller.cli.rw.kubectl_errors import Refused
from controller.cli.rw.objects import JsonObject, name_of, waits
from controller.cli.rw.responses import VERBS, Wish, answer_text, became, check
from controller.cli.rw.session import ESCALATIONS
from controller.cli.rw.user_error import Problem
from controller.cli.web.api_access import collection, path_of
from controller.cli.web.pages.unreadable import blaming
from controller.cli.web.visit import Visit

TRIES = 3
"""How often an escalation is read again if the operator changed it between reading and answering."""

MERGE = "application/merge-patch+json"


async def respond(visit: Visit, form: Mapping[str, str]) -> JsonObject:
    """Write the response only to the version of the escalation that was read as open; return that version. Raises Problem."""
    space, name = visit.names["namespace"], visit.names["name"]
    path = f"{collection(ESCALATIONS, space)}{path_of(name)}"
    by = (await visit.caller.me())["username"]
    for _ in range(TRIES):
        found = await visit.api.get(path)
        _same(found, form.get("uid", ""))
        with blaming(("Escalation", found)):
            response = response_of(found, form) | {"by": by}
        fence = {"resourceVersion": found["metadata"]["resourceVersion"], "uid": found["metadata"]["uid"]}
        try:
            return await visit.api.send("PATCH", path, {"metadata": fence, "spec": {"response": response}}, MERGE)
        except Refused as refused:
            fresh = await visit.api.get(path)
            if not waits(fresh):
                raise Problem(f"escalation {name} is no longer open", became(fresh)) from refused
            if refused.reason != "Conflict":
                raise
    raise Problem(f"escalation {name} keeps changing", "try again")


def _same(found: JsonObject, uid: str) -> None:
    if uid != found["metadata"]["uid"]:
        raise Problem(f"escalation {name_of(found)} is another one than that on your page", "go back, reload the page, and read it")


def response_of(found: JsonObject, form: Mapping[str, str]) -> JsonObject:
    """Return the response that a button stands for. Raises Problem for one that does not fit."""
    choice, comment = form.get("choice", ""), form.get("comment", "").strip()
    more = {"comment": comment} if comment else {}
    known = {verb: decision for verbs in VERBS.values() for verb, decision in verbs if verb != "answer"}
    if choice in known:
        check(found, known[choice])
        return {"decision": known[choice], **more}
    check(found, "Answer")
    return {"decision": "Answer", "answer": answer_text(found, _wish(choice, form.get("answer", ""))), **more}


def _wish(choice: str, text: str) -> Wish:
    word, _, number = choice.partition(" ")
    if word == "option" and number.isascii() and number.isdigit():
        return Wish(option=int(number[:3]))
    if word == "suggestion":
        return Wish(suggestion=True)
    if not text.strip():
        raise Problem("an answer is missing", "go back and write one")
    return Wish(text.replace("\r\n", "\n").strip(), free=True)
