"""Pure: the possible responses to an escalation, and their texts."""

from __future__ import annotations

from dataclasses import dataclass

from controller.cli.rw.objects import WAITING, JsonObject, name_of, responders_of, status_of, waits
from controller.cli.rw.user_error import Problem

VERBS = {
    "Question": (("answer", "Answer"),),
    "Approval": (("approve", "Approve"), ("deny", "Deny")),
    "Budget": (("approve", "Approve"), ("deny", "Deny")),
    "Blocked": (("retry", "Retry"), ("wait", "Wait"), ("fail", "Stop")),
}
"""Commands by type of escalation, each with its decision."""

ENDS = {
    "Answered": "it was answered",
    "Delivered": "it was answered, and the answer has reached the agent",
    "Expired": "it expired before anybody answered",
    "Superseded": "the Run continued without an answer",
    "Resolved": "its cause is gone",
}
"""Descriptions of an escalation's result, by phase."""


NOBODY_YET = "nobody yet: no RunPolicy is in force that defines who may answer; see the Run's condition PolicyResolved"
"""Who may answer an escalation that was created while no policy was in force."""


@dataclass(frozen=True, slots=True)
class Wish:
    """The caller's arguments: a text, the number of an option (from 1), or the advisor's suggestion."""

    text: str | None = None
    option: int | None = None
    suggestion: bool = False
    free: bool = False


def check(escalation: JsonObject, decision: str) -> None:
    """Refuse a decision that does not fit the escalation's type, or an escalation that is not open. Raises Problem."""
    name, kind = name_of(escalation), escalation["spec"]["type"]
    verbs = VERBS.get(kind, ())
    if decision not in [known for _, known in verbs]:
        raise Problem(f"escalation {name} is of type {kind}", f"use {', '.join(verb for verb, _ in verbs)}")
    if not waits(escalation):
        raise Problem(f"escalation {name} is no longer open", became(escalation))
    if responders_of(escalation) is None:
        raise Problem(f"nobody may answer escalation {name} yet", NOBODY_YET.partition(": ")[2])


def became(escalation: JsonObject) -> str:
    """Return the result of an escalation that is not open."""
    phase = "Answered" if status_of(escalation).get("phase") in WAITING else status_of(escalation)["phase"]
    response = escalation["spec"].get("response")
    by = f" ({summary_of(response)})" if response else ""
    return f"{ENDS.get(phase, phase)}{by}"


def summary_of(response: JsonObject) -> str:
    """Return a response in one line: who, what, for whom, and why."""
    answer = f": {response['answer']}" if response.get("answer") else ""
    behalf = f" for {response['onBehalfOf']}" if response.get("onBehalfOf") else ""
    comment = f" ({response['comment']})" if response.get("comment") else ""
    return f"{response['by']}{behalf}: {response['decision']}{answer}{comment}"


def how_to_answer(escalation: JsonObject) -> list[tuple[str, ...]]:
    """Return the commands that answer an escalation, as words; none if nobody may answer it yet."""
    if responders_of(escalation) is None:
        return []
    name, spec = name_of(escalation), escalation["spec"]
    useful = spec.get("options") if spec["type"] == "Blocked" else None
    words: list[tuple[str, ...]] = [(verb, name) for verb, does in VERBS.get(spec["type"], ()) if not useful or does in useful]
    if spec["type"] == "Question":
        words = [("answer", name, "--option", "1") if spec.get("options") else ("answer", name, "--", "TEXT")]
        words += [("answer", name, "--accept-suggestion")] if spec.get("suggestion") else []
    return words


def answer_text(escalation: JsonObject, wish: Wish) -> str:
    """Return the text of an answer. Raises Problem, with the list of options, for an option that does not exist."""
    spec = escalation["spec"]
    if sum((wish.text is not None, wish.option is not None, wish.suggestion)) > 1:
        raise Problem("TEXT, --option and --accept-suggestion exclude each other", "give one of them")
    if wish.suggestion:
        return _suggested(escalation)
    if wish.option is not None:
        return _numbered(spec.get("options", ()), wish.option)
    if wish.text is None:
        raise Problem("an answer is missing", _how(spec))
    return wish.text if wish.free else _fitting(spec.get("options", ()), wish.text)


def _suggested(escalation: JsonObject) -> str:
    found = escalation["spec"].get("suggestion")
    if not found:
        raise Problem(f"escalation {name_of(escalation)} has no suggestion", _how(escalation["spec"]))
    text: str = found["text"]
    return text


def _numbered(options: list[str], number: int) -> str:
    if not 1 <= number <= len(options):
        raise Problem(f"option {number} does not exist", _listed(options) or "the question has no options: give a TEXT")
    return options[number - 1]


def _fitting(options: list[str], text: str) -> str:
    """Return the text in the spelling of the matching option. Any text is valid if there are no options."""
    if not options:
        return text
    match = next((option for option in options if option.casefold() == text.casefold()), None)
    if match is None:
        raise Problem(f"{text!r} is not one of the options", f"{_listed(options)}; or use --free to answer in your own words")
    return match


def _how(spec: JsonObject) -> str:
    suggestion = ", or --accept-suggestion" if spec.get("suggestion") else ""
    options = _listed(spec.get("options", ()))
    return (f"choose one of {options}" if options else "give a TEXT") + suggestion


def _listed(options: list[str]) -> str:
    return ", ".join(f"{number}) {option}" for number, option in enumerate(options, 1))
