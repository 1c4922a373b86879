"""`rw-exec-errors` and `rw-exec-limits` in every shell: the exit code and the kind of limit of each known form of failure, and
words that are not the CLI's own.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from controller.api.base import JsonObject
from tests.clis.pod import SCRIPT
from tests.clis.stub import SHELLS
from tests.skipping import cannot_run

FORMS: list[JsonObject] = [json.loads(line) for line in (Path(__file__).parent / "data/errors.jsonl").read_text().splitlines()]
"""How the CLIs end a run that failed, by version, and the code that `rw exec` makes of it: 75 passes by itself, 77 needs a
credential, 78 another configuration, 1 is charged. `limit` is the kind of limit that `rw exec` reports, if it is one.
Entries with versions were recorded from that CLI with a model on loopback (usage, ids and times are cut out); entries with an
issue quote a public report.
"""
JUDGE = """
TEMPORARY=75 FORBIDDEN=77 MISCONFIGURED=78
. "$1-errors"
. "$1-limits"
for scratch in "$2"/*; do
  read -r cli code <"$scratch/run"
  session=$scratch/session
  judge
  classify_limit
  printf '%s %s %s %s %s\\n' "${scratch##*/}" "$code" "${finished:-no}" "${blames_session:-no}" "${limit:-none}"
done
"""
TEXTS = ("rate limit exceeded", "API Error: 401", "unexpected status 403 no", "credit balance is too low", "model x not found")
AGENTS_FIELDS: JsonObject = {"type": "turn.failed", "is_error": True, "api_error_status": 401, "error": {"message": "status 401"}}


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """Each shell that an image may have."""
    command = SHELLS[request.param]
    if not shutil.which(command[0]):
        cannot_run(f"needs {command[0]}")
    return command


class Judged:
    """What the script makes of the last messages of runs, in one process."""

    def __init__(self, shell: tuple[str, ...], place: Path) -> None:
        self._shell, self._place = shell, place

    def codes(self, *runs: tuple[str, list[str]], code: int = 1, answered: bool = False) -> list[tuple[int, str, str]]:
        """Return the code of each run (a CLI and its last messages), whether its turn was finished, and whether the session is
        blamed.
        """
        return [(int(code), finished, blames) for code, finished, blames, _ in self._judge(*runs, code=code, answered=answered)]

    def limits(self, *runs: tuple[str, list[str]]) -> list[str]:
        """Return the kind of limit of each run, `none` without one."""
        return [limit for *_, limit in self._judge(*runs)]

    def _judge(self, *runs: tuple[str, list[str]], code: int = 1, answered: bool = False) -> list[list[str]]:
        for number, (cli, lines) in enumerate(runs):
            scratch = self._place / f"{number:04}"
            scratch.mkdir(parents=True)
            (scratch / "run").write_text(f"{cli} {code}\n")
            (scratch / "last").write_text(lines[-1] + "\n")
            if lines[1:]:
                (scratch / "synthetic").write_text(lines[0] + "\n")
            if answered:
                (scratch / "session.answered").touch()
        command = [*self._shell, "-c", JUDGE, "sh", str(SCRIPT), str(self._place)]
        printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
        return [line.split()[1:] for line in printed.splitlines()]


@pytest.fixture
def judged(shell: tuple[str, ...], tmp_path: Path) -> Judged:
    """The script's judgement in one shell."""
    return Judged(shell, tmp_path / "runs")


def label(form: JsonObject) -> str:
    """Return a name of a form for people."""
    return f"{form['cli']} {form.get('issue') or form['versions']}: {form['error']}"


def test_each_known_form_of_failure_has_its_code(judged: Judged) -> None:
    """The table of real forms: no outage, quota or missing credential is charged, and no broken session passes as an outage."""
    found = judged.codes(*((form["cli"], form["stream"]) for form in FORMS))
    wrong = {label(form): got for form, (got, *_) in zip(FORMS, found, strict=True) if got != form["code"]}
    assert wrong == {}


def test_each_known_form_of_limit_has_its_kind(judged: Judged) -> None:
    """A quota, too many requests and an outage are told apart. An error that may be one request's own is none of them."""
    found = judged.limits(*((form["cli"], form["stream"]) for form in FORMS))
    wrong = {label(form): got for form, got in zip(FORMS, found, strict=True) if got != form.get("limit", "none")}
    assert wrong == {}
    assert {form["code"] for form in FORMS if "limit" in form} == {75}


def test_only_a_request_that_is_refused_blames_the_session(judged: Judged) -> None:
    """A new session would not help against an outage, a missing credential or a wrong model."""
    found = judged.codes(*((form["cli"], form["stream"]) for form in FORMS))
    blamed = {label(form) for form, (code, _, blames) in zip(FORMS, found, strict=True) if blames == "yes" and code != 1}
    unknown = ("200, a login page", "unknown error in the stream", "overload in the stream")
    assert {name for name in blamed if not name.endswith(unknown)} == set()
    assert [label(form) for form, (code, _, blames) in zip(FORMS, found, strict=True) if blames == "no" and code == 1] == []


def test_a_model_that_has_answered_before_is_an_outage(judged: Judged) -> None:
    """Providers report a known model as not found while they are in trouble: that passes, and a human is not needed."""
    forms = [(form["cli"], form["stream"]) for form in FORMS if form["code"] == 78]
    assert forms
    assert {code for code, *_ in judged.codes(*forms, answered=True)} == {75}


def upper(line: str) -> str:
    """Return a message whose texts are in another case; its fields and types are as before."""
    message = json.loads(line)
    for holder, field in ((message, "result"), (message, "message"), (message.get("error"), "message")):
        if isinstance(holder, dict) and isinstance(holder.get(field), str):
            holder[field] = holder[field].upper()
    return json.dumps(message)


def test_the_case_of_words_and_the_order_of_fields_do_not_matter(judged: Judged) -> None:
    """Versions differ in both, and in blanks."""
    changed = [[json.dumps(dict(reversed(json.loads(upper(line)).items()))) for line in form["stream"]] for form in FORMS]
    found = judged.codes(*((form["cli"], lines) for form, lines in zip(FORMS, changed, strict=True)))
    wrong = {label(form): got for form, (got, *_) in zip(FORMS, found, strict=True) if got != form["code"]}
    assert wrong == {}


def test_words_of_the_agent_are_not_the_providers(judged: Judged) -> None:
    """An agent's last message, its structured output and its denied calls may hold any word and any field."""
    finished = [{"subtype": "success", "structured_output": AGENTS_FIELDS, "is_error": False, "result": text} for text in TEXTS]
    denied: list[JsonObject] = [
        {"subtype": "error_max_turns", "permission_denials": [{"tool_input": AGENTS_FIELDS}], "is_error": False},
        {"subtype": "error_during_execution", "is_error": True, "modelUsage": {"a.b": AGENTS_FIELDS}, "errors": TEXTS},
    ]
    runs = [("claude", [json.dumps({"type": "result"} | message)]) for message in [*finished, *denied]]
    assert judged.codes(*runs, code=0) == [(0, "yes", "no")] * len(TEXTS) + [(1, "no", "no"), (75, "no", "yes")]


def test_a_forged_message_of_the_cli_is_not_read(judged: Judged) -> None:
    """Only the message that claude marks as its own names the error, not a tool call with the same fields."""
    call = {"type": "tool_use", "input": {"model": "<synthetic>", "error": "authentication_failed"}}
    forged = json.dumps({"type": "assistant", "message": {"model": "opus", "content": [call]}, "error": "authentication_failed"})
    end = json.dumps({"type": "result", "subtype": "success", "is_error": True, "result": "API Error: Connection error."})
    assert judged.codes(("claude", [forged, end])) == [(75, "no", "no")]


def test_a_killed_cli_keeps_its_code(judged: Judged) -> None:
    """A message about a retry is not how a CLI ended that was killed afterwards."""
    retry = '{"type":"error","message":"Reconnecting... 1/5 (unexpected status 401 Unauthorized)"}'
    assert judged.codes(("codex", [retry]), code=137) == [(137, "no", "yes")]
