"""The guard of the metrics: which tokens it accepts, how often it queries the API server, and which answers it caches."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

import pytest

from controller.errors import RunwatchmanError
from controller.observability import guard as module
from controller.observability.guard import ALLOWED_SECONDS, KNOWN_SECONDS, REFUSED_SECONDS, Guard, Refusal

FORBIDDEN = Refusal(HTTPStatus.FORBIDDEN, "no")


class Api:
    """An API server that accepts `good` tokens, and a clock."""

    def __init__(self, *good: str) -> None:
        self.good, self.now = set(good), 1000.0
        self.asked: list[str] = []
        self.down = False
        self.guard = Guard(self.review, lambda: self.now)

    async def review(self, token: str) -> Refusal | None:
        self.asked.append(token)
        await asyncio.sleep(0)
        if self.down:
            raise RunwatchmanError("down")
        return None if token in self.good else FORBIDDEN

    async def status(self, token: str) -> int:
        refused = await self.guard.refusal(f"Bearer {token}")
        return int(refused.status) if refused else 200


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic eDp5", "token", f"Bearer {'x' * 20_000}", "Bearer ä"])
async def test_without_a_token_nobody_is_asked(header: str) -> None:
    """A request without a token, or with an impossible one, gets a 401 with the remedy, and the API server is not queried."""
    api = Api()
    refused = await api.guard.refusal(header)
    assert refused
    assert refused.status == 401
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    assert api.asked == []


async def test_an_answer_is_remembered_for_a_moment() -> None:
    """The API server is queried about a token once per interval, good or bad; a revoked right ends with that interval."""
    api = Api("good")
    assert [await api.status("good") for _ in range(3)] == [200] * 3
    assert [await api.status("bad") for _ in range(3)] == [403] * 3
    assert api.asked == ["good", "bad"]
    api.good = {"bad"}
    api.now += max(ALLOWED_SECONDS, REFUSED_SECONDS)
    assert (await api.status("good"), await api.status("bad")) == (403, 200)


async def test_many_at_once_are_one_question() -> None:
    """Simultaneous requests with the same token cause one review."""
    api = Api("good")
    assert set(await asyncio.gather(*(api.status("good") for _ in range(500)))) == {200}
    assert api.asked == ["good"]


async def test_guesses_are_not_put_to_the_api_server() -> None:
    """Reviews of unknown tokens are rate-limited; a token that was good before does not wait for them."""
    api = Api("good")
    await api.status("good")
    api.now += ALLOWED_SECONDS
    answers = [await api.status(f"guess-{number}") for number in range(1000)]
    assert answers.count(429) > 900
    asked = len(api.asked)
    assert asked < 100
    assert await api.status("good") == 200
    api.now += KNOWN_SECONDS + 1
    assert await api.status("good") == 200


async def test_what_is_remembered_is_bounded() -> None:
    """The cache of good and bad tokens is bounded, and bad ones do not push good ones out."""
    api = Api("good")
    await api.status("good")
    for number in range(module.MAX_REFUSED * 2):
        api.now += 1
        await api.status(f"bad-{number}")
        await api.status("good")
    assert len(api.guard._refused) <= module.MAX_REFUSED
    assert len(api.guard._allowed) == 1
    assert b"good" not in api.guard._allowed


async def test_an_api_server_that_cannot_be_asked_lets_nobody_in() -> None:
    """While no review is possible every request gets 503, and the result is not cached."""
    api = Api("good")
    api.down = True
    assert await api.status("good") == 503
    api.down = False
    assert await api.status("good") == 200


async def test_a_review_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """An API server that does not answer delays a request no longer than a review may take."""
    monkeypatch.setattr(module, "REVIEW_SECONDS", 0.01)

    async def never(_: str) -> Refusal | None:
        await asyncio.Event().wait()
        return None

    refused = await Guard(never).refusal("Bearer x")
    assert refused
    assert refused.status == 503
