"""Every log line is one JSON object, from any source, and no line contains a secret."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer

from controller.api.base import JsonObject
from controller.kube.client import Client
from controller.kube.connection import connect
from controller.kube.errors import ApiError
from controller.kube.resources import PODS
from controller.observability.logs import configure
from tests.unit.kube.conftest import write_kubeconfig


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Restore the logging configuration."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in ("kopf", "aiohttp", "asyncio")}
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    logging.captureWarnings(False)
    root.handlers[:], level = before
    root.setLevel(level)
    for name, was in levels.items():
        logging.getLogger(name).setLevel(was)


def lines(capsys: pytest.CaptureFixture[str]) -> list[JsonObject]:
    """Return the logged lines; fail if a line is not a JSON object."""
    out, err = capsys.readouterr()
    assert out == ""
    return [json.loads(line) for line in err.splitlines()]


def test_one_object_a_line_with_its_context(capsys: pytest.CaptureFixture[str]) -> None:
    """A line has event, level, logger, time in RFC 3339 UTC, and the bound context: run, namespace, agent, attempt, plan."""
    configure("json")
    with structlog.contextvars.bound_contextvars(namespace="ns", run="hello"):
        structlog.get_logger("controller.test").info("acted", agent="coder", attempt=1, plan="sha256:1")
    (line,) = lines(capsys)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line.pop("timestamp"))
    assert line == {
        "event": "acted",
        "level": "info",
        "logger": "controller.test",
        "namespace": "ns",
        "run": "hello",
        "agent": "coder",
        "attempt": 1,
        "plan": "sha256:1",
    }


def test_other_libraries_lines_look_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """The same holds for the standard library's records, exceptions with many lines, hostile texts and Python's warnings."""
    configure("json")
    logging.getLogger("aiohttp.server").error("handling %s", "it", exc_info=ValueError("two\nlines"))
    logging.getLogger("controller.x").info('a "quoted"\n{"event": "forged"}')
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old ways", UserWarning, stacklevel=1)
    crash, hostile, warned = lines(capsys)
    assert crash["event"] == "handling it"
    assert "ValueError: two\nlines" in crash["exception"]
    assert hostile["event"] == 'a "quoted"\n{"event": "forged"}'
    assert (warned["logger"], warned["level"]) == ("py.warnings", "warning")
    assert "old ways" in warned["event"]


@pytest.mark.parametrize(("level", "heard"), [("info", ["warning"]), ("debug", ["debug", "info", "warning"])])
def test_kopf_is_quiet_unless_debugging(capsys: pytest.CaptureFixture[str], level: str, heard: list[str]) -> None:
    """Kopf's routine messages are hidden; its warnings are not, and when debugging no message is."""
    configure("json", level)
    for name in ("debug", "info", "warning"):
        getattr(logging.getLogger("kopf.objects"), name)("routine")
    assert [line["level"] for line in lines(capsys)] == heard


def test_a_value_that_is_no_json_is_still_logged(capsys: pytest.CaptureFixture[str]) -> None:
    """Logging never fails: Python's repr is used for a value that JSON cannot encode."""
    configure("json")
    structlog.get_logger("x").warning("odd", value={1, 2}, error=ValueError("no"))
    (line,) = lines(capsys)
    assert line["value"] == "{1, 2}"
    assert "no" in line["error"]


def test_console_lines_are_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """On a terminal the event is shown as text, not JSON."""
    configure("console")
    structlog.get_logger("x").info("lease acquired", lease="runwatchman")
    text = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().err)
    assert "lease acquired" in text
    assert "lease=runwatchman" in text


async def test_no_token_is_ever_logged(capsys: pytest.CaptureFixture[str], tmp_path: Any) -> None:
    """A refused request, at the most verbose level and with its traceback, logs no token."""
    configure("json", "debug")

    async def refuse(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer s3cret"
        return web.Response(status=401, text='{"message": "Unauthorized"}')

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", refuse)
    async with TestServer(app) as server:
        kubeconfig = write_kubeconfig(tmp_path / "kubeconfig", str(server.make_url("")).rstrip("/"))
        async with Client(await connect(kubeconfig)) as client:
            try:
                await client.get(PODS, "ns", "x")
            except ApiError as error:
                structlog.get_logger("x").exception("refused", error=str(error), connection=client.sender._connection)
    text = capsys.readouterr().err
    assert "401" in text
    assert "s3cret" not in text


def test_lines_go_where_stderr_is_now(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A logger that was used before follows a redirected stderr, and its lines stay in order with the standard library's."""
    configure("json")
    log = structlog.get_logger("x")
    log.info("first")
    logging.getLogger("y").warning("second")
    log.info("third")
    assert [line["event"] for line in lines(capsys)] == ["first", "second", "third"]
    elsewhere = io.StringIO()
    monkeypatch.setattr(sys, "stderr", elsewhere)
    log.info("fourth")
    assert json.loads(elsewhere.getvalue())["event"] == "fourth"
