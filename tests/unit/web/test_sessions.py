"""Sessions end with their time and with their token, and a form belongs to one of them."""

from __future__ import annotations

import base64
import json

import pytest

from controller.cli.web.sessions import MAX_SESSIONS, Sessions, expiry_of


class Clock:
    """A clock that a test moves."""

    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def token(**claims: object) -> str:
    """Return a JSON Web Token."""
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{body}.c2ln"


@pytest.mark.parametrize(("given", "ends"), [("opaque", 1600.0), (token(exp=1300), 1300.0), (token(exp=9999), 1600.0)])
def test_a_session_ends_with_its_time_or_its_token(given: str, ends: float) -> None:
    """The earlier of both counts."""
    clock = Clock()
    sessions = Sessions(600.0, clock)
    cookie = sessions.open(given)
    clock.seconds = ends - 1
    assert (found := sessions.get(cookie)) is not None
    assert found.token == given
    clock.seconds = ends
    assert sessions.get(cookie) is None


@pytest.mark.parametrize(
    "odd", ["", "a", "a.b", "a.b.c", "a." + "W" * 100_001 + ".c", token(exp="x"), token(exp=None), token(), token(exp=[1])]
)
def test_a_token_of_any_form_is_read(odd: str) -> None:
    """A token is the user's input: what cannot be read has no end of its own."""
    assert expiry_of(odd) is None


def test_a_form_fits_its_own_session_only() -> None:
    """A token of one cookie, or of another server, is refused with another; so are an empty and a strange one."""
    sessions = Sessions(600.0)
    mine, other = sessions.open("a"), sessions.open("b")
    assert sessions.fits(mine, sessions.csrf(mine))
    wrong = (sessions.csrf(other), Sessions(600.0).csrf(mine), "", "é", "0" * 64)
    assert [sessions.fits(mine, csrf) for csrf in wrong] == [False] * len(wrong)
    assert not sessions.fits("", sessions.csrf(""))


def test_a_closed_session_and_the_oldest_of_too_many_are_gone() -> None:
    """The memory of the server is bounded."""
    sessions = Sessions(600.0)
    first, second = sessions.open("a"), sessions.open("b")
    sessions.close(second)
    assert (sessions.get(first) is None, sessions.get(second) is None) == (False, True)
    for _ in range(MAX_SESSIONS):
        sessions.open("c")
    assert sessions.get(first) is None
