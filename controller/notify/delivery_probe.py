"""Observes a send below apprise, which reports only success or failure.

It distinguishes a refusal from an uncertain delivery, so that a send is retried only if that cannot duplicate the message.
"""

from __future__ import annotations

import smtplib
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from controller.kube.proxies import proxy_for
from controller.notify.delivery_result import Outcome, Result
from controller.notify.guard import Guard


class DeliveryProbe:
    """Records the responses to requests, and the connections that failed."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._unreached = False
        self._reached = False
        self._broken = ""
        """The class of the error that interrupted a connection."""
        self._codes: list[int] = []

    def watch(self) -> None:
        """Observe this process's HTTP and mail clients from now on. Their proxies are those of the operator's own requests."""
        send, connect = HTTPAdapter.send, smtplib.SMTP.connect

        def watched_send(adapter: HTTPAdapter, request: Any, *args: Any, **options: Any) -> requests.Response:
            proxy = proxy_for(request.url)
            self._check_proxied(request.url, proxy)
            options["proxies"] = {"all": proxy} if proxy else {}
            try:
                response = send(adapter, request, *args, **options)
            except requests.RequestException as error:
                self._failed(error)
                raise
            self._codes.append(response.status_code)
            return response

        def watched_connect(client: smtplib.SMTP, *args: Any, **options: Any) -> tuple[int, bytes]:
            try:
                answer = connect(client, *args, **options)
            except OSError:
                self._unreached = True
                raise
            self._reached = True
            return answer

        # The libraries' own classes are patched. This is acceptable, because the process sends one message and exits.
        HTTPAdapter.send = watched_send  # type: ignore[method-assign, assignment]  # see above
        smtplib.SMTP.connect = watched_connect  # type: ignore[method-assign, assignment]  # see above

    def outcome(self) -> Outcome:
        """Return the outcome of a send that failed."""
        if self._reached or any(_is_good(code) for code in self._codes):
            broken = f" ({self._broken})" if self._broken else ""
            return Outcome(Result.UNKNOWN, f"the endpoint was reached, but did not confirm the whole message{broken}")
        final = [code for code in self._codes if not _is_temporary(code)]
        if final:
            return Outcome(Result.REFUSED, f"the endpoint answered HTTP {final[0]}: check its address, token and rights")
        if self._codes:
            return Outcome(Result.LATER, f"the endpoint answered HTTP {self._codes[0]}")
        return self._unconnected()

    def _unconnected(self) -> Outcome:
        """Return the outcome of a send without a connection."""
        if self._guard.refused:
            why = f"its host resolves to {self._guard.refused}, which is not public: use another, or allow it with --notify-allow"
            return Outcome(Result.UNUSABLE, why)
        if self._guard.unknown_name:
            return Outcome(Result.UNUSABLE, "its host has no address: check its name")
        if self._unreached:
            return Outcome(Result.LATER, "the endpoint cannot be reached: check its name, port and the operator's egress")
        return Outcome(Result.REFUSED, "no request could be made: check that its URL is complete")

    def _check_proxied(self, url: str, proxy: str | None) -> None:
        """Check the target of a proxied request, as far as it resolves here. Raises ConnectionError."""
        if not proxy:
            return
        target, way = urlsplit(url), urlsplit(proxy)
        try:
            self._guard.check_host(target.hostname or "", target.port)
            self._guard.trust(way.hostname or "", way.port)
        except OSError as error:
            self._unreached = True
            raise requests.ConnectionError("it may not be reached") from error

    def _failed(self, error: requests.RequestException) -> None:
        cause = getattr(error.args[0], "reason", None) if error.args else None
        if isinstance(cause, NewConnectionError | ConnectTimeoutError):
            self._unreached = True
        else:
            self._reached = True
            self._broken = type(cause or error).__name__


def _is_good(code: int) -> bool:
    return HTTPStatus.OK <= code < HTTPStatus.MULTIPLE_CHOICES


def _is_temporary(code: int) -> bool:
    return code == HTTPStatus.TOO_MANY_REQUESTS or code >= HTTPStatus.INTERNAL_SERVER_ERROR
