"""The commands that people copy, typed as shown: an agent's words in them are an answer, never a flag or shell code."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from controller.api.escalation import EscalationType
from controller.cli.rw.kubectl import with_flags
from controller.cli.rw.responses import how_to_answer
from controller.cli.rw.session import Session
from controller.notify.message import VERBS, answer_commands
from tests.unit.rw.fake import FakeKubectl
from tests.unit.rw.one_run import ME, RUN, question


@pytest.fixture
def kubectl(tmp_path: Path) -> FakeKubectl:
    found = FakeKubectl(tmp_path / "kubectl")
    found.answers(
        ("*auth*", ME, "", 0),
        ("*patch*", "", "", 0),
        ("*get runs*", {"items": [RUN]}, "", 0),
        ("*get escalations*", question(options=[]), "", 0),
    )
    return found


@pytest.mark.parametrize("option", ["--as=admin", "-nkube-system", "--", "--option=1", "yes; rm -rf /", "$(id)", "it's", "no"])
def test_a_suggested_answer_is_the_answer_whatever_the_agent_chose(kubectl: FakeKubectl, option: str) -> None:
    """Copied from a notification into a shell, the exact option is sent under the caller's own name."""
    (line,) = answer_commands(EscalationType.QUESTION, "team", "q", (option,))
    done = kubectl.run(*shlex.split(line)[2:])
    assert done.exit_code == 0, done.output
    (patch,) = [call for call in kubectl.calls() if "patch" in call]
    response, flags = json.JSONDecoder().raw_decode(patch.partition(" -p ")[2])
    assert response["spec"]["response"]["answer"] == option
    assert patch.partition(" -p ")[2][flags:].split() == ["--namespace=team"]


def test_the_commands_of_a_block_are_commands(kubectl: FakeKubectl) -> None:
    """Each decision that a notification offers is a command of the plugin that fits the type."""
    blocked = {"metadata": {"name": "b"}, "spec": {"type": "Blocked", "responders": {}}}
    assert {verb for verb, *_ in how_to_answer(blocked)} == set(VERBS.values())
    assert kubectl.run("retry", "--help").exit_code == 0


def test_flags_stand_before_the_dashes() -> None:
    """A namespace that is added to a command stays a flag."""
    assert with_flags(("answer", "q", "--", "TEXT"), ("-n", "team")) == ("answer", "q", "-n", "team", "--", "TEXT")
    assert Session(namespace="team").command("answer", "q", "--", "TEXT") == "kubectl rw answer q -n team -- TEXT"
    assert Session(namespace="team").command("inbox", "q") == "kubectl rw inbox q -n team"
