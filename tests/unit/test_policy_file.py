"""The policy file: the seed's unchanged JSON, YAML, and errors that name field, value and remedy."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from controller.api.llm_policy import LLM, LLMMode
from controller.api.policy import HealthThresholds, RunPolicySpec
from controller.api.policy_file import PolicyFileError, parse_policy_file
from controller.cache.policy_file_watcher import FILE_POLICY, PolicyFileWatcher
from controller.cli import main

SEED = (
    '{"operator":{"unhealthy_confirmations":2,"restart_budget":3,"restart_cooldown_seconds":60,"stale_run_age_seconds":3600,'
    '"llm":{"mode":"assist","command":"codex","model":"","timeout_seconds":30,"max_tokens":400}}}'
)
SEED_POLICY = RunPolicySpec(llm=LLM(mode=LLMMode.ASSIST))


@pytest.mark.parametrize("text", [SEED, SEED.removeprefix('{"operator":').removesuffix("}")])
def test_the_seed_is_the_defaults(text: str) -> None:
    """The seed's JSON, with and without its enclosing key, equals the defaults, with an explicit mode."""
    assert parse_policy_file(text) == SEED_POLICY


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", RunPolicySpec()),
        ("restartBudget: 0", RunPolicySpec(restart_budget=0)),
        ("restart_cooldown_seconds: 0", RunPolicySpec(restart_cooldown_seconds=0)),
        ("llm: {mode: off, command: ''}", RunPolicySpec(llm=LLM(mode=LLMMode.OFF, command=""))),
        ("kind: RunPolicy\nspec: {restartBudget: 1}", RunPolicySpec(restart_budget=1)),
        ("spec: {restartBudget: 1}", RunPolicySpec(restart_budget=1)),
        ("llm: {mode: Auto}", RunPolicySpec(llm=LLM(mode=LLMMode.AUTO))),
        ("operator: {}", RunPolicySpec()),
        ("# nothing\n---\n", RunPolicySpec()),
        ("kind: RunPolicy\nspec: {}", RunPolicySpec()),
        ("health: {activity_stalled_seconds: 5}", RunPolicySpec(health=HealthThresholds(activity_stalled_seconds=5))),
        ("restartBudget: 1\r\nllm:\r\n  mode: off\r\n", RunPolicySpec(restart_budget=1, llm=LLM(mode=LLMMode.OFF))),
        ('{\n\t"restart_budget":\t1\n}', RunPolicySpec(restart_budget=1)),
        ("restartBudget: &n 1\nunhealthyConfirmations: *n", RunPolicySpec(restart_budget=1, unhealthy_confirmations=1)),
        ("llm: {model: 2024-01-01}", RunPolicySpec(llm=LLM(model="2024-01-01"))),
    ],
)
def test_accepted(text: str, expected: RunPolicySpec) -> None:
    """YAML in both spellings, a whole RunPolicy, a bare `off`, and meaningful zeros are accepted."""
    assert parse_policy_file(text) == expected


BUDGET = "must be a whole number from 0 to 1000"
SECONDS = "must be a whole number from 1 to 31536000"
BOMB = "outcomes: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"k{number}: &{name} [*{of}, *{of}, *{of}, *{of}, *{of}, *{of}, *{of}, *{of}, *{of}]\n"
    for number, (of, name) in enumerate(pairwise("abcdefghij"))
)
DEEP = "health: " + "[" * 70 + "]" * 70

REFUSED = [
    # Unknown fields, in the file's spelling.
    ("restartBudgt: 1", "restartBudgt", "did you mean restartBudget", "1"),
    ("operator: {restart_budgt: 1}", "operator.restart_budgt", "did you mean restart_budget", "1"),
    ("health: {foo: 1}", "health.foo", "known fields are activityStalledSeconds, pendingStalledSeconds", "1"),
    ("operator: {health: {foo: 1}}", "operator.health.foo", "known fields are activity_stalled_seconds, pending", "1"),
    ("llm: {tokens: 1}", "llm.tokens", "unknown field", "1"),
    # Hints by meaning: `restartPolicy` is not a spelling of another field.
    ("backoffLimit: 1", "backoffLimit", "unknown field: use restartBudget", "1"),
    ("operator: {max_retries: 1}", "operator.max_retries", "unknown field: use restart_budget", "1"),
    ("restartPolicy: 1", "restartPolicy", "unknown field: use restartBudget", "1"),
    ("cooldown: 60", "cooldown", "unknown field: use restartCooldownSeconds", "60"),
    ("parallelism: 3", "parallelism", "unknown field: use maxActiveRuns", "3"),
    # Ranges, on both sides.
    ("restart_budget: -1", "restart_budget", BUDGET, "-1"),
    ("restartBudget: 1001", "restartBudget", BUDGET, "1001"),
    ("stale_run_age_seconds: 0", "stale_run_age_seconds", SECONDS, "0"),
    ("llm: {timeout_seconds: 0}", "llm.timeout_seconds", SECONDS, "0"),
    ("llm: {timeoutSeconds: 31536001}", "llm.timeoutSeconds", SECONDS, "31536001"),
    ("operator: {llm: {min_confidence_percent: 101}}", "operator.llm.min_confidence_percent", "from 0 to 100", "101"),
    ("operator: {health: {activity_stalled_seconds: -1}}", "operator.health.activity_stalled_seconds", "from 0 to 31536000", "-1"),
    ("operator: {outcomes: [{exit_codes: [256], action: Retry}]}", "operator.outcomes[0].exit_codes[0]", "from 0 to 255", "256"),
    ("kind: RunPolicy\nspec: {restartBudget: -1}", "spec.restartBudget", BUDGET, "-1"),
    ("kind: RunPolicy\nspec: {restart_budget: -1}", "spec.restart_budget", BUDGET, "-1"),
    ("spec: {}\nrestartBudget: 1", "restartBudget", "stands beside spec: move it into spec", "1"),
    # Numbers that are none.
    ('restart_budget: "3"', "restart_budget", BUDGET, "'3'"),
    ("restartBudget: 1.5", "restartBudget", BUDGET, "1.5"),
    ("restartBudget: true", "restartBudget", BUDGET, "true"),
    ("restartBudget: yes", "restartBudget", BUDGET, "true"),
    ("restartBudget: .nan", "restartBudget", BUDGET, "'.nan'"),
    ("restartBudget: -.inf", "restartBudget", BUDGET, "'-.inf'"),
    ('{"restartBudget": NaN}', "restartBudget", BUDGET, "'NaN'"),
    ('{"restartBudget": 1e3}', "restartBudget", BUDGET, "'1e3'"),
    ("restartBudget: 010", "restartBudget", BUDGET, "'010'"),
    ("restartBudget: 0x10", "restartBudget", BUDGET, "'0x10'"),
    ("restartBudget: 1_0", "restartBudget", BUDGET, "'1_0'"),
    ("restartCooldownSeconds: 1:30", "restartCooldownSeconds", "from 0 to 31536000", "'1:30'"),
    ("restartBudget: 2024-01-01", "restartBudget", BUDGET, "'2024-01-01'"),
    ("restartBudget: " + "9" * 5000, "restartBudget", BUDGET, "..."),
    ("restartBudget: null", "restartBudget", BUDGET, "null"),
    ("restartBudget:", "restartBudget", BUDGET, "null"),
    ('dryRun: "yes"', "dryRun", "must be true or false", "'yes'"),
    # Null, and things of the wrong shape.
    ("null", "file", "must be an object", "null"),
    ("operator: null", "operator", "must be an object", "null"),
    ("operator:", "operator", "{}, means the defaults", "null"),
    ("operator: []", "operator", "must be an object", ""),
    ("operator: 3", "operator", "must be an object", "3"),
    ("operator: {operator: {}}", "operator.operator", "unknown field", ""),
    ("operator: {}\nrestart_budget: 1", "restart_budget", "move it into operator", "1"),
    ("llm: null", "llm", "must be an object", "null"),
    ("operator: {llm: {on_approval_timeout: null}}", "operator.llm.on_approval_timeout", "must be an object", "null"),
    ("outcomes: {}", "outcomes", "must be a list", ""),
    ("outcomes: [null]", "outcomes[0]", "must be an object", "null"),
    ("[1]", "file", "must be an object", ""),
    ("kind: RunPolicy", "spec", "is required", ""),
    ("kind: RunPolicy\nspec: null", "spec", "must be an object", "null"),
    ("kind: RunPolicy\nspec: []", "spec", "must be an object", ""),
    ("kind: RunPolicy\nspec: {}\nrestartBudget: 1", "restartBudget", "move it into spec", "1"),
    ("kind: Run\nspec: {}", "kind", "must be RunPolicy", "'Run'"),
    ("kind: RunPolicy\napiVersion: v1\nspec: {}", "apiVersion", "must be runwatchman.dev/v1alpha1", "'v1'"),
    # A field that is set twice.
    ("restartBudget: 1\nrestartBudget: 2", "restartBudget", "set twice (line 2)", ""),
    ("restartBudget: 1\nrestart_budget: 2", "restart_budget", "set twice, as restartBudget and as restart_budget", ""),
    ("operator: {health: {silentAgents: Ignore, silent_agents: Ignore}}", "operator.health.silent_agents", "set twice", ""),
    ('{"operator": {"llm": {"model": "a", "model": "b"}}}', "operator.llm.model", "set twice (line 1)", ""),
    # Texts.
    ("llm: {command: '   '}", "llm.command", "a registered command such as codex", "'   '"),
    ("llm: {mode: off, command: ' '}", "llm.command", "a registered command such as codex", "' '"),
    ("llm: {command: ' codex'}", "llm.command", "a registered command such as codex", "' codex'"),
    ("llm: {command: '\u3000'}", "llm.command", "a registered command such as codex", "'\\u3000'"),
    ("llm: {command: 3}", "llm.command", "a registered command such as codex", "3"),
    ("llm: {command: ''}", "llm.command", "may be empty only where mode is Off", "''"),
    ("llm: {model: '  '}", "llm.model", "the name of a model", "'  '"),
    ("llm: {mode: maybe}", "llm.mode", "off, assist or auto", "'maybe'"),
    ("llm: {mode: true}", "llm.mode", "off, assist or auto", "true"),
    ("llm: {mode: null}", "llm.mode", "off, assist or auto", ""),
    ("outcomes: [{messageContains: ' ', action: Fail}]", "outcomes[0].messageContains", "not only spaces", "' '"),
    ("outcomes: [{reasons: [''], action: Fail}]", "outcomes[0].reasons[0]", "1 to 128 characters", "''"),
    ("responders: {users: [' ']}", "responders.users[0]", "1 to 1024 characters", "' '"),
    ("notifications: [{secretName: s, secretKey: ' '}]", "notifications[0].secretKey", "a key in a Secret", "' '"),
    # Rules between fields, in the file's spelling.
    ("outcomes: [{action: Retry}]", "outcomes[0]", "at least one of exitCodes, reasons, messageContains", ""),
    ("operator: {outcomes: [{action: Retry}]}", "operator.outcomes[0]", "one of exit_codes, reasons, message_contains", ""),
    ("restartCooldownSeconds: 4000", "restartCooldownSeconds", "larger than restartCooldownMaxSeconds, which is 3600", "4000"),
    ("restart_cooldown_seconds: 4000", "restart_cooldown_seconds", "larger than restart_cooldown_max_seconds", "4000"),
    ("restart_cooldown_max_seconds: 5", "restart_cooldown_seconds", "larger than restart_cooldown_max_seconds, which is 5", ""),
    # Texts that are not one document.
    ("{", "file", "neither YAML nor JSON", ""),
    ("restartBudget: 1\n---\nrestartBudget: 2", "file", "keep one document", ""),
    ("llm:\n\tmode: off", "file", "(line 2, column 1): indent with spaces, not with tabs", ""),
    ("restartBudget: 1\x00", "file", "neither YAML nor JSON", ""),
    ("1: 2", "1", "keys must be strings", ""),
    ("llm: {on: off}", "llm.on", "keys must be strings", ""),
    ("llm: {<<: {mode: off}}", "llm.<<", "merges are not supported", ""),
    ("restartBudget: !!binary aGk=", "file", "remove the tag", ""),
    ("restartBudget: !!int x", "file", "remove the tag", ""),
    ("restartBudget: !!float .inf", "file", "JSON cannot hold", ""),
    (BOMB, "file", "has more than 10000 values", ""),
    ("outcomes: &a [*a]", "file", "nested deeper than 64 levels", ""),
    (DEEP, "file", "nested deeper than 64 levels", ""),
    ("[" * 5000, "file", "nested deeper than 64 levels", ""),
]


@pytest.mark.parametrize(("text", "path", "says", "value"), REFUSED)
def test_refused(text: str, path: str, says: str, value: str) -> None:
    """Each mistake is one violation at its path as the file spells it, with the value, the range and the remedy."""
    with pytest.raises(PolicyFileError) as caught:
        parse_policy_file(text)
    found = caught.value.violations
    assert [violation.path for violation in found] == [path]
    assert says in found[0].message
    assert found[0].value.endswith(value) if value == "..." else found[0].value == value


def test_every_mistake_is_listed() -> None:
    """One check names all mistakes, unknown fields and values alike."""
    with pytest.raises(PolicyFileError) as caught:
        parse_policy_file("operator: {a: 1, restart_budget: -1, llm: {b: 1, mode: maybe, timeout_seconds: 0}}")
    assert [violation.path for violation in caught.value.violations] == [
        "operator.a",
        "operator.llm.b",
        "operator.llm.mode",
        "operator.restart_budget",
        "operator.llm.timeout_seconds",
    ]


REPORTED = json.loads((Path(__file__).parent / "data/policies.json").read_text())


@pytest.mark.parametrize("report", REPORTED, ids=lambda report: json.dumps(report["file"]))
def test_reported_files(report: dict[str, Any]) -> None:
    """Policy files that users reported are refused with the field as the file spells it, the value and the whole range."""
    done = CliRunner().invoke(main, ["policy", "check", "-"], input=json.dumps(report["file"]))
    assert (done.exit_code, done.output) == (1, f"<stdin>: {report['says']}\n")


ENCODINGS = [
    ("utf-8-sig", None),
    ("utf-16", "is encoded in UTF-16: save it as UTF-8"),
    ("utf-16-le", "is encoded in UTF-16 or UTF-32, or is not a text: save it as UTF-8"),
    ("utf-32", "is encoded in UTF-32: save it as UTF-8"),
    ("latin-1", "is not encoded in UTF-8 (byte 0xe4 in line 1): save it as UTF-8"),
]


@pytest.mark.parametrize(("encoding", "says"), ENCODINGS)
def test_encodings(tmp_path: Path, encoding: str, says: str | None) -> None:
    """A byte order mark of UTF-8 is accepted by `policy check` and by the operator; other encodings are refused by name."""
    path = tmp_path / "policy.yaml"
    path.write_bytes("restart_budget: 1  # ä\n".encode(encoding))
    done = CliRunner().invoke(main, ["policy", "check", str(path)])
    if says is None:
        assert (done.exit_code, PolicyFileWatcher(path).current.spec.restart_budget) == (0, 1)
        return
    assert (done.exit_code, done.output) == (1, f"{path}: file: {says}\n")
    with pytest.raises(PolicyFileError, match=re.escape(says)):
        PolicyFileWatcher(path)


def test_hot_reload_keeps_the_last_good(tmp_path: Path) -> None:
    """A changed file is loaded; a broken one keeps the last good policy and reports an error, and a repair clears the error."""
    path = tmp_path / "policy.yaml"
    path.write_text("restartBudget: 1")
    source = PolicyFileWatcher(path)
    assert (source.current.name, source.current.spec.restart_budget) == (FILE_POLICY, 1)
    path.write_text("restartBudget: -1")
    assert not source.poll()
    assert source.error is not None
    assert "last good policy" in source.error
    assert source.current.spec.restart_budget == 1
    path.write_text("restartBudget: 2")
    assert source.poll()
    assert (str(source.error), source.current.spec.restart_budget) == ("None", 2)
    path.unlink()
    assert not source.poll()
    assert source.current.spec.restart_budget == 2


def test_a_broken_file_at_start_is_an_error(tmp_path: Path) -> None:
    """At start there is not yet a last good policy to keep."""
    with pytest.raises(PolicyFileError):
        PolicyFileWatcher(tmp_path / "none.yaml")


def test_policy_check_and_defaults(tmp_path: Path) -> None:
    """`policy check` exits 0 or 1 and names the field; it accepts the output of `policy defaults`."""
    runner = CliRunner()
    good = runner.invoke(main, ["policy", "check", "-"], input=SEED)
    assert (good.exit_code, "ok" in good.output) == (0, True)
    bad = runner.invoke(main, ["policy", "check", "-"], input="restartBudgt: 3")
    assert (bad.exit_code, "did you mean restartBudget?" in bad.output) == (1, True)
    defaults = runner.invoke(main, ["policy", "defaults"]).output
    assert "# Charged restarts that a Run may have; 0 (never restart) to 1000" in defaults
    assert parse_policy_file(defaults) == RunPolicySpec()
