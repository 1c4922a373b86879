"""Pure: makes untrusted text safe to print: it cannot control a terminal or reverse text."""

from __future__ import annotations

import re

UNSAFE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, except the tab and the line feed
    r"\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u206f"
    r"\ud800-\udfff\ufeff\ufff9-\ufffb"
    r"\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f]"
)
"""The characters of Unicode's categories that control a terminal instead of being shown: controls (Cc), formats such as
bidirectional overrides (Cf), surrogates (Cs), and separators of lines and paragraphs (Zl, Zp). U+200C and U+200D are left out:
scripts and emoji need these joiners. The table is written out, because a look at the category of each character takes ten times as
long.
"""

REPLACEMENT = "\ufffd"


def clean(text: str) -> str:
    """Return the text with every unsafe character replaced; its length stays the same."""
    return text if text.isprintable() else UNSAFE.sub(REPLACEMENT, text)
