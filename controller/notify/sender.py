"""The senders' process. It is the only one that imports apprise, and forks a child for each order, which sends it and exits.

A URL belongs to a tenant, and may ask apprise for more than sending text. The sender sends only one plain text, to a service and an
address that the operator's settings allow. It uses no attachments, and so no local files as templates or keys, follows no redirects
and stores nothing on disk.
"""

from __future__ import annotations

import json
import logging
from typing import Any

import apprise
from apprise.manager_attachment import AttachmentManager
from apprise.manager_plugins import NotificationManager
from apprise.plugins import url_to_dict

from controller.notify.addresses import Allowed
from controller.notify.delivery_probe import DeliveryProbe
from controller.notify.delivery_result import Outcome, Result, unusable
from controller.notify.forks import serve
from controller.notify.guard import Guard

CONNECT_SECONDS = 5.0
APP = "runwatchman"
ENCRYPTED_MAIL, CLEAR_MODE = "mailtos", "insecure"
"""The scheme of mail over TLS, and the mode with which its URL could request mail without TLS."""


def main() -> None:
    """Load the modules that all senders need, and execute each incoming order in a child."""
    logging.disable()  # apprise's logs may contain the URL.
    NotificationManager().schemas()  # type: ignore[no-untyped-call]  # apprise's: loads its services, which takes as long as itself
    _forbid_attachments()
    serve(carry_out)


def carry_out(order: bytes) -> bytes:
    """Execute an order and return its outcome. It modifies the process permanently, so the process must exit afterwards."""
    fields = json.loads(order)
    guard = Guard(Allowed.of(fields["allow"]))
    guard.watch()
    service = _service(fields["url"], frozenset(fields["schemes"]), fields["seconds"])
    outcome = service if isinstance(service, Outcome) else send(service, fields["title"], fields["body"], fields["level"], guard)
    return json.dumps({"result": outcome.result, "why": outcome.why, "open": outcome.open}).encode()


def send(service: apprise.NotifyBase, title: str, body: str, level: str, guard: Guard) -> Outcome:
    """Send one text through one service, once."""
    probe = DeliveryProbe(guard)
    probe.watch()
    sender = apprise.Apprise(asset=service.asset)
    sender.add(service)
    accepted = sender.notify(
        body=body,
        title=title,
        notify_type=apprise.NotifyType(level),
        body_format=apprise.NotifyFormat.TEXT,
        interpret_escapes=False,
    )
    return Outcome(Result.SENT) if accepted else probe.outcome()


def _forbid_attachments() -> None:
    """Remove all plugins that read a file or another URL into a message."""
    manager: Any = AttachmentManager()  # type: ignore[no-untyped-call]  # apprise types no part of its managers
    manager.remove(*manager.schemas())


def _service(url: str, schemes: frozenset[str], seconds: float) -> apprise.NotifyBase | Outcome:
    """Return the URL's service, limited to one attempt without redirects, or the outcome if the URL may not be used."""
    parts = url_to_dict(url)  # type: ignore[no-untyped-call]  # apprise's
    known: Any = NotificationManager()  # type: ignore[no-untyped-call]  # apprise's
    scheme = str(parts.get("schema", "")) if parts else ""
    if not parts or scheme not in known:
        return unusable("it does not contain a URL that apprise knows: see docs/notifications.md")
    if scheme not in schemes:
        return unusable(f"{scheme}:// is not in the operator's --notify-schemes: use another, or have it allowed")
    asset = apprise.AppriseAsset(
        app_id=APP,
        app_desc=APP,
        async_mode=False,
        storage_mode=apprise.PersistentStoreMode.MEMORY.value,
        pgp_autogen=False,
        pem_autogen=False,
        http_redirects=False,
    )
    service = apprise.Apprise.instantiate(parts, asset=asset)
    if service is None:
        return unusable(f"its {scheme}:// URL lacks a part that the service needs, or refers to a file: see docs/notifications.md")
    if scheme == ENCRYPTED_MAIL and getattr(service, "secure_mode", CLEAR_MODE) == CLEAR_MODE:
        return unusable("its mailtos:// URL requests mail without TLS: remove mode=insecure")
    service.retry, service.redirects = 0, False
    service.overflow_mode = apprise.OverflowMode.TRUNCATE
    # The operator's own timeout ends a send whose endpoint does not answer, so that the outcome says so.
    service.socket_connect_timeout, service.socket_read_timeout = CONNECT_SECONDS, seconds
    return service


if __name__ == "__main__":
    main()
