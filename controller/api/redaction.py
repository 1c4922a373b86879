"""Removes secrets from text before it is recorded, shown to people or sent to a model, and from the model's answer.

Tokens of known vendors match the patterns in vendor_patterns.py. This module adds the rest: values by the name of their field,
URLs, PEM blocks, and words that look random. A redaction too many costs the model a word; one too few costs a secret.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable
from functools import cache, lru_cache

from controller.api.vendor_patterns import VENDOR_PATTERNS

REDACTED = "[REDACTED]"

REMEMBERED = 128
"""Size of the cache of redacted texts. Reports repeat their texts."""

REMEMBERED_NAMES = 1024
"""Size of the cache of judged names. Documents repeat the names of their fields."""

RANDOM_CHARACTERS = 24
RANDOM_BITS = 4.0
"""A word with upper case, lower case and digits is treated as a secret from this length and entropy (bits a character) on."""

VALUE_CHARACTERS = 16
VALUE_BITS = 3.0
"""The same limits for the value of an environment variable. It is a secret more often, so it needs no mixed case."""

_NAMES = (
    r"pass(?:word|wd|phrase|code)|_pass|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|signing[_-]?key|encryption[_-]?key"
    r"|credentials?|authorization|auth|cookie|session[_-]?id|connection[_-]?string|kubeconfig"
)
_NAMED = rf"(?:{_NAMES})s?(?:[_.-][\w.-]{{0,32}})?"
_VALUE = r'"(?:[^"\\\n]|\\.)*+"?|\'[^\'\n]*+\'?|\\+"[^"\n]*+"?|[^\n]+'

OWN = (
    re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,8}-----.*?(?:-----END [A-Z0-9 ]{0,60}-----|\Z)", re.DOTALL),
    re.compile(r"(?<![\w-])eyJ[\w-]{6,}+(?:\.[\w-]*+){0,4}"),
    re.compile(r"(?<![A-Za-z0-9])sk-[\w-]{12,}"),
    re.compile(
        r"(?<![A-Za-z0-9])(?:gh[a-z]_|github_pat_|gl[a-z]{2,8}-|xox[a-z]-|xapp-|npm_|hf_|pypi-|[srp]k_(?:live|test)_|whsec_)[\w-]{10,}"
    ),
    re.compile(
        r"(?<![A-Za-z0-9])(?:AIza[\w-]{30,}|ya29\.[\w.-]{10,}|AGE-SECRET-KEY-1\w{20,}|dop_v1_\w{20,}|(?:AKIA|ASIA)[A-Z0-9]{12,})"
    ),
)
"""Patterns of whole secrets."""

OWN_VALUES = (
    re.compile(r"([A-Za-z][A-Za-z0-9+.-]{1,20}://)[^\s/@]{1,512}(?=@)"),
    re.compile(r"(\b(?:bearer|basic)\s{1,8})[\w.~+/=-]{6,}", re.IGNORECASE),
    re.compile(rf"(--?(?:{_NAMES})[\w-]{{0,16}}[ =]\s{{0,4}})\S+", re.IGNORECASE),
    re.compile(rf"({_NAMED}[\"'\\]{{0,3}}\s{{0,8}}(?::=|=>|[:=])\s{{0,8}})(?:{_VALUE})", re.IGNORECASE),
)
"""Patterns of secrets that are recognised by the text before them. Group 1, that text, is preserved."""

_SECRET_NAME = re.compile(rf"{_NAMED}\Z", re.IGNORECASE)
_ENVIRONMENT = re.compile(r"(?m)^(\s{0,16}(?:export\s{1,4})?[A-Za-z_]\w{0,64}=)(\S{16,})")
_WORD = re.compile(r"[A-Za-z0-9+/=_-]{24,}+")


def redact(text: str) -> str:
    """Return a text without recognisable secrets, in time linear in its length."""
    for pattern in OWN:
        text = pattern.sub(REDACTED, text)
    for pattern in _vendors():
        text = pattern.sub(REDACTED, text)
    for pattern in OWN_VALUES:
        text = pattern.sub(rf"\1{REDACTED}", text)
    text = _ENVIRONMENT.sub(_variable, text)
    return _WORD.sub(_word, text)


@lru_cache(maxsize=REMEMBERED)
def recorded(text: str) -> str:
    """Return a text as it may be recorded, without secrets. Repeated texts are redacted once."""
    return redact(text) if text else ""


@lru_cache(maxsize=REMEMBERED_NAMES)
def names_secret(name: str) -> bool:
    """Return whether a field or variable of this name holds a secret, such as `password` or `API_TOKEN`."""
    return _SECRET_NAME.search(name) is not None


@lru_cache(maxsize=REMEMBERED_NAMES)
def has_token(text: str) -> bool:
    """Return whether a text has a token of a known format, whether or not it looks random."""
    return any(pattern.search(text) for pattern in (*OWN, *_vendors()))


def entropy(word: str) -> float:
    """Return the Shannon entropy of a word's characters, in bits a character."""
    size = len(word)
    return -sum(count / size * math.log2(count / size) for count in Counter(word).values()) if word else 0.0


def _variable(match: re.Match[str]) -> str:
    name, value = match.groups()
    random = len(value) >= VALUE_CHARACTERS and entropy(value) >= VALUE_BITS and any(map(str.isdigit, value))
    return f"{name}{REDACTED}" if random else match.group()


def _word(match: re.Match[str]) -> str:
    word = match.group()
    kinds: tuple[Callable[[str], bool], ...] = (str.isupper, str.islower, str.isdigit)
    mixed = all(any(map(kind, word)) for kind in kinds)
    return REDACTED if mixed and len(word) >= RANDOM_CHARACTERS and entropy(word) >= RANDOM_BITS else word


@cache
def _vendors() -> tuple[re.Pattern[str], ...]:
    """Return the vendors' patterns, compiled when the first text is redacted."""
    return tuple(re.compile(pattern) for _, pattern in VENDOR_PATTERNS)
