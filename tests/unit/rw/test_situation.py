"""The plugin replays the plan only with complete facts, and trusts it only if it agrees with the operator's status."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from controller.cli.rw.explain_document import document
from controller.cli.rw.explain_model import explain_run
from controller.cli.rw.kubectl_errors import Denied
from controller.cli.rw.objects import JsonObject
from controller.cli.rw.plan_replay import policy_of, replay, state_of
from tests.unit.rw.stories import NOW, Story, story


def asked(told: Story) -> object:
    return replay(told.run, told.around, policy_of(told.run, told.around), NOW)


def test_the_rule_is_told_where_the_plan_agrees() -> None:
    """With the state in the status and a known policy, the plan gives the operator's message, and the rule behind it."""
    told = story("cooldown")
    found = explain_run(told.run, told.around, NOW)
    assert found.rule == "supervised"
    assert found.agents[0].rule.startswith("rule ended: The attempt ended")


def test_a_plan_that_differs_is_a_note() -> None:
    """The status counts: a different plan is shown as a note, and no rule is claimed."""
    told = story("cooldown")
    told.run["status"]["reason"] = "Supervising"
    found = explain_run(told.run, told.around, NOW)
    assert (found.reason, found.rule, found.agents[0].rule) == ("Supervising", "", "")
    assert any("RestartCooldown" in note for note in found.notes)


@pytest.mark.parametrize("lack", ["pods", "state", "policy"])
def test_the_plan_is_not_asked_with_half_of_the_facts(lack: str) -> None:
    """Pods that may not be read, a state in a database or an unknown policy would change the plan."""
    told = story("cooldown")
    if lack == "pods":
        told = replace(told, around=replace(told.around, denied=(Denied("bob", "list", "pods", "default"),)))
    elif lack == "state":
        del told.run["status"]["operatorState"]
    else:
        told.run["status"]["policy"] = {"name": "operator-policy-file", "digest": "other"}
    assert asked(told) is None


def test_the_state_in_an_annotation() -> None:
    """The store `annotations` keeps the same record in an annotation."""
    told = story("cooldown")
    state = told.run["status"].pop("operatorState")
    told.run["metadata"]["annotations"] = {"runwatchman.dev/operator-state": json.dumps({"version": 3, "state": state})}
    found = state_of(told.run)
    assert found is not None
    assert found.agents["coder"].restarts == 2


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", '{"state": {"runUID": 1}}'])
def test_a_state_that_cannot_be_read_is_none(text: str) -> None:
    """A state that somebody else has overwritten is not a reason to fail."""
    told = story("cooldown")
    del told.run["status"]["operatorState"]
    told.run["metadata"]["annotations"] = {"runwatchman.dev/operator-state": text}
    assert state_of(told.run) is None


def test_the_document_says_the_same() -> None:
    """The document for programs has the same findings under fixed names, in plain JSON."""
    told = story("asking")
    found: JsonObject = json.loads(json.dumps(document(explain_run(told.run, told.around, NOW))))
    assert found["budget"] == {"used": 1, "budget": 2, "left": 1, "policy": "careful", "sure": True}
    assert found["inbox"] == ["migrate-coder-7f3a0001"]
    assert found["next"][0] == {"at": "2026-01-01T12:02:20Z", "what": found["next"][0]["what"]}
    assert found["changes"][0]["command"] == ["answer", "migrate-coder-7f3a0001", "--option", "1"]
    assert found["agents"][0]["progressAt"] == "2026-01-01T11:52:50Z"
