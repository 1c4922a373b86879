"""The wire format: a written message reads back equal, and an invalid one is refused by the name of its field."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from controller.adapter.contract import MAX_OUTPUT_BYTES, Consumption, Ended, Reply
from controller.adapter.wire import WireError, read_reply, read_request, write_reply, write_request
from tests.unit.adapter.scripts import request

ROOT = Path(__file__).parents[3]
COUNTS = st.none() | st.integers(0, 2**53)
REPLIES = st.builds(
    Reply,
    st.sampled_from(Ended),
    st.binary(),
    st.text(),
    st.text(),
    st.floats(0, 1e6),
    st.builds(Consumption, COUNTS, COUNTS, COUNTS),
)


def test_whatever_a_policy_may_say_passes() -> None:
    """The adapter accepts the longest names and the largest numbers that the API server accepts."""
    crd = yaml.safe_load((ROOT / "crds/runwatchman.dev_runpolicies.yaml").read_text())
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    llm = spec["llm"]["properties"]
    names = {name: "x" * llm[name]["maxLength"] for name in ("command", "model")}
    limits = {"timeout_seconds": llm["timeoutSeconds"]["maximum"], "max_tokens": llm["maxTokens"]["maximum"]}
    asked = replace(request("c"), **names, **limits)
    assert read_request(write_request(asked)) == asked


def test_request_comes_back() -> None:
    """A request reads back equal."""
    assert read_request(write_request(request("c", prompt="ä\x00"))) == request("c", prompt="ä\x00")


@given(REPLIES)
def test_replies_come_back(reply: Reply) -> None:
    """Every reply reads back equal, for any bytes in its output."""
    assert read_reply(write_reply(reply)) == reply


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"argv": ["sh"]}, "argv"),
        ({"timeout_seconds": "5"}, "timeout_seconds"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"timeout_seconds": 1.5}, "timeout_seconds"),
        ({"max_tokens": True}, "max_tokens"),
        ({"document": []}, "document"),
        ({"schema": None}, "schema"),
        ({"key": None}, "key"),
        ({"tenant": None}, "tenant"),
        ({"tenant": "x" * 254}, "tenant"),
        ({"command": "x" * 254}, "command"),
    ],
)
def test_other_requests_are_refused_by_field(change: dict[str, Any], field: str) -> None:
    """An unknown field, a wrong type and a value out of bounds are refused by name."""
    body = json.loads(write_request(request("c"))) | change
    with pytest.raises(WireError, match=f"^{field}: "):
        read_request(json.dumps(body).encode())


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 10_000], ids=["nothing", "a list", "half", "no text", "deep"])
def test_garbage_is_refused(body: bytes) -> None:
    """Both sides raise WireError for input that cannot be parsed as a JSON object."""
    for read in (read_request, read_reply):
        with pytest.raises(WireError):
            read(body)


@pytest.mark.parametrize("output", ["?", "QQ", "QUE" * (MAX_OUTPUT_BYTES // 2)], ids=["no base64", "no padding", "too long"])
def test_output_that_cannot_be_is_refused(output: str) -> None:
    """The operator refuses an output that no adapter writes."""
    body = json.loads(write_reply(Reply(Ended.ANSWERED))) | {"output": output}
    with pytest.raises(WireError, match=r"^output: "):
        read_reply(json.dumps(body).encode())
