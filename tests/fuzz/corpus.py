"""Outputs for the gate: edge cases of JSON, and answers that are mutated at the level of bytes, tokens and structure. Seeded."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from typing import Any

TARGET = "team-a/nightly"
ALLOWED = ("auto_restart", "escalate_blocked", "escalate_guidance", "noop")
INTENTS = (*ALLOWED, "auto_stop_stale")

Fields = dict[str, Any]

TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[-\w.+]+|\s+|.', re.DOTALL)

EDGE_NUMBERS = (
    "0",
    "-0",
    "-0.0",
    "1",
    "1.0",
    "1e0",
    "1E+00",
    "10e-1",
    "0.1e1",
    "01",
    "+1",
    ".5",
    "1.",
    "1e",
    "0x1",
    "1_0",
    "-1",
    "-1e-300",
    "1.0000000000000000001",
    "1.00000000000000000000000001",
    "0.99999999999999999999",
    "1e999",
    "-1e999",
    "1e-999",
    "1e-99999999999999999999",
    "1e99999999999999999999",
    "NaN",
    "Infinity",
    "-Infinity",
    "nan",
    "inf",
    "1" + "0" * 5000,
    "0." + "0" * 5000 + "1",
    "true",
    "false",
    "null",
    '"0.5"',
    "[0.5]",
    '{"a":1}',
    "\u0661",
    "0.5f",
)
EDGE_TEXTS = (
    '""',
    '"\\u0000"',
    '"\\ud800"',
    '"\\udc00\\ud800"',
    '"\\ud83d\\ude00"',
    '"\\u001b[2J"',
    '"\\u202e"',
    '"\\r"',
    '"\\n\\t"',
    '"\x01"',
    '"\n"',
    '"\\x41"',
    '"\\u12"',
    "'a'",
    "null",
    "1",
    "true",
    "[]",
    "{}",
    '["a"]',
    '"' + "a" * 1024 + '"',
    '"' + "a" * 1025 + '"',
    '"' + "\\u00e4" * 1024 + '"',
    '"' + "\U0001f600" * 1024 + '"',
    '"\\u2028"',
    '"\x7f"',
    '"\x85"',
)


def answer(rng: random.Random) -> Fields:
    """Return the fields of a valid answer."""
    fields: Fields = {
        "intent": rng.choice(ALLOWED),
        "target_run": TARGET,
        "reason": rng.choice(("the log says OOM", "", "ä\n\tß", "\U0001f600", 'say "no"', "{not json}", "x" * 1024)),
        "confidence": rng.choice((0, 1, 0.5, 1.0, 0.29, round(rng.random(), rng.randint(0, 17)))),
        "needs_human": rng.random() < 0.5,
    }
    for name in ("diagnosis", "suggested_answer"):
        if rng.random() < 0.5:
            fields[name] = rng.choice((None, "", "yes", "disk full"))
    return fields


def write(fields: Fields, rng: random.Random) -> str:
    """Return fields as JSON, in one of its possible spellings."""
    items = list(fields.items())
    rng.shuffle(items)
    text = json.dumps(dict(items), ensure_ascii=rng.random() < 0.5, indent=rng.choice((None, 1, "\t")))
    return rng.choice(("", " ", "\n", "\r\n\t")) + text + rng.choice(("", "\n", " \r\n"))


def _structure(rng: random.Random) -> bytes:
    fields = answer(rng)
    name = rng.choice(list(fields))
    change: Callable[[], Any] = rng.choice(
        (
            lambda: fields.pop(name),
            lambda: fields.update({rng.choice(("tool", "Intent", "intent ", "command", "", "__proto__", "needsHuman")): 1}),
            lambda: fields.update(
                {name: rng.choice((None, True, 0, 1, 2, -1, "0.5", [], {}, [fields[name]], {"a": fields[name]}, "x" * 1025))}
            ),
            lambda: fields.update(intent=rng.choice((*INTENTS, "NOOP", "noop ", "delete", "stop", "", None, 0))),
            lambda: fields.update(
                target_run=rng.choice((TARGET.upper(), TARGET + " ", TARGET + "\u200b", "nightly", "team-b/nightly", "", None))
            ),
            lambda: fields.update(confidence=rng.choice((-0.0001, 1.0001, 2, 100, 10**30, 1e308, True, "1"))),
        )
    )
    change()
    return write(fields, rng).encode("utf-8", "surrogatepass")


def _edge(rng: random.Random) -> bytes:
    fields, mark = answer(rng), "@@edge@@"
    name = rng.choice([*fields, "confidence", "confidence"])
    fields[name] = mark
    edge = rng.choice(EDGE_NUMBERS if name == "confidence" else EDGE_TEXTS)
    return write(fields, rng).replace(f'"{mark}"', edge).encode("utf-8", "surrogatepass")


def _tokens(rng: random.Random) -> bytes:
    tokens = TOKENS.findall(write(answer(rng), rng))
    for _ in range(rng.randint(1, 3)):
        at = rng.randrange(len(tokens))
        other = rng.choice(
            (*tokens, "{", "}", "[", "]", ",", ":", "null", "true", '"', "//x", "/**/", "\u00a0", "\ufeff", "\x0b", "NaN")
        )
        step = rng.randrange(4)
        tokens[at : at + 1] = ([], [other], [tokens[at], tokens[at]], [tokens[at], other])[step]
        if not tokens:
            break
    return "".join(tokens).encode("utf-8", "surrogatepass")


def _bytes(rng: random.Random) -> bytes:
    raw = bytearray(write(answer(rng), rng).encode())
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(raw))
        step = rng.randrange(4)
        if step == 0:
            raw[at] ^= 1 << rng.randrange(8)
        elif step == 1:
            raw[at:at] = rng.randbytes(rng.randint(1, 4))
        elif step == 2 and len(raw) > 1:
            del raw[at]
        else:
            raw[at] = rng.choice(b'"\\{}[]:,0\x00\xff\xc0\xed')
    return bytes(raw)


def _around(rng: random.Random) -> bytes:
    text = write(answer(rng), rng)
    return rng.choice(
        (
            f"```json\n{text}\n```",
            f"Sure! {text}",
            f"{text} Hope this helps",
            text + text,
            f"{text}\n{text}",
            f"[{text}]",
            "\ufeff" + text,
            text + "\x00",
            text[: len(text) // 2],
            json.dumps(text),
            f"{text},",
            f"{text}//",
            f"\x0c{text}",
            f"{text}\u00a0",
            f"{text}{{}}",
            f"{text}null",
        )
    ).encode()


def _twice(rng: random.Random) -> bytes:
    fields = answer(rng)
    name = rng.choice(list(fields))
    again = rng.choice((fields[name], answer(rng).get(name), "auto_stop_stale"))
    escaped = "".join(f"\\u{ord(c):04x}" for c in name)
    key = rng.choice((name, escaped))
    return (write(fields, rng).strip()[:-1] + f', "{key}": {json.dumps(again)}}}').encode()


def _valid(rng: random.Random) -> bytes:
    return write(answer(rng), rng).encode("utf-8", "surrogatepass")


def _garbage(rng: random.Random) -> bytes:
    return rng.choice(
        (rng.randbytes(rng.randint(0, 200)), b"", b" ", b"null", b"[]", b"{}", b'"x"', b"0", b"{" * rng.randint(1, 300))
    )


KINDS = (_valid, _structure, _structure, _edge, _edge, _tokens, _tokens, _bytes, _bytes, _around, _twice, _garbage)


def hostile() -> Iterator[bytes]:
    """Yield outputs that are hostile by their size or structure: up to the limit for reading, and far more."""
    full = 65_536
    rng = random.Random(0)  # noqa: S311  # repeatable on purpose
    for size in (full, full + 1):
        yield write(answer(rng), rng).encode().ljust(size)
    for piece in (
        b"[",
        b"{",
        b'{"a":',
        b'"',
        b'\\"',
        b'"\\',
        b"1",
        b"-",
        b" ",
        b"\n",
        b",",
        b"\x00",
        b"\xff",
        b'"a":1,',
        b"{}",
        b"[]",
        b"[1],",
        b"1e",
        b"\\u0000",
    ):
        for size in (full - 8, full, full + 1, 10_000_000):
            yield (piece * (size // len(piece) + 1))[:size]
        yield b'{"reason":"' + (piece * (full // len(piece)))[: full - 20] + b'"}'
        yield b'{"reason":' + (piece * (full // len(piece)))[: full - 20] + b"}"
    yield b"[" * 100_000 + b"]" * 100_000
    yield b'{"a":' * 100_000
    yield b"{" + b",".join(b'"k%d":1' % i for i in range(5000)) + b"}"
    yield b"[" + b"9" * 60_000 + b"]"


def outputs(count: int, seed: int) -> Iterator[bytes]:
    """Yield this many outputs, the same for the same seed."""
    rng = random.Random(seed)  # noqa: S311  # repeatable on purpose
    for _ in range(count):
        yield rng.choice(KINDS)(rng)
