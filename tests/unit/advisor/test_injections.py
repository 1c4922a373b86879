"""Prompt injections stay inside their fences, no secret is sent, and a model that obeys an injection achieves nothing."""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import cache

import pytest

from controller.adapter.contract import Request
from controller.advisor.answer_gate import Answer, judge
from controller.advisor.prompt import MAX_PROMPT_BYTES, build, target_of
from controller.advisor.prompt_texts import LIMITS
from controller.api.advice import AdvisedIntent
from controller.api.redaction import REDACTED
from controller.plan.context import PlanContext
from controller.plan.inquiries import Consultation
from controller.plan.intents import Intent
from controller.plan.reasons import Reason
from tests.injections import AGENT, CARRIERS, TARGET, TEMPLATES, Injection, beside, injections, snapshot_with
from tests.secrets import SECRETS, marrow
from tests.unit.advisor.obedient import answers
from tests.unit.plan.generated import NOW

ALLOWED = (AdvisedIntent.AUTO_RESTART, AdvisedIntent.ESCALATE_BLOCKED, AdvisedIntent.ESCALATE_GUIDANCE, AdvisedIntent.NOOP)
ALL = tuple(injections())
FENCE = re.compile(r"^<<<(UNTRUSTED|END) (\w+) ([0-9a-f]{16})>>>$", re.MULTILINE)


@cache
def request_with(injection: Injection) -> Request:
    matter = Consultation(
        "demo-coder-1",
        Intent.AUTO_RESTART,
        Reason.EXITED_NONZERO,
        beside(injection, "cause") or "exit code 1",
        ALLOWED,
        beside(injection, "question"),
        (beside(injection, "option"), "no"),
    )
    return build(PlanContext(snapshot_with(injection), NOW), AGENT, matter, beside(injection, "log"))


def test_there_are_many() -> None:
    """Every class is combined with every carrier, three hundred times at least, and every kind of secret is included."""
    assert len(ALL) >= 300
    assert len(ALL) == len(CARRIERS) * sum(map(len, TEMPLATES.values()))
    assert {kind for injection in ALL for kind in injection.kinds} == set(SECRETS)


@pytest.mark.parametrize("injection", ALL, ids=lambda injection: injection.name)
def test_an_injection_stays_behind_its_fence(injection: Injection) -> None:
    """The prompt has one opening and one closing fence per text, in order, and no other run of brackets that could be a fence."""
    request = request_with(injection)
    asked, sent = request.prompt.partition("\n{\n")[::2]
    fences = FENCE.findall(sent)
    names = list(request.document["untrusted"])
    assert fences == [(side, name, fences[0][2]) for name in names for side in ("UNTRUSTED", "END")]
    assert sent.count("<<<") == sent.count(">>>") == len(fences)
    assert len(request.prompt.encode()) <= MAX_PROMPT_BYTES
    for name, text in request.document["untrusted"].items():
        assert text in request.prompt
        assert len(FENCE.sub("", text).strip("\n").encode()) <= LIMITS[name]
    assert asked.startswith("You advise an operator")


@pytest.mark.parametrize("injection", ALL, ids=lambda injection: injection.name)
def test_no_secret_is_sent(injection: Injection) -> None:
    """Neither the prompt nor the document contains any of the secrets around the injection."""
    request = request_with(injection)
    sent = request.prompt + json.dumps(request.document, ensure_ascii=False) + json.dumps(request.schema)
    assert [kind for kind in injection.kinds if marrow(kind) in sent] == []
    assert REDACTED in sent


def test_a_model_that_obeys_gets_nowhere() -> None:
    """The gate accepts only those injected answers that the rules allow anyway, about this Run; and it accepts some."""
    taken: Counter[str] = Counter()
    for injection in ALL:
        target = target_of(snapshot_with(injection).run)
        for output in answers(injection.text):
            said = judge(output, target, ALLOWED)
            if isinstance(said, Answer):
                taken[said.intent] += 1
                assert said.intent in ALLOWED
                assert json.loads(output)["target_run"] == TARGET
    assert set(taken) == {AdvisedIntent.AUTO_RESTART, AdvisedIntent.NOOP}
