"""Pure: what an advisor said of an agent, in words, and what the gate made of it."""

from __future__ import annotations

from controller.cli.rw.objects import JsonObject

MILLISECONDS = 1000


def in_words(advice: JsonObject) -> str:
    """Return a consultation as one sentence, as the status holds it; empty where there was none."""
    verdict = advice.get("verdict")
    if verdict is None:
        return ""
    who = "advisor " + "/".join(filter(None, (advice.get("command"), advice.get("model"))))
    took = f", {advice.get('latencyMilliseconds', 0) / MILLISECONDS:.1f} s"
    why = ": ".join(filter(None, (advice.get("reason"), advice.get("message"))))
    said = {
        "Accepted": f"says {_said(advice)} (the gate took it{took})",
        "Refused": f"was not heard: the gate refused its answer: {why}",
        "Abstained": "abstained",
        "Unavailable": f"was not to be had: {why}",
    }
    return f"{who} {said.get(verdict, why)}"


def _said(advice: JsonObject) -> str:
    human = ", and wants a human to decide" if advice.get("needsHuman") else ""
    sure = f"{advice.get('intent')}, {advice.get('confidencePercent', 0)} % sure{human}"
    words = [advice.get("explanation"), advice.get("diagnosis"), _answer(advice.get("suggestedAnswer"))]
    return ": ".join((sure, "; ".join(filter(None, words)))) if any(words) else sure


def _answer(text: str | None) -> str:
    return f"it would answer: {text}" if text else ""
