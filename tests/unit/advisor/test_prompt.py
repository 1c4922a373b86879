"""Requests: golden prompts (`UPDATE_GOLDEN=1` writes them), and how texts are cleaned, redacted and cut."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from controller.advisor.prompt import INSTRUCTIONS, MAX_PROMPT_BYTES, answer_schema, build, target_of
from controller.advisor.prompt_texts import LIMITS
from controller.advisor.untrusted_text import MAX_READ, fenced, prepare
from controller.api.advice import AdvisedIntent
from controller.api.redaction import REDACTED, redact
from controller.api.vendor_patterns import VENDOR_PATTERNS
from controller.plan.context import PlanContext
from controller.plan.escalations.consultation import ALLOWED
from controller.plan.inquiries import Consultation
from controller.plan.intents import Intent
from controller.plan.reasons import Reason
from controller.plan.snapshot_reader import read_snapshot
from tests.golden import dump, expand, shorten
from tests.secrets import SECRETS, marrow

CASES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))
FACTS_BYTES = 4096
"""The maximum size of the operator's own facts and the schema, with names of full length."""


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_prompt(path: Path) -> None:
    """Each story gives the prompt in its file, byte for byte."""
    story: dict[str, Any] = yaml.safe_load(path.read_text())
    snapshot, now = read_snapshot(story["snapshot"])
    about = story["consultation"]
    wanted = Intent(about["wanted"])
    matter = Consultation(
        "demo-coder-1", wanted, Reason(about["reason"]), about["cause"], ALLOWED[wanted],
        about.get("question", ""), tuple(about.get("options", ())),
    )  # fmt: skip
    found = build(PlanContext(snapshot, now), "coder", matter, expand(story.get("log", ""))).prompt
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(dump(story | {"prompt": shorten(found)}))
    assert found == expand(yaml.safe_load(path.read_text())["prompt"]), story["story"]


def test_there_are_stories() -> None:
    """Every subject of a consultation has a golden prompt."""
    assert {yaml.safe_load(path.read_text())["consultation"]["wanted"] for path in CASES} == {str(intent) for intent in ALLOWED}


def test_the_limits_add_up() -> None:
    """Texts of full length, their fences, the instructions and the facts fit into the longest prompt."""
    fences = sum(2 * (len("<<<UNTRUSTED  0123456789abcdef>>>\n") + len(name)) for name in LIMITS)
    assert sum(LIMITS.values()) + fences + len(INSTRUCTIONS) + FACTS_BYTES <= MAX_PROMPT_BYTES


def test_the_schema_is_strict() -> None:
    """The schema fits strict structured outputs: all fields required, no others allowed, optional texts nullable, one target."""
    schema = answer_schema("ns/demo", (AdvisedIntent.NOOP,))
    Draft202012Validator.check_schema(schema)
    assert schema["required"] == list(schema["properties"])
    assert schema["additionalProperties"] is False
    assert schema["properties"]["target_run"]["enum"] == ["ns/demo"]
    assert schema["properties"]["intent"]["enum"] == ["noop"]
    assert "null" in schema["properties"]["diagnosis"]["type"]


def test_the_target_is_namespace_and_name() -> None:
    """Two Runs of one name in two namespaces are two targets."""
    runs = [read_snapshot({"now": "2026-01-01T12:00:00Z", "run": {"name": "demo", "namespace": ns}})[0].run for ns in "ab"]
    assert [target_of(run) for run in runs] == ["a/demo", "b/demo"]


@pytest.mark.parametrize("kind", SECRETS)
@pytest.mark.parametrize("text", ["{}", "before {} behind", "line\n{}\nline", "'{}'"])
def test_a_secret_is_redacted(kind: str, text: str) -> None:
    """Every kind of secret is found in a line, between lines and in quotes."""
    assert marrow(kind) not in redact(text.replace("{}", SECRETS[kind]))


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_with_marks_in_it_is_redacted(kind: str) -> None:
    """Invisible characters that would break a pattern are removed before the search for secrets."""
    secret = SECRETS[kind]
    assert marrow(kind) not in prepare(secret[:3] + "\u200b" + secret[3:6] + "\u2060" + secret[6:], 4096)


@pytest.mark.parametrize(("vendor", "pattern"), VENDOR_PATTERNS)
@given(data=st.data(), before=st.text(max_size=9))
def test_a_vendors_token_is_redacted(vendor: str, pattern: str, data: st.DataObject, before: str) -> None:
    """Any text that has the shape of a vendor's token goes, whatever stands before it."""
    token = data.draw(st.from_regex(pattern, fullmatch=True))
    assert token.strip() not in redact(f"{before} {token}")


@pytest.mark.parametrize(
    "text",
    [
        "commit 165bb2bf026a3d6731bd19fbe9270363d6de8847",
        "pod demo-coder-r0 uid 2f1c8a3e-77aa-4f0e-9a55-aa11bb22cc33",
        "/workspace/src/controller/advisor/prompt.py",
        "exit code 137, OOMKilled",
        "tests pass: 3 of 5",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    """Commits, UIDs, paths and plain words stay, because an advisor needs them."""
    assert redact(text) == text


@pytest.mark.parametrize("kind", SECRETS)
@pytest.mark.parametrize("tail", [False, True])
def test_a_cut_leaves_no_half_secret(kind: str, tail: bool) -> None:
    """A cut at any position, before or after redaction, leaves no piece of a secret."""
    secret = marrow(kind)
    for shift in (0, len(secret) // 2):
        filler = "x " * ((MAX_READ - shift) // 2)
        text = f"{SECRETS[kind]} {filler}" if tail else f"{filler} {SECRETS[kind]}"
        assert secret[:12] not in prepare(text, 1_000_000, tail=tail)


def test_a_cut_says_how_much() -> None:
    """Head or tail is kept, and the mark counts the characters that are missing."""
    text = "a b " * 1000
    head, tail = prepare(text, 164), prepare(text, 164, tail=True)
    assert head == text[:100] + "\n[cut: 3900 characters]"
    assert tail == "[cut: 3900 characters]\n" + text[-100:]


def test_control_characters_show() -> None:
    """Characters that control a terminal are spelled out; invisible ones are removed."""
    assert prepare("a\x1b[2J\x00b\u202ec\ud800\r\nd\te", 100) == "a\\u001b[2J\\u0000bc?\nd\te"


def test_fences_cannot_be_forged() -> None:
    """A text that contains the fence of an earlier prompt gets a different fence, and its brackets are spaced out."""
    harmless = fenced({"brief": "x"})["brief"]
    again = fenced({"brief": prepare(harmless, 4096)})["brief"]
    assert again.count("<<<") == again.count(">>>") == 2
    assert again.splitlines()[0] != harmless.splitlines()[0]


def test_nothing_to_redact_in_nothing() -> None:
    """An empty text stays empty, and a redacted one stays redacted."""
    assert redact("") == ""
    assert redact(redact(SECRETS["github"])) == REDACTED
