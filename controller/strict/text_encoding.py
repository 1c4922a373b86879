"""Decodes files that people write: UTF-8, with or without a byte order mark. Errors name the encoding of any other file."""

from __future__ import annotations

import codecs

MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
"""Byte order marks. UTF-32 comes first: its little-endian mark begins with that of UTF-16."""
FIRST = 4
"""Bytes at the start among which UTF-16 and UTF-32 have a zero, since a file starts with an ASCII character."""


class NotUtf8(ValueError):
    """A file in another encoding than UTF-8, or not a text. The message has the remedy."""


def decode(data: bytes) -> str:
    """Return the text of a file, without the byte order mark that some editors write. Raises NotUtf8."""
    for mark, encoding in MARKS:
        if data.startswith(mark):
            raise NotUtf8(f"is encoded in {encoding}: save it as UTF-8")
    if b"\0" in data[:FIRST]:
        raise NotUtf8("is encoded in UTF-16 or UTF-32, or is not a text: save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise NotUtf8(f"is not encoded in UTF-8 (byte 0x{data[error.start]:02x} in line {line}): save it as UTF-8") from error
