"""Maps errors of a database driver to remedies."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from controller.store import StoreUnavailable
from controller.store.sql.urls import hidden, secrets_of

REMEDIES = (
    ("unable to open database file", "create its folder, mount its volume, and let the operator's user write there"),
    ("no such file", "create its folder, mount its volume, and let the operator's user write there"),
    ("readonly", "make the file, its folder and its volume writable for the operator's user"),
    ("read-only", "make the file, its folder and its volume writable for the operator's user"),
    ("permission denied", "let the operator's user read and write it"),
    ("database is locked", "another process has it open for writing: end that one; only one operator may use a file"),
    ("full", "make room on its volume"),
    ("no space left", "make room on its volume"),
    ("not a database", "this file is something else: correct the URL, or restore the file from a backup"),
    ("malformed", "the file is corrupt: restore it from a backup"),
    ("disk i/o error", "its volume fails: check the node's log, and restore the file from a backup where it is damaged"),
    ("certificate verify failed", "give the CA that signed the server's certificate, ?sslrootcert=/path/ca.crt"),
    ("root certificate file", "mount the CA's file where the URL's sslrootcert names it"),
    ("does not match host name", "connect by a name that is in the server's certificate, or have it issued for this one"),
    ("server does not support ssl", "let the server speak TLS; ?sslmode=disable has the password and the states go in clear"),
    ("authentication failed", "correct the user and the password in the URL, or in PGPASSWORD"),
    ("no password supplied", "give the password in the URL, or in PGPASSWORD"),
    ("does not exist", "create it, or correct the URL"),
    ("connection", "see that the server runs, and that the URL's host and port reach it"),
    ("timeout", "see that the server answers, and what holds its locks"),
)
"""Remedies by text in the driver's message; the first match counts, so specific texts come first."""
ANY_REMEDY = "check that the database works; the operator retries"


def unavailable(url: sa.URL, error: Exception) -> StoreUnavailable:
    """Return the error for a failed database operation, without statements and their data."""
    cause = str(error.orig if isinstance(error, DBAPIError) and error.orig else error).strip()
    for secret in secrets_of(url):
        cause = cause.replace(secret, "***")
    cause = " ".join(cause.split()) or type(error).__name__
    lowered = cause.lower()
    remedy = next((remedy for words, remedy in REMEDIES if words in lowered), ANY_REMEDY)
    return StoreUnavailable(hidden(url), cause, remedy)
