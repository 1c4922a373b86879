"""What the API server can answer with, as exceptions that a caller can tell apart."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import orjson

from controller.errors import RunwardenError

MAX_WAIT_SECONDS = 300.0
"""The longest wait that is taken from a Retry-After: what a proxy says for a day would leave a Run alone for a day."""


class ApiError(RunwardenError):
    """The API server refused a request.

    `status` is the HTTP code (0: no answer came); `reason`, `message` and `details` are Kubernetes' own; `retry_after` is in
    seconds.
    """

    def __init__(
        self,
        what: str,
        status: int,
        reason: str,
        message: str,
        retry_after: float | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        self.status, self.reason, self.message, self.retry_after = status, reason, message, retry_after
        self.details = details or {}
        super().__init__(f"{what}: {status} {reason}: {message}")


class Unauthorized(ApiError):
    """401: the credentials are not (or no longer) valid."""


class Forbidden(ApiError):
    """403: RBAC, admission or quota refused it; the message says which."""


class NotFound(ApiError):
    """404: there is no such object."""


class Conflict(ApiError):
    """409: the object is no longer what the request expected."""


class AlreadyExists(Conflict):
    """409 on a create: an object of this name exists."""


class Gone(ApiError):
    """410: the resourceVersion or continue token is too old; list again."""


class TooLarge(ApiError):
    """The answer has more bytes than are to be taken in at once: ask for less."""


class Invalid(ApiError):
    """400, 415 or 422: the request makes no sense to the API server, or a test of a JSON patch failed."""


class Unavailable(ApiError):
    """429, 5xx, a network error or a time-out: whether the request took effect is unknown."""


_BY_STATUS: dict[int, type[ApiError]] = {
    HTTPStatus.BAD_REQUEST: Invalid,
    HTTPStatus.UNAUTHORIZED: Unauthorized,
    HTTPStatus.FORBIDDEN: Forbidden,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.CONFLICT: Conflict,
    HTTPStatus.GONE: Gone,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: Invalid,
    HTTPStatus.UNPROCESSABLE_ENTITY: Invalid,
    HTTPStatus.TOO_MANY_REQUESTS: Unavailable,
}


def retry_after(error: Exception) -> float:
    """Return for how many seconds the API server asked to be left alone, 0 where it did not."""
    return (error.retry_after or 0.0) if isinstance(error, ApiError) else 0.0


def told_to_wait(status: int, header: str | None) -> float | None:
    """Return the seconds in a Retry-After header of a 429 or 5xx, None where there are none: as client-go, whole seconds only."""
    busy = status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return min(float(header), MAX_WAIT_SECONDS) if busy and header and header.isdecimal() else None


def error_of(what: str, status: int, body: bytes, header: str | None = None) -> ApiError:
    """Return the exception for a response whose status is an error; `what` names the request, `header` is its Retry-After."""
    answer = _status_object(body)
    reason, message = answer.get("reason", ""), answer.get("message") or body[:1024].decode(errors="replace")
    kind = _BY_STATUS.get(status, Unavailable if status >= HTTPStatus.INTERNAL_SERVER_ERROR else ApiError)
    details = answer.get("details") or {}
    if kind is Conflict and reason == "AlreadyExists":
        kind = AlreadyExists
    elif kind is Invalid and _only_the_uid_is_wrong(details):
        kind = Conflict
    return kind(what, status, str(reason), str(message), told_to_wait(status, header), details)


def _only_the_uid_is_wrong(details: dict[str, Any]) -> bool:
    """Whether a patch named a UID that is not the object's: a namesake has taken its place."""
    return {cause.get("field") for cause in details.get("causes") or ()} == {"metadata.uid"}


def _status_object(body: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
