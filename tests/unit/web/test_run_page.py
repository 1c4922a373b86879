"""A Run's page, rendered for each story: it says what `kubectl rw` says, and others' words stay text."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from controller.cli.rw.explain_model import explain_run
from controller.cli.rw.objects import JsonObject
from controller.cli.rw.reason_text import sentence
from controller.cli.rw.related_objects import Around
from controller.cli.rw.terminal_safe import clean
from controller.cli.web.pages.run_page import run_page
from controller.cli.web.pages.steering import actions_of, find
from tests.unit.rw.stories import NAMES, NOW, Story, story
from tests.unit.web.rendering import duplicates, links, read, render, replaced

WORDS = re.compile(
    "message|reason|summary|text|brief|comment|answer|by|onBehalfOf|advisor|url|revision|outputs|options|action|requestedBy"
    "|outcome|leftOut|branch|commit|result|diagnosis|suggestedAnswer|users|groups|command"
)
"""The fields whose texts others write, also those that the API limits to a few words."""

HOSTILE = {
    "markup": '<script>alert(1)</script><img src=x onerror="alert(1)"><a href="javascript:alert(1)">x</a>',
    "attributes": "\"' onfocus=alert(1) autofocus style='display:none' x='",
    "template": "{{ 7 * 7 }}{% raw %}&lt;b&gt;&#60;script&#62;",
    "controls": "\x1b[2J\x00\x07\x9b31m\u202etxt\u2066\u2028",
    "long": "wide" * 256,
}


def rendered(run: JsonObject, around: Around) -> str:
    return render("run_live.html", run_page(run, around, sentence, {"alice"}, NOW))


def spoken(told: Story, text: str) -> Story:
    """Return a story in which others say this everywhere. The reason of the status stays: it decides what is shown."""
    run: Any = replaced(told.run, WORDS, lambda _: text)
    lists = {key: getattr(told.around, key) for key in ("pods", "escalations", "reports", "events")}
    return Story(run, replace(told.around, **{key: tuple(replaced(found, WORDS, lambda _: text)) for key, found in lists.items()}))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
def test_page_says_what_explain_says(name: str) -> None:
    """Each sentence of `explain` is on the page: the reason, the rule, what comes next and what would change it."""
    told = story(name)
    text, why = read(rendered(told.run, told.around)).text, explain_run(told.run, told.around, NOW)
    expected = [why.meaning, why.message, why.rule_says, *why.notes, *(check.what for check in why.checks)]
    expected += [change.effect for change in why.changes] + [" ".join(change.words) for change in why.changes]
    for agent in why.agents:
        expected += [agent.message, agent.rule, agent.advice, agent.source, agent.verification, agent.publication]
    assert [words for words in expected if " ".join(clean(words).split()) not in text] == []


@pytest.mark.parametrize("name", NAMES)
def test_page_can_be_navigated(name: str) -> None:
    """Ids are unique, each label and description refers to one, and every control has a name."""
    found = read(rendered(story(name).run, story(name).around))
    assert duplicates(found) == []
    ids = {value for _, key, value in found.attributes if key == "id"}
    refers = {value for _, key, value in found.attributes if key in ("for", "aria-labelledby", "aria-describedby")}
    assert refers <= ids
    assert all(link.startswith("/") and not link.startswith("//") for link in links(found))


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("name", NAMES)
def test_words_of_others_stay_text(name: str, kind: str) -> None:
    """Hostile texts in every field that others write lead to the same elements and addresses as harmless ones."""
    harmless, hostile = spoken(story(name), "word"), spoken(story(name), HOSTILE[kind])
    plain, found = read(rendered(harmless.run, harmless.around)), read(rendered(hostile.run, hostile.around))
    assert found.tags == plain.tags
    assert links(found) == links(plain)
    everything = "".join([*found.words, *(value for _, _, value in found.attributes)])
    assert clean(everything) == everything


def test_longest_texts_are_shown_whole() -> None:
    """A brief and a question of 16 KiB fit; a text beyond every limit of the API is cut."""
    told = story("asking")
    told.run["spec"]["brief"], told.around.escalations[0]["spec"]["text"] = "b" * 16384, "q" * 16384
    told.run["status"]["message"] = "m" * 50_000
    text = read(rendered(told.run, told.around)).text
    assert "b" * 16384 in text
    assert "q" * 16384 in text
    assert "m" * 19_999 + "…" in text
    assert "m" * 20_000 not in text


def test_suggestion_is_marked() -> None:
    """The advisor's suggestion is named as such, on its option too, and is not chosen by itself."""
    told = story("asking")
    html = rendered(told.run, told.around)
    assert "Suggestion by the advisor codex. It takes effect only if you choose it." in read(html).text
    assert read(html).text.count("(suggested by the advisor)") == 1
    assert "checked" not in html
    assert "selected" not in html


def test_chart_has_each_attempt_and_wait() -> None:
    """Bars lie within the chart; a wait is one that lasts until now."""
    told = story("asking")
    found = run_page(told.run, told.around, sentence, (), NOW).lanes
    assert found
    coder, critic, linter = found.lanes
    assert [bar.kind for bar in coder.bars] == ["starting", "failed", "starting", "running", "wait"]
    assert [bar.kind for bar in critic.bars] == ["starting", "running"]
    assert linter.bars == ()
    assert coder.bars[1].words == "coder r0: exit code 137, OOMKilled, 58m"
    assert coder.bars[4].words == "a human is asked (Question), for 8m so far"
    assert all(0 <= bar.at <= bar.at + bar.width <= 1000 and bar.width > 0 for lane in found.lanes for bar in lane.bars)
    assert run_page(story("unseen").run, Around(), sentence, (), NOW).lanes is None


@pytest.mark.parametrize(
    ("status", "spec", "verbs"),
    [
        ({"phase": "Running"}, {}, ["pause", "restart", "stop", "rerun"]),
        ({"phase": "Paused"}, {"desiredState": "Paused"}, ["resume", "stop", "rerun"]),
        ({"phase": "Halted"}, {}, ["pause", "stop", "rerun"]),
        ({"phase": "Stopping"}, {"desiredState": "Stopped"}, ["rerun"]),
        ({"phase": "Completed"}, {}, ["rerun"]),
        ({"phase": "Blocked", "reason": "SpecRefused"}, {}, []),
        ({}, {}, ["pause", "restart", "stop", "rerun"]),
    ],
)
def test_only_possible_actions_are_offered(status: JsonObject, spec: JsonObject, verbs: list[str]) -> None:
    """An action that the Run does not accept is not offered; each offered one says what it will do."""
    run = {"metadata": {"name": "r"}, "spec": {"agents": [{"name": "coder"}, {"name": "critic"}], **spec}, "status": status}
    assert [action.verb for action in actions_of(run)] == verbs
    assert all(action.effects for action in actions_of(run))


def test_finished_agent_is_not_restarted() -> None:
    """A restart names the unfinished agents alone."""
    status = {"phase": "Running", "agents": [{"name": "coder", "health": "Complete"}, {"name": "critic", "health": "Dead"}]}
    run = {"metadata": {"name": "r"}, "spec": {"agents": [{"name": "coder"}, {"name": "critic"}]}, "status": status}
    found = find(run, "restart")
    assert found
    assert found.agents == ("critic",)
    assert find(run, "resume") is None
