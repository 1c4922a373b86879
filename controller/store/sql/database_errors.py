"""Maps errors of a database driver to remedies."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from controller.store import StoreUnavailable
from controller.store.sql import postgres_errors, sqlite_errors
from controller.store.sql.urls import hidden, is_sqlite, secrets_of

ANY_REMEDY = "check that the database works; the operator retries"


def unavailable(url: sa.URL, error: Exception) -> StoreUnavailable:
    """Return the error for a failed database operation, without statements and their data."""
    original = error.orig if isinstance(error, DBAPIError) and error.orig else error
    cause = str(original).strip()
    for secret in secrets_of(url):
        cause = cause.replace(secret, "***")
    cause = " ".join(cause.split()) or type(original).__name__
    return StoreUnavailable(hidden(url), cause, _remedy(url, original, cause))


def _remedy(url: sa.URL, error: BaseException, cause: str) -> str:
    if is_sqlite(url):
        return sqlite_errors.remedy(cause) or ANY_REMEDY
    if url.get_backend_name() == "postgresql":
        return postgres_errors.remedy(postgres_errors.sqlstate(error), cause) or ANY_REMEDY
    return ANY_REMEDY
