"""Decoding bytes into objects: whole objects, the remains of unreadable ones, and input without an object."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.names import ANNOTATION_STATE
from controller.kube.decode import (
    MAX_DEPTH,
    SMALL_BYTES,
    UNREADABLE,
    Malformed,
    decode,
    decode_event,
    decode_items,
    elements,
    members,
)

LIMIT = 4096
META = {"name": "demo", "namespace": "ns", "uid": "u1", "resourceVersion": "7", "generation": 2}


def nested(levels: int, opening: str = '{"a":', closing: str = "}") -> str:
    """Return JSON that is nested so deeply, as text."""
    return opening * levels + "1" + closing * levels


def an_object(spec: str = "{}", **meta: Any) -> bytes:
    """Return a Run with this text as its spec, with fields in the order in which the API server writes them."""
    return (
        f'{{"apiVersion":"runwatchman.dev/v1alpha1","kind":"Run","metadata":{json.dumps(META | meta)},"spec":{spec},'
        f'"status":{{"phase":"Running"}}}}'
    ).encode()


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (nested(MAX_DEPTH), "nested deeper than 254 levels"),
        (nested(1_200), "cannot be decoded"),
        (nested(100_000), "cannot be decoded"),
        (nested(60_000, "[", "]"), "cannot be decoded"),
        (nested(1_200, '[{"]}":[', "]}]"), "cannot be decoded"),
        (f'{{"long":"{"x" * LIMIT}"}}', "may have 4096"),
        (f"{{{','.join(f'{chr(34)}f{n}{chr(34)}:{n}' for n in range(1_000))}}}", "may have 4096"),
    ],
    ids=["deep", "deeper", "very deep", "lists", "brackets in keys", "long", "many"],
)
def test_of_an_object_that_cannot_be_read_its_identity_and_status_remain(spec: str, says: str) -> None:
    """For any unreadable spec the identity, the operator's status and the reason remain."""
    found = decode(an_object(spec), LIMIT)
    assert says in found.pop(UNREADABLE)
    assert found == {"apiVersion": "runwatchman.dev/v1alpha1", "kind": "Run", "metadata": META, "status": {"phase": "Running"}}


def test_of_its_metadata_what_the_operator_needs_remains() -> None:
    """Lifetime, owners, the operator's labels and record remain; oversized metadata and managedFields do not."""
    record = json.dumps({"version": 1, "state": {"x": "y" * 2 * SMALL_BYTES}})
    meta = {
        "labels": {"runwatchman.dev/run": "demo", "app": "x"},
        "annotations": {ANNOTATION_STATE: record, "else": "x"},
        "finalizers": ["runwatchman.dev/outcome"],
        "deletionTimestamp": "2026-01-01T00:00:00Z",
        "ownerReferences": [{"uid": "x" * 2 * SMALL_BYTES}],
        "managedFields": [{"fieldsV1": {}}],
    }
    found = decode(an_object(nested(2_000), **meta), LIMIT)["metadata"]
    assert found == META | {
        "labels": {"runwatchman.dev/run": "demo"},
        "annotations": {ANNOTATION_STATE: record},
        "finalizers": ["runwatchman.dev/outcome"],
        "deletionTimestamp": "2026-01-01T00:00:00Z",
    }


def test_one_poisoned_item_of_a_list_hides_no_other() -> None:
    """An unreadable item leaves the good ones around it whole and in their place."""
    items = [an_object(), an_object(nested(3_000)), an_object('{"x":1}')]
    page = b'{"items":[' + b" , ".join(items) + b'],"kind":"RunList","metadata":{"resourceVersion":"9","continue":"t"}}'
    found = decode_items(page, LIMIT)
    assert found["metadata"] == {"resourceVersion": "9", "continue": "t"}
    assert [UNREADABLE in item for item in found["items"]] == [False, True, False]
    assert found["items"][2] == orjson.loads(items[2])


def test_an_event_keeps_its_type() -> None:
    """A watch line with an unreadable object is an event about its remains."""
    line = b'{"type":"MODIFIED","object":' + an_object(nested(3_000)) + b"}"
    found = decode_event(line, LIMIT)
    assert (found["type"], found["object"]["metadata"]["uid"]) == ("MODIFIED", "u1")
    assert UNREADABLE in found["object"]


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"null", b"<html>", b'{"items":[', an_object(nested(2_000))[:-3_000], an_object()[:60], b'"\xff"']
)
def test_what_is_no_whole_object_is_malformed(data: bytes) -> None:
    """A truncated answer is never taken for an object without its end: it is requested again."""
    with pytest.raises(Malformed):
        decode(data, LIMIT)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON, max_size=6), st.sampled_from([None, 1]))
def test_members_are_found_as_a_decoder_finds_them(obj: dict[str, Any], indent: int | None) -> None:
    """Members are found as a full decoder finds them, for any keys, values, escapes, brackets in texts and spacing."""
    data = json.dumps(obj, indent=indent).encode()
    assert {key: json.loads(value) for key, value in members(data).items()} == obj


@given(st.lists(JSON, max_size=6), st.sampled_from([None, 1]))
def test_elements_are_found_as_a_decoder_finds_them(array: list[Any], indent: int | None) -> None:
    """The same for the elements of a list."""
    assert [json.loads(value) for value in elements(json.dumps(array, indent=indent).encode())] == array


@given(JSON, st.data())
def test_what_is_cut_off_is_never_taken_for_whole(spec: Any, data: st.DataObject) -> None:
    """A truncated object gives no result, wherever the cut is."""
    whole = an_object(json.dumps({"spec": spec}))
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(Malformed):
        decode(whole[:cut], LIMIT)
