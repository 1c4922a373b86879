"""The policy file: the seed's unchanged JSON, YAML, and errors that name field, value and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from controller.api.llm_policy import LLM, LLMMode
from controller.api.policy import RunPolicySpec
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
        ("llm: {mode: Auto}", RunPolicySpec(llm=LLM(mode=LLMMode.AUTO))),
    ],
)
def test_accepted(text: str, expected: RunPolicySpec) -> None:
    """YAML in both spellings, a whole RunPolicy, a bare `off`, and meaningful zeros are accepted."""
    assert parse_policy_file(text) == expected


@pytest.mark.parametrize(
    ("text", "path", "says"),
    [
        ("restartBudgt: 1", "restartBudgt", "did you mean restartBudget"),
        ("restart_budget: -1", "restartBudget", "greater than or equal to 0"),
        ('restart_budget: "3"', "restartBudget", "valid integer"),
        ("restartBudget: 1.5", "restartBudget", "valid integer"),
        ("restartBudget: true", "restartBudget", "valid integer"),
        ("restartBudget: 1\nrestartBudget: 2", "restartBudget", "set twice"),
        ("restartBudget: 1\nrestart_budget: 2", "restart_budget", "set twice"),
        ("stale_run_age_seconds: 0", "staleRunAgeSeconds", "greater than or equal to 1"),
        ("llm: {mode: maybe}", "llm.mode", "off, assist or auto"),
        ("llm: {mode: true}", "llm.mode", "off, assist or auto"),
        ("llm: {command: ''}", "llm", "may be empty only where mode is Off"),
        ("llm: {timeout_seconds: 0}", "llm.timeoutSeconds", "greater than or equal to 1"),
        ("llm: {tokens: 1}", "llm.tokens", "unknown field"),
        ("health: {foo: 1}", "health.foo", "unknown field"),
        ("outcomes: [{action: Retry}]", "outcomes[0]", "at least one of"),
        ("restartCooldownSeconds: 100\nrestartCooldownMaxSeconds: 50", "", "may not be larger"),
        ("[1]", "file", "must be an object"),
        ("{", "file", "neither YAML nor JSON"),
        ("1: 2", "1", "keys must be strings"),
        ("restartBudget: .nan", "file", "cannot be read"),
    ],
)
def test_refused(text: str, path: str, says: str) -> None:
    """Each mistake is one violation at its path, with the remedy."""
    with pytest.raises(PolicyFileError) as caught:
        parse_policy_file(text)
    found = caught.value.violations[0]
    assert found.path == path
    assert says in found.message


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
