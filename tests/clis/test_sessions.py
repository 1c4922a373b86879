"""A conversation survives the attempts that hold it, with the real CLIs."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.clis.cli import BOTH, CLAUDE, CODEX, KEY, Cli
from tests.clis.model import INPUT_TOKENS, OUTPUT_TOKENS, End, Reply
from tests.clis.pod import SESSION_ID, Pod, container, finish, kill, lines, terminate
from tests.support import eventually

TOLD_TO_GO_ON = "You were interrupted (NonZeroExit)"
ANSWERS = "\n## Answers\n\nShip it? yes, said alice\n"
PARK = """echo '{"type":"park"}' >>"$RUNWATCHMAN_DIR/out/events.jsonl"; echo parked"""

both = pytest.mark.parametrize("cli", BOTH, ids=lambda cli: cli.name)


@both
async def test_a_run_from_brief_to_result(pod: Pod, cli: Cli) -> None:
    """The brief is the prompt, a tool runs without a permission prompt, turn, usage and last message are reported, all is
    logged.
    """
    async with cli.model(Reply(command="id -u >made"), Reply(text="all is done")).serve() as model:
        cli.equip(pod, model)
        ended = await pod.run(*cli.arguments(model))
        assert ended.code == 0, ended.errors
    assert pod.brief.strip() in model.said()
    assert all(key.endswith(KEY) for key in model.keys)
    assert (pod.workspace / "made").read_text().strip() == ("10001" if container() else "0")
    summary = {"type": "result", "outcome": "Completed", "summary": "all is done"}
    assert pod.results() == [{"type": "turn"}, summary]
    used = pod.used()
    assert (used["inputTokens"], used["outputTokens"]) == (2 * INPUT_TOKENS, 2 * OUTPUT_TOKENS)
    assert (used.get("costMicroUSD", 0) > 0) == (cli is CLAUDE)
    assert "all is done" in json.dumps(lines(ended.logs)[-2:])
    assert not [path for path in (pod.outbox / "out").iterdir() if path.name not in ("events.jsonl", "stream.jsonl")]


@both
async def test_the_conversation_goes_on_after_a_crash(pod: Pod, cli: Cli) -> None:
    """An attempt killed during its second prompt leaves a conversation that the next one continues, with a request to continue and
    with the answers.

    The reported usage of all attempts equals the requests to the model.
    """
    first, then = Reply(text="the first answer"), Reply(command="echo from-the-tool")
    async with cli.model(first, then, Reply(text="never heard", end=End.HELD), Reply(text="the end")).serve() as model:
        cli.equip(pod, model)
        arguments = cli.arguments(model)
        assert (await pod.run(*arguments)).code == 0
        process = await pod.start(*arguments, "a second prompt")
        await model.holding.wait()
        # The CLIs write their transcripts a little later than they ask: no later attempt can know the unwritten part.
        await eventually(lambda: _is_kept(pod, b"from-the-tool"), "the tool's answer in the CLI's own files")
        kill(process)
        await finish(process)
        before = pod.used()
        pod.begin(1, ANSWERS)
        ended = await pod.run(*arguments)
        assert ended.code == 0, ended.errors
    told = model.said()
    for part in (pod.brief.strip(), "the first answer", "a second prompt", "from-the-tool", TOLD_TO_GO_ON, "said alice"):
        assert part in told
    assert told.count(pod.brief.strip()) == 1
    assert "never heard" not in told
    assert pod.results()[-1]["summary"] == "the end"
    # The usage of codex's killed turn is counted by the next attempt, that of claude's by its own, as far as it came.
    assert before["inputTokens"] + pod.used()["inputTokens"] - INPUT_TOKENS * 3 in (0, INPUT_TOKENS * (cli is CLAUDE))


def _is_kept(pod: Pod, words: bytes) -> bool:
    """Whether a CLI has stored a text."""
    return any(words in path.read_bytes() for path in pod.state.rglob("*.jsonl"))


@both
async def test_a_lost_session_starts_fresh(pod: Pod, cli: Cli) -> None:
    """If the CLI does not know its session any more, the next attempt starts a new one with the whole brief, which is then
    resumed.
    """
    async with cli.model(Reply(text="forgotten"), Reply(text="anew"), Reply(text="resumed")).serve() as model:
        cli.equip(pod, model)
        await pod.run(*cli.arguments(model))
        lost = (pod.state / f"{cli.name}.session").read_text()
        shutil.rmtree(pod.state / cli.name)
        pod.begin(1, ANSWERS)
        assert (await pod.run(*cli.arguments(model))).code == 0
        told = model.said()
        assert "forgotten" not in told
        assert all(part in told for part in (pod.brief.strip(), "said alice", "This is attempt 1"))
        assert pod.used()["inputTokens"] == INPUT_TOKENS
        assert (pod.state / f"{cli.name}.session").read_text() != lost
        pod.begin(2)
        assert (await pod.run(*cli.arguments(model))).code == 0
    assert "anew" in model.said()
    assert pod.used()["inputTokens"] == INPUT_TOKENS


async def test_claudes_session_has_the_id_that_was_given_and_a_used_one_is_left_alone(pod: Pod) -> None:
    """Claude refuses a known ID for a new session; it accepts another one that is derived from it."""
    async with CLAUDE.model(Reply(text="hello")).serve() as model:
        CLAUDE.equip(pod, model)
        await pod.run("claude")
        record = pod.state / "claude.session"
        assert record.read_text().strip() == SESSION_ID
        record.unlink()
        assert (await pod.run("claude")).code == 0
    assert record.read_text().strip() not in ("", SESSION_ID)


@both
async def test_term_ends_the_cli_in_order(pod: Pod, cli: Cli) -> None:
    """TERM, which a kubelet sends to `rw exec` alone, ends the CLI too; its conversation is there in the next attempt."""
    async with cli.model(Reply(text="slow", end=End.HELD), Reply(text="the end")).serve() as model:
        cli.equip(pod, model)
        process = await pod.start(*cli.arguments(model))
        await model.holding.wait()
        terminate(process)
        assert (await finish(process)).code == 143
        assert pod.results() == []
        pod.begin(1)
        assert (await pod.run(*cli.arguments(model))).code == 0
    assert pod.brief.strip() in model.said()
    assert TOLD_TO_GO_ON in model.said()


@both
async def test_parked_by_a_tool_of_its_own(pod: Pod, cli: Cli) -> None:
    """`rw park` in a tool ends the CLI, which would continue, with 76; the conversation is resumed when the answer is there."""
    async with cli.model(Reply(command=PARK), Reply(text="the end", end=End.HELD)).serve() as model:
        cli.equip(pod, model)
        ended = await pod.run(*cli.arguments(model))
        assert ended.code == 76, ended.errors
        assert pod.results() == []
        model.released.set()
        pod.begin(1, ANSWERS)
        assert (await pod.run(*cli.arguments(model))).code == 0
    assert all(part in model.said() for part in (pod.brief.strip(), "echo parked", "said alice"))


@both
async def test_a_slow_model_is_waited_for(pod: Pod, cli: Cli) -> None:
    """A stream that pauses is not an error; its start is recorded before it ends."""
    async with cli.model(Reply(text="slow but sure", end=End.HELD)).serve() as model:
        cli.equip(pod, model)
        process = await pod.start(*cli.arguments(model))
        await model.holding.wait()
        await eventually((pod.state / f"{cli.name}.session").exists, "the session's record, while the model is silent")
        model.released.set()
        assert (await finish(process)).code == 0
    assert pod.results()[-1]["summary"] == "slow but sure"


async def test_openais_own_provider_takes_its_usual_key(pod: Pod) -> None:
    """Without a login codex gets OPENAI_API_KEY, the usual name of the key."""
    async with CODEX.model(Reply(text="hello")).serve() as model:
        pod.environment = {"OPENAI_API_KEY": KEY}
        ended = await pod.run("codex", "-c", f"openai_base_url={json.dumps(model.url)}")
        assert ended.code == 0, ended.logs
    assert model.keys == [f"Bearer {KEY}"]
