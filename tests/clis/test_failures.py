"""The exit code of `rw exec` shows how a real CLI failed, for any exit code of the CLI's own."""

from __future__ import annotations

import pytest

from tests.clis.cli import BOTH, CLAUDE, CODEX, Cli
from tests.clis.model import End, Reply
from tests.clis.pod import Pod

TEMPORARY, FORBIDDEN = 75, 77


def failing(status: int, error: str) -> Reply:
    return Reply(status=status, error=error)


FAILURES = [
    (CODEX, failing(401, "invalid_api_key"), FORBIDDEN),
    (CODEX, failing(403, "permission_error"), FORBIDDEN),
    (CODEX, failing(429, "rate_limit_exceeded"), TEMPORARY),
    (CODEX, failing(429, "insufficient_quota"), TEMPORARY),
    (CODEX, failing(500, "server_error"), TEMPORARY),
    (CODEX, failing(503, "server_is_overloaded"), TEMPORARY),
    (CODEX, failing(529, "overloaded_error"), TEMPORARY),
    (CODEX, failing(400, "invalid_request_error"), 1),
    (CODEX, Reply(text="cut", end=End.CUT), TEMPORARY),
    (CLAUDE, failing(401, "authentication_error"), FORBIDDEN),
    (CLAUDE, failing(403, "permission_error"), FORBIDDEN),
    (CLAUDE, failing(429, "rate_limit_error"), TEMPORARY),
    (CLAUDE, failing(500, "api_error"), TEMPORARY),
    (CLAUDE, failing(529, "overloaded_error"), TEMPORARY),
    (CLAUDE, failing(400, "invalid_request_error"), 1),
    (CLAUDE, Reply(text="cut", end=End.CUT), TEMPORARY),
]


def name(case: object) -> str:
    """Return the name of a parameter."""
    if isinstance(case, Cli):
        return case.name
    return f"{case.end.value}-{case.status}-{case.error}" if isinstance(case, Reply) else f"exit-{case}"


@pytest.mark.parametrize(("cli", "reply", "code"), FAILURES, ids=name)
async def test_a_failure_has_its_exit_code(pod: Pod, cli: Cli, reply: Reply, code: int) -> None:
    """No permission is 77; too many requests, an overloaded model and a stream that is cut are 75; a refused request is 1;
    none gives a turn or a result.
    """
    async with cli.model(reply).serve() as model:
        cli.equip(pod, model)
        ended = await pod.run(*cli.arguments(model))
    assert ended.code == code, ended.logs
    assert model.requests
    assert pod.results() == []


@pytest.mark.parametrize("cli", BOTH, ids=lambda cli: cli.name)
async def test_no_credentials_at_all_are_no_permission(pod: Pod, cli: Cli) -> None:
    """A forgotten Secret needs a human, as a wrong one does."""
    async with cli.model(Reply(text="hello")).serve() as model:
        cli.equip(pod, model)
        pod.environment = {name: value for name, value in pod.environment.items() if "KEY" not in name}
        assert (await pod.run(*cli.arguments(model))).code == FORBIDDEN
    assert model.requests == []
