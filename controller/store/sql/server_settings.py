"""Settings of each transaction on a PostgreSQL server, sent with its BEGIN.

A pooler between operator and server gives each transaction another session, and PgBouncer refuses the start-up parameter `options`
(or drops it, with `ignore_startup_parameters`). Settings of a session would therefore be lost or refused. `set_config` with
`is_local` holds for one transaction: https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADMIN-SET
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

DEFAULTS = {"synchronous_commit": "on", "statement_timeout": "10000", "lock_timeout": "5000"}
"""A save is durable once confirmed, and no statement waits for ever. Times are in milliseconds."""

_WORD = re.compile(r"(?:\\.|[^\\\s])+")
"""A word of libpq's `options`: a backslash escapes a space."""
_SETTING = re.compile(r"(?:-c\s?|--)([A-Za-z_][\w.-]*)=(.*)", re.DOTALL)


def use_transaction_settings(engine: sa.Engine) -> None:
    """Begin each transaction of an engine with its settings, in one request to the server."""
    begin = f"BEGIN; SELECT {', '.join(_set(name, value) for name, value in _settings(engine.url).items())}"
    sa.event.listen(engine, "connect", _begin_ourselves)
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))


def startup_options(url: sa.URL) -> str:
    """Return what is left of the `options` of a URL, or of PGOPTIONS, without the settings that each transaction sets."""
    return " ".join(word for word in _words(url) if not _SETTING.fullmatch(word))


def _begin_ourselves(connection: Any, _: object) -> None:
    """Keep the driver from sending a BEGIN of its own."""
    connection.autocommit = True


def _settings(url: sa.URL) -> dict[str, str]:
    found = (_SETTING.fullmatch(word) for word in _words(url))
    given = {match[1].replace("-", "_").lower(): re.sub(r"\\(.)", r"\1", match[2]) for match in found if match}
    return DEFAULTS | given


def _words(url: sa.URL) -> Iterator[str]:
    """Return the words of the options, `-c name=value` as one."""
    given = url.query.get("options", os.environ.get("PGOPTIONS", ""))
    words = iter(_WORD.findall(given if isinstance(given, str) else " ".join(given)))
    for word in words:
        yield f"-c {next(words, '')}" if word == "-c" else word


def _set(name: str, value: str) -> str:
    return f"set_config({_literal(name)}, {_literal(value)}, true)"


def _literal(text: str) -> str:
    """Return a text as an SQL literal. A driver's `%` is not special in a statement without parameters."""
    return "'" + text.replace("'", "''") + "'"
