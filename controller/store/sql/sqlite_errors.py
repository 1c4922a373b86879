"""Remedies for SQLite's errors: https://www.sqlite.org/rescode.html. Its messages are in English always."""

from __future__ import annotations

FOLDER = "create its folder, mount its volume, and let the operator's user write there"
WRITABLE = "make the file, its folder and its volume writable for the operator's user"
FULL = "make room on its volume"

REMEDIES = (
    ("unable to open database file", FOLDER),
    ("no such file", FOLDER),
    ("readonly", WRITABLE),
    ("read-only", WRITABLE),
    ("permission denied", "let the operator's user read and write it"),
    ("is locked", "another process has it open for writing: end that one; only one operator may use a file"),
    ("is full", FULL),
    ("no space left", FULL),
    ("not a database", "this file is something else: correct the URL, or restore the file from a backup"),
    ("malformed", "the file is corrupt: restore it from a backup"),
    ("disk i/o error", "its volume fails: check the node's log, and restore the file from a backup where it is damaged"),
    ("no such table", "another program has changed the file: restore it from a backup"),
    ("no such column", "another program has changed the file: restore it from a backup"),
)
"""Remedies by words of the message, in lower case; the first match counts."""


def remedy(cause: str) -> str | None:
    """Return the remedy for an error's message."""
    lowered = cause.lower()
    return next((remedy for words, remedy in REMEDIES if words in lowered), None)
