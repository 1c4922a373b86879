"""The sender's process, started as by the operator, against loopback endpoints."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from controller.api.policy import NotificationEvent
from controller.notify.delivery_result import Outcome, Result
from controller.notify.message import Level, Message
from controller.notify.sender_process import Senders
from tests.endpoint import Endpoint

MESSAGE = Message(NotificationEvent.RUN_FINISHED, "team", "demo", "u1", Level.FAILURE, "a title", "<b>a body</b>\nof *two* lines")
SENDERS = Senders(("json", "slack", "mailto", "mailtos"), ("127.0.0.1",))


async def test_one_text_and_nothing_else() -> None:
    """The endpoint gets title, level and text unchanged, without attachments."""
    with Endpoint() as endpoint:
        assert await SENDERS.send(f"json://127.0.0.1:{endpoint.port}/", MESSAGE) == Outcome(Result.SENT)
    (told,) = endpoint.messages
    assert (told["title"], told["message"], told["type"], told["attachments"]) == (MESSAGE.title, MESSAGE.body, "failure", [])


async def test_no_markup_of_the_agents() -> None:
    """If a service takes HTML, agents' text in it is escaped."""
    with Endpoint() as endpoint:
        assert await SENDERS.send(f"json://127.0.0.1:{endpoint.port}/?format=html", MESSAGE) == Outcome(Result.SENT)
    assert "&lt;b&gt;a&nbsp;body&lt;/b&gt;" in endpoint.messages[0]["message"]


@pytest.mark.parametrize(("code", "result"), [(503, Result.LATER), (429, Result.LATER), (401, Result.REFUSED)])
async def test_an_answer_says_whether_to_try_again(code: int, result: Result) -> None:
    """Busy endpoints are retried later, those that refuse are not; apprise's own retries are off."""
    with Endpoint(code) as endpoint:
        outcome = await SENDERS.send(f"json://127.0.0.1:{endpoint.port}/?retry=3&wait=0", MESSAGE)
    assert outcome.result is result
    assert str(code) in outcome.why
    assert len(endpoint.messages) == 1


async def test_a_redirect_leads_nowhere() -> None:
    """A redirect of an allowed endpoint is not followed, even if the URL asks for it."""
    with Endpoint() as inner, Endpoint(307, {"Location": f"http://127.0.0.1:{inner.port}/"}) as outer:
        outcome = await SENDERS.send(f"json://127.0.0.1:{outer.port}/?redirect=yes", MESSAGE)
    assert (outcome.result, len(outer.messages), inner.messages) == (Result.REFUSED, 1, [])


async def test_a_dropped_connection_is_not_tried_again() -> None:
    """An endpoint that received the text and did not answer may have delivered it."""
    with Endpoint(drops=True) as endpoint:
        assert (await SENDERS.send(f"json://127.0.0.1:{endpoint.port}/", MESSAGE)).result is Result.UNKNOWN
    assert len(endpoint.messages) == 1


@pytest.mark.parametrize(
    "url", ["json://127.0.0.1:1/", "mailto://user:hunter2@example.org:1?smtp=127.0.0.1&to=a@example.org"], ids=["http", "mail"]
)
async def test_one_that_is_not_reached_is_tried_again(url: str) -> None:
    """Without a connection the message cannot have been delivered."""
    outcome = await SENDERS.send(url, MESSAGE)
    assert outcome.result is Result.LATER
    assert "cannot be reached" in outcome.why


async def test_a_hanging_endpoint_is_given_up_and_its_process_gone() -> None:
    """The sender is ended after its time limit, for any behaviour of the endpoint and even if its URL asks for more time."""
    with Endpoint(hangs=True) as endpoint:
        outcome = await Senders(("json",), ("127.0.0.1",), seconds=10).send(
            f"json://127.0.0.1:{endpoint.port}/?rto=600&cto=600", MESSAGE
        )
        assert endpoint.arrived.is_set()
    assert (outcome.result, outcome.hung) == (Result.UNKNOWN, True)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("file:///etc/passwd", "no URL"),
        ("config:///etc/passwd", "no URL"),
        ("hunter2", "no URL"),
        ("xml://127.0.0.1:1/hunter2", "xml:// is not among the operator's --notify-schemes"),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/?template=/etc/passwd", "asks for a file"),
        ("slack://hunter2", "lacks something"),
        ("mailtos://u:hunter2@example.org?smtp=127.0.0.1&to=a@example.org&mode=insecure", "without TLS"),
        ("mailto://u:hunter2@example.org?smtp=127.0.0.1&to=a@example.org&pgp=yes&pgppub=/etc/passwd", "asks for a file"),
    ],
)
async def test_what_may_not_be_used(url: str, why: str) -> None:
    """Unknown schemes, forbidden schemes and URLs with local files are refused, and the error contains no part of the URL."""
    outcome = await SENDERS.send(url, MESSAGE)
    assert outcome.result is Result.UNUSABLE
    assert why.replace("no URL", "does not hold a URL") in outcome.why
    assert "hunter2" not in outcome.why
    assert "/etc/passwd" not in outcome.why


async def test_the_sender_knows_nothing_of_the_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator's environment, with its credentials, does not reach the process, and the URL is not on its command line."""
    monkeypatch.setenv("KUBECONFIG", "/somewhere")
    monkeypatch.setenv("RUNWARDEN_OPERATOR_STORE", "postgresql://u:hunter2@db/x")
    script = (
        "import json, os, sys; sys.stdin.read(); bad = {'KUBECONFIG', 'RUNWARDEN_OPERATOR_STORE'} & os.environ.keys();"
        "print(json.dumps({'result': 'refused', 'why': f'{sorted(bad)} {sys.argv} ' + os.environ['NETRC'], 'open': False}))"
    )
    outcome = await Senders((), command=(sys.executable, "-c", script)).send("json://hunter2", MESSAGE)
    assert outcome == Outcome(Result.REFUSED, f"[] ['-c'] {os.devnull}")


async def test_a_sender_that_breaks() -> None:
    """A sender that ends without an answer, or cannot be started, is reported as such."""
    broken = await Senders((), command=(sys.executable, "-c", "raise SystemExit(3)")).send("json://x", MESSAGE)
    assert (broken.result, broken.why) == (Result.UNKNOWN, "the sender ended without a word (exit code 3)")
    assert (await Senders((), command=("/nonexistent/program",)).send("json://x", MESSAGE)).result is Result.LATER


async def test_a_cancelled_send_leaves_no_process() -> None:
    """At the operator's end a running send is ended too."""
    with Endpoint(hangs=True) as endpoint:
        task = asyncio.create_task(
            Senders(("json",), ("127.0.0.1",), seconds=3600).send(f"json://127.0.0.1:{endpoint.port}/", MESSAGE)
        )
        await asyncio.to_thread(endpoint.arrived.wait)
        (child,) = await asyncio.to_thread(_children)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)


def _children() -> list[int]:
    """Return the senders among this process's children."""
    pid = os.getpid()
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if b"controller.notify.sender" in Path(f"/proc/{child}/cmdline").read_bytes()]
