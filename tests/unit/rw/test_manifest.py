"""The Run that a command line describes, and the successor of an old Run."""

from __future__ import annotations

import pytest

from controller.api.checks import check_run, parse_run_spec
from controller.api.run import MAX_RUN_NAME
from controller.cli.rw import manifest as made
from controller.cli.rw.manifest import Wanted, copy_of, manifest, next_name, seconds
from controller.cli.rw.user_error import Problem


def test_everything_at_once_is_a_valid_run() -> None:
    """Every option has its field, and the operator accepts the spec."""
    run = manifest(
        Wanted(
            "r",
            "x",
            command=("sh", "-c", "true"),
            brief="do it",
            env=("A=b=c", "EMPTY="),
            env_from=("secret/s", "cm/c"),
            policy="strict",
            workspace="20Gi",
            deadline="1h30m",
            token_budget=5,
        )
    )
    spec = parse_run_spec(run)
    assert check_run(spec) == ()
    agent = spec.agents[0]
    assert [(env.name, env.value) for env in agent.env or ()] == [("A", "b=c"), ("EMPTY", "")]
    assert [(e.secret_ref and e.secret_ref.name, e.config_map_ref and e.config_map_ref.name) for e in agent.env_from or ()] == [
        ("s", None),
        (None, "c"),
    ]
    assert (agent.name, agent.command, agent.workspace and agent.workspace.size) == ("coder", ("sh", "-c", "true"), "20Gi")
    assert (spec.active_deadline_seconds, spec.token_budget, spec.policy_ref and spec.policy_ref.name) == (5400, 5, "strict")


def test_nothing_is_set_that_was_not_asked_for() -> None:
    """The API sets its own defaults; a workspace without a size gets the default one."""
    assert manifest(Wanted("r", "x"))["spec"] == {"agents": [{"name": "coder", "image": "x"}]}
    assert manifest(Wanted("r", "x", workspace=""))["spec"]["agents"][0]["workspace"] == {}


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Wanted("r", "x", env=("A",)), "--env A is not a variable"),
        (Wanted("r", "x", env=("=v",)), "--env =v is not a variable"),
        (Wanted("r", "x", env_from=("s",)), "--env-from s names no source; use --env-from secret/NAME"),
        (Wanted("r", "x", env_from=("pod/s",)), "--env-from pod/s names no source"),
        (Wanted("r", "x", deadline="soon"), "--deadline soon is not a duration"),
        (Wanted("r", "x", deadline="1h30"), ""),
    ],
)
def test_what_cannot_be_read(wanted: Wanted, words: str) -> None:
    """The error names the option, its value and a valid form. The last number of a duration may be plain seconds."""
    if not words:
        assert manifest(wanted)["spec"]["activeDeadlineSeconds"] == 3630
        return
    with pytest.raises(Problem) as refused:
        manifest(wanted)
    assert words in refused.value.message


@pytest.mark.parametrize(("text", "count"), [("90", 90), ("90s", 90), ("2h", 7200), ("1d2h3m4s", 93784)])
def test_spans(text: str, count: int) -> None:
    """Durations are plain seconds, or units from days down."""
    assert seconds(text, "--x") == count


def test_again_takes_the_spec_without_its_orders() -> None:
    """A new Run is wanted Running, for any state of the old one; labels are copied, kubectl's and our own annotations are not."""
    annotations = {"kubectl.kubernetes.io/last-applied-configuration": "{}", "runwatchman.dev/operator-state": "{}", "team": "a"}
    old = {
        "metadata": {"name": "r", "uid": "u", "resourceVersion": "3", "labels": {"app": "x"}, "annotations": annotations},
        "spec": {
            "agents": [],
            "desiredState": "Stopped",
            "restartedAt": {"coder": "t"},
            "newSessionAt": {"coder": "t"},
            "brief": "b",
        },
        "status": {"phase": "Stopped"},
    }
    new = copy_of(old, "r-2")
    assert new["metadata"] == {"name": "r-2", "labels": {"app": "x"}, "annotations": {"team": "a"}}
    assert new["spec"] == {"agents": [], "brief": "b"}
    assert "status" not in new


@pytest.mark.parametrize(
    ("name", "taken", "expected"),
    [
        ("fix", ["fix"], "fix-2"),
        ("fix-2", ["fix", "fix-2", "fix-7", "fix-x", "prefix-9"], "fix-8"),
        ("a" * MAX_RUN_NAME, ["a" * MAX_RUN_NAME], "a" * (MAX_RUN_NAME - 2) + "-2"),
    ],
)
def test_next_name(name: str, taken: list[str], expected: str) -> None:
    """The next number after the highest one in use, within the length of a Run's name."""
    assert next_name({"metadata": {"name": name}}, taken) == expected


def test_the_limit_of_names_is_the_apis() -> None:
    """The constant repeats the API's limit, so that the plugin starts without importing a model."""
    assert made.MAX_RUN_NAME == MAX_RUN_NAME
