"""The exit code of `rw exec` shows how a real CLI failed, for any exit code of the CLI's own, and a limit has its end."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clis.cli import BOTH, CLAUDE, CODEX, Cli
from tests.clis.install import install, install_oldest
from tests.clis.model import End, Reply
from tests.clis.pod import Pod

TEMPORARY, FORBIDDEN = 75, 77


def failing(status: int, error: str) -> Reply:
    return Reply(status=status, error=error)


FAILURES = [
    (CODEX, failing(401, "invalid_api_key"), FORBIDDEN, None),
    (CODEX, failing(403, "permission_error"), FORBIDDEN, None),
    (CODEX, failing(429, "rate_limit_exceeded"), TEMPORARY, "RateLimit"),
    (CODEX, failing(429, "insufficient_quota"), TEMPORARY, "Quota"),
    (CODEX, failing(500, "server_error"), TEMPORARY, "Outage"),
    (CODEX, failing(503, "server_is_overloaded"), TEMPORARY, "Outage"),
    (CODEX, failing(529, "overloaded_error"), TEMPORARY, "Outage"),
    (CODEX, failing(400, "invalid_request_error"), 1, None),
    (CODEX, Reply(text="cut", end=End.CUT), TEMPORARY, "Outage"),
    (CLAUDE, failing(401, "authentication_error"), FORBIDDEN, None),
    (CLAUDE, failing(403, "permission_error"), FORBIDDEN, None),
    (CLAUDE, failing(429, "rate_limit_error"), TEMPORARY, "RateLimit"),
    (CLAUDE, failing(500, "api_error"), TEMPORARY, "Outage"),
    (CLAUDE, failing(529, "overloaded_error"), TEMPORARY, "Outage"),
    (CLAUDE, failing(400, "invalid_request_error"), 1, None),
    (CLAUDE, Reply(text="cut", end=End.CUT), TEMPORARY, "Outage"),
]


def name(case: object) -> str:
    """Return the name of a parameter."""
    if isinstance(case, Cli):
        return case.name
    return f"{case.end.value}-{case.status}-{case.error}" if isinstance(case, Reply) else f"exit-{case}"


@pytest.mark.parametrize(("cli", "reply", "code", "limit"), FAILURES, ids=name)
async def test_a_failure_has_its_exit_code(pod: Pod, cli: Cli, reply: Reply, code: int, limit: str | None) -> None:
    """No permission is 77; too many requests, an overloaded model and a stream that is cut are 75 and a limit; a refused request
    is 1; none gives a turn or a result.
    """
    async with cli.model(reply).serve() as model:
        cli.equip(pod, model)
        ended = await pod.run(*cli.arguments(model))
    assert ended.code == code, ended.logs
    assert model.requests
    assert pod.results() == []
    assert [found["kind"] for found in pod.limits()] == ([limit] if limit else [])


RESET = 1_893_456_000
"""The first second of the year 2030."""

USED_UP = {
    "codex": (
        ("x-codex-primary-used-percent", "100"),
        ("x-codex-primary-window-minutes", "300"),
        ("x-codex-primary-reset-at", str(RESET)),
        ("x-codex-secondary-used-percent", "40"),
        ("x-codex-secondary-window-minutes", "10080"),
        ("x-codex-secondary-reset-at", str(RESET + 99)),
    ),
    "claude": (
        ("anthropic-ratelimit-unified-status", "rejected"),
        ("anthropic-ratelimit-unified-reset", str(RESET)),
        ("anthropic-ratelimit-unified-representative-claim", "five_hour"),
    ),
}
"""What the providers send when a window of a subscription is used up."""


@pytest.mark.parametrize("cli", BOTH, ids=lambda cli: cli.name)
@pytest.mark.parametrize("installed", [install, install_oldest])
async def test_a_used_up_subscription_says_when_it_answers_again(place: Path, cli: Cli, installed: Callable[[], Path]) -> None:
    """Only a subscription has the time: in codex's record of the session, and in claude's stream."""
    pod = Pod(place / "workspace", place / "runwatchman", f"{installed()}:{os.environ['PATH']}")
    error = "usage_limit_reached" if cli is CODEX else "rate_limit_error"
    async with cli.model(Reply(status=429, error=error, headers=USED_UP[cli.name])).serve() as model:
        cli.equip(pod, model)
        if cli is CLAUDE:
            del pod.environment["ANTHROPIC_API_KEY"]
            pod.environment["CLAUDE_CODE_OAUTH_TOKEN"] = "sk-ant-oat01-none"  # noqa: S105  # of a test
        assert (await pod.run(*cli.arguments(model))).code == TEMPORARY
    (limit,) = pod.limits()
    assert (limit["kind"], limit["resetsAt"]) == ("Quota", "2030-01-01T00:00:00Z")
    assert "hit your" in limit["message"]


@pytest.mark.parametrize("cli", BOTH, ids=lambda cli: cli.name)
async def test_no_credentials_at_all_are_no_permission(pod: Pod, cli: Cli) -> None:
    """A forgotten Secret needs a human, as a wrong one does."""
    async with cli.model(Reply(text="hello")).serve() as model:
        cli.equip(pod, model)
        pod.environment = {name: value for name, value in pod.environment.items() if "KEY" not in name}
        assert (await pod.run(*cli.arguments(model))).code == FORBIDDEN
    assert model.requests == []
