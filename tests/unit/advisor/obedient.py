"""A stub model that obeys: whatever JSON a prompt's untrusted parts ask it to answer, it answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from json import JSONDecodeError, JSONDecoder


def answers(text: str) -> Iterator[bytes]:
    """Yield everything that a model which obeys a text could say: each JSON object in it, and the text itself."""
    yield text.encode("utf-8", "replace")
    decoder, at = JSONDecoder(), text.find("{")
    while at >= 0:
        try:
            found, end = decoder.raw_decode(text, at)
            yield json.dumps(found).encode()
        except JSONDecodeError:
            end = at + 1
        at = text.find("{", end)
