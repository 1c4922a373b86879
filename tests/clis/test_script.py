"""`rw-exec` itself in every shell that an image may have, with a CLI that has scripted output."""

from __future__ import annotations

import pytest

from tests.clis.pod import finish, terminate
from tests.clis.stub import DONE, FAILED, SLEEPER, STARTED, Stubbed
from tests.support import await_that

MEBIBYTE = 1 << 20


PROMPTS = [
    (("codex",), "Say hello and finish.", []),
    (("codex", "do it"), "do it", []),
    (("codex", "-m", "gpt", "do it", "--oss"), "do it", ["-m", "gpt", "--oss"]),
    (("codex", "-m", "gpt"), "Say hello and finish.", ["-m", "gpt"]),
    (("codex", "--", "-m"), "-m", []),
    (("codex", "-i", "a.png", "b.png"), "Say hello and finish.", ["-i", "a.png", "b.png"]),
    (("claude", "--model=opus", "do it"), "do it", ["--model=opus"]),
    (("claude", "--allowedTools", "Bash", "Edit", "--", "do 'it' \\n"), "do 'it' \\n", ["--allowedTools", "Bash", "Edit"]),
    (("claude", "--debug", "--max-turns", "5", "do it"), "do it", ["--debug", "--max-turns", "5"]),
]


@pytest.mark.parametrize(("given", "prompt", "kept"), PROMPTS, ids=lambda value: " ".join(value) if type(value) is tuple else "")
async def test_the_prompt_is_told_from_options(stubbed: Stubbed, given: tuple[str, ...], prompt: str, kept: list[str]) -> None:
    """A word that is neither an option nor its value is the prompt and goes to stdin; all others are passed on in order."""
    await stubbed.pod.run(*given)
    assert stubbed.prompt.strip() == prompt
    start = stubbed.arguments.index(kept[0]) if kept else 0
    assert not kept or stubbed.arguments[start : start + len(kept)] == kept
    assert prompt not in stubbed.arguments


@pytest.mark.parametrize(
    ("given", "code", "why"),
    [
        ((), 2, "codex and claude, not ''"),
        (("vim",), 2, "not 'vim'"),
        (("codex", "do", "it"), 2, "'it' is a second"),
    ],
)
async def test_a_wrong_call_says_what_is_wrong(stubbed: Stubbed, given: tuple[str, ...], code: int, why: str) -> None:
    """A mistake in the command is named, and no CLI is started."""
    ended = await stubbed.pod.run(*given)
    assert (ended.code, why in ended.errors) == (code, True), ended.errors
    assert not (stubbed.folder / "arguments").exists()


async def test_an_empty_brief_and_no_prompt_need_a_human(stubbed: Stubbed) -> None:
    """Restarts would not help, so it is a bad configuration."""
    (stubbed.pod.outbox / "brief.md").write_text("\n")
    ended = await stubbed.pod.run("codex")
    assert (ended.code, "there is no prompt" in ended.errors) == (78, True)


async def test_an_image_without_the_cli_needs_a_human(stubbed: Stubbed) -> None:
    """The message names the missing CLI."""
    (stubbed.folder / "codex").unlink()
    stubbed.pod.path = f"{stubbed.folder}:/usr/bin:/bin"
    ended = await stubbed.pod.run("codex")
    assert (ended.code, "there is no codex on PATH" in ended.errors) == (78, True)


ENDS = [
    (STARTED + FAILED, 0, 77),
    (STARTED + DONE, 5, 5),
    (STARTED, 0, 1),
    ("", 0, 1),
    (STARTED + '{"type":"turn.failed","error":{"message":"bad"}}\n', 0, 75),
    (STARTED + '{"type":"turn.failed","error":{"message":"unexpected status 400 Bad Request: no"}}\n', 0, 1),
    (STARTED + '{"type":"error","message":"Reconnecting (status 429 Too Many)"}\n' + DONE, 0, 0),
]


@pytest.mark.parametrize(("stream", "own", "code"), ENDS)
async def test_the_last_word_counts_more_than_the_exit_code(stubbed: Stubbed, stream: str, own: int, code: int) -> None:
    """A CLI that exits with 0 and did not finish its turn has failed, and the reason is read from its stream."""
    stubbed.says(stream, own)
    assert (await stubbed.pod.run("codex")).code == code


async def test_what_tools_print_is_shown_but_not_kept(stubbed: Stubbed) -> None:
    """The outbox is small: output that the reporter does not use is only in the logs, complete."""
    large = '{"type":"item.completed","item":{"type":"command_execution","aggregated_output":"' + "x" * MEBIBYTE + '"}}\n'
    stubbed.says(STARTED + large + DONE)
    ended = await stubbed.pod.run("codex")
    assert ended.logs == STARTED + large + DONE
    kept = (stubbed.pod.outbox / "out/stream.jsonl").read_text()
    assert kept.splitlines(keepends=True)[1:] == [STARTED, DONE]


async def test_a_second_call_of_the_attempt_is_a_new_prompt(stubbed: Stubbed) -> None:
    """A script may call a CLI twice: the second call has its own prompt in the same session; the next attempt is asked to
    continue.
    """
    await stubbed.pod.run("codex", "plan")
    await stubbed.pod.run("codex", "now do it")
    assert stubbed.prompt == "now do it\n"
    assert stubbed.arguments[-3:] == ["resume", "t-1", "-"]
    stubbed.pod.begin(1, "\nAnswer: yes\n")
    await stubbed.pod.run("codex", "plan")
    assert stubbed.prompt.startswith("You were interrupted (NonZeroExit)")
    assert stubbed.prompt.endswith("\nAnswer: yes\n")
    assert stubbed.pod.brief not in stubbed.prompt


async def test_a_session_whose_work_was_not_verified(stubbed: Stubbed) -> None:
    """It reads that its work did not pass, and the output, which is new in the brief; it was not interrupted."""
    output = "\n\n## Verification of attempt 0 failed\n\n1 failed\n"
    await stubbed.pod.run("codex")
    stubbed.pod.begin(1, output)
    stubbed.pod.environment["RUNWATCHMAN_LAST_OUTCOME"] = "VerificationFailed"
    await stubbed.pod.run("codex")
    assert stubbed.prompt.startswith("You had finished, and the verification of your work has failed.")
    assert (stubbed.prompt.endswith(output), "interrupted" in stubbed.prompt) == (True, False)


async def test_a_failed_start_does_not_cost_the_session(stubbed: Stubbed) -> None:
    """Only a CLI that reports an unknown session gets a new one."""
    await stubbed.pod.run("codex")
    stubbed.pod.begin(1)
    stubbed.says("", 1, "Error: something else\n")
    assert (await stubbed.pod.run("codex")).code == 1
    assert (stubbed.pod.state / "codex.session").read_text() == "t-1\n"
    assert stubbed.arguments[-3:] == ["resume", "t-1", "-"]


async def test_term_waits_for_the_cli(stubbed: Stubbed) -> None:
    """The CLI gets TERM and its own exit code is returned; only the record is left behind."""
    stubbed.becomes(SLEEPER)
    process = await stubbed.pod.start("codex")
    await_that((stubbed.folder / "arguments").exists, "the CLI did not start")
    terminate(process)
    assert (await finish(process)).code == 9
    assert sorted(path.name for path in (stubbed.pod.outbox / "out").iterdir()) == ["events.jsonl", "stream.jsonl"]


async def test_permissions_are_the_pods_unless_the_user_says_otherwise(stubbed: Stubbed) -> None:
    """No human could allow an action, so all are allowed in the pod as a sandbox; the user's own choice is kept."""
    await stubbed.pod.run("codex")
    assert "danger-full-access" in stubbed.arguments
    await stubbed.pod.run("codex", "-s", "read-only")
    assert "danger-full-access" not in stubbed.arguments
    await stubbed.pod.run("claude")
    assert "--dangerously-skip-permissions" in stubbed.arguments
    await stubbed.pod.run("claude", "--permission-mode", "plan")
    assert "--dangerously-skip-permissions" not in stubbed.arguments


@pytest.mark.parametrize(("started", "works"), [("/", "workspace"), ("/usr", "/usr")])
async def test_nobody_works_on_the_root_of_an_image(stubbed: Stubbed, started: str, works: str) -> None:
    """A container without a working directory starts in `/`; the agent is then moved to its workspace, and otherwise stays in
    its directory.
    """
    stubbed.pod.directory = started
    await stubbed.pod.run("codex")
    assert (stubbed.folder / "directory").read_text().strip().endswith(works)
