"""The API server's error responses, as exceptions that a caller can distinguish."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

import orjson

from controller.errors import RunwatchmanError

MAX_WAIT_SECONDS = 300.0
"""Maximum wait taken from a Retry-After. Without it, a proxy that sends a day would stop the work on a Run for a day."""


class ApiError(RunwatchmanError):
    """The API server refused a request.

    `status` is the HTTP code (0: no response). `reason`, `message` and `details` are Kubernetes' own. `retry_after` is in seconds.
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
    """403: RBAC, admission or quota refused it; the message says which. A denial by an admission policy or webhook has this class
    with any code from 400 to 499: its author chooses the code, and a 404 or 409 would be taken for the state of the object.
    """


class NotFound(ApiError):
    """404: the object does not exist."""


class Conflict(ApiError):
    """409: the object is no longer what the request expected."""


class AlreadyExists(Conflict):
    """409 on a create: an object of this name exists."""


class Gone(ApiError):
    """410: the resourceVersion or continue token is too old; list again."""


class TooLarge(ApiError):
    """The response has more bytes than the reader's limit: request less."""


class Invalid(ApiError):
    """400, 415 or 422: the API server cannot process the request, or a `test` of a JSON patch failed."""


class Unavailable(ApiError):
    """429, 5xx, a network error or a timeout: it is unknown whether the request took effect."""


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


_DENIED = re.compile(r"""admission webhook "[^"]*" denied the request|.*ValidatingAdmissionPolicy '[^']*' .*denied request""")
"""Messages of denials: k8s.io/apiserver pkg/admission/plugin/webhook/errors and pkg/admission/plugin/policy/validating."""

_FOR_GOOD = frozenset({HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.REQUEST_ENTITY_TOO_LARGE})


def refused_for_good(error: Exception) -> bool:
    """Whether the API server refused a write by a rule, so that the same write is refused until somebody changes that rule.

    Anything else is temporary (429, 5xx, a webhook that could not be called, no response), a change of the cluster (404, 409), or a
    token that is being replaced (401).
    """
    if not isinstance(error, ApiError) or namespace_terminates(error):
        return False
    return isinstance(error, Forbidden | Invalid) or error.status in _FOR_GOOD


def namespace_terminates(error: ApiError) -> bool:
    """Whether a creation was refused because its namespace is being deleted."""
    return any(cause.get("reason") == "NamespaceTerminating" for cause in error.details.get("causes") or ())


def retry_after(error: Exception) -> float:
    """Return the seconds that the API server asked the client to wait, 0 if it did not ask."""
    return (error.retry_after or 0.0) if isinstance(error, ApiError) else 0.0


def parse_retry_after(status: int, header: str | None) -> float | None:
    """Return the seconds in the Retry-After header of a 429 or 5xx, None without one. Like client-go, it accepts whole seconds
    only.
    """
    busy = status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return min(float(header), MAX_WAIT_SECONDS) if busy and header and header.isdecimal() else None


def error_of(what: str, status: int, body: bytes, header: str | None = None) -> ApiError:
    """Return the exception for an error response; `what` names the request, `header` is its Retry-After."""
    answer = _status_object(body)
    reason, message = answer.get("reason", ""), answer.get("message") or body[:1024].decode(errors="replace")
    kind = _BY_STATUS.get(status, Unavailable if status >= HTTPStatus.INTERNAL_SERVER_ERROR else ApiError)
    details = answer.get("details") or {}
    if _is_denial(status, str(message)):
        kind = Forbidden
    elif kind is Conflict and reason == "AlreadyExists":
        kind = AlreadyExists
    elif kind is Invalid and _only_the_uid_is_wrong(details):
        kind = Conflict
    return kind(what, status, str(reason), str(message), parse_retry_after(status, header), details)


def _is_denial(status: int, message: str) -> bool:
    client_error = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR
    return client_error and status != HTTPStatus.TOO_MANY_REQUESTS and bool(_DENIED.match(message))


def _only_the_uid_is_wrong(details: dict[str, Any]) -> bool:
    """Whether a patch named another UID than the object's: another object has taken the name."""
    return {cause.get("field") for cause in details.get("causes") or ()} == {"metadata.uid"}


def _status_object(body: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
