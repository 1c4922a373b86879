"""The senders' process: loads apprise, which it alone imports, and forks a child for each order, which sends it and ends.

A URL is its owner's, and may ask apprise for more than sending text. What it gets is one plain text, to a service that the
operator's settings allow, at an address that they allow: no attachments, and so no local files as templates or keys; no redirects;
nothing kept on disk.
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
APP = "runwarden"
ENCRYPTED_MAIL, CLEAR_MODE = "mailtos", "insecure"
"""The scheme of mail over TLS, and the mode by which its URL could ask for mail in clear."""


def main() -> None:
    """Load what all senders need, and carry out the orders that come, each in a child."""
    logging.disable()  # Whatever apprise logs may hold the URL.
    NotificationManager().schemas()  # type: ignore[no-untyped-call]  # apprise's: loads its services, which takes as long as itself
    _forbid_attachments()
    serve(carry_out)


def carry_out(order: bytes) -> bytes:
    """Send what an order says, and return what came of it. It changes the process for good: it is called in one that ends then."""
    told = json.loads(order)
    guard = Guard(Allowed.of(told["allow"]))
    guard.watch()
    service = _service(told["url"], frozenset(told["schemes"]), told["seconds"])
    outcome = service if isinstance(service, Outcome) else send(service, told["title"], told["body"], told["level"], guard)
    return json.dumps({"result": outcome.result, "why": outcome.why, "open": outcome.open}).encode()


def send(service: apprise.NotifyBase, title: str, body: str, level: str, guard: Guard) -> Outcome:
    """Send one text through one service, once."""
    probe = DeliveryProbe(guard)
    probe.watch()
    sender = apprise.Apprise(asset=service.asset)
    sender.add(service)
    taken = sender.notify(
        body=body,
        title=title,
        notify_type=apprise.NotifyType(level),
        body_format=apprise.NotifyFormat.TEXT,
        interpret_escapes=False,
    )
    return Outcome(Result.SENT) if taken else probe.outcome()


def _forbid_attachments() -> None:
    """Take away whatever reads a file or another URL into a message."""
    manager: Any = AttachmentManager()  # type: ignore[no-untyped-call]  # apprise types no part of its managers
    manager.remove(*manager.schemas())


def _service(url: str, schemes: frozenset[str], seconds: float) -> apprise.NotifyBase | Outcome:
    """What the URL names, held to one try without redirects, or why it may not be used."""
    parts = url_to_dict(url)  # type: ignore[no-untyped-call]  # apprise's
    known: Any = NotificationManager()  # type: ignore[no-untyped-call]  # apprise's
    scheme = str(parts.get("schema", "")) if parts else ""
    if not parts or scheme not in known:
        return unusable("it does not hold a URL that apprise knows: see docs/notifications.md")
    if scheme not in schemes:
        return unusable(f"{scheme}:// is not among the operator's --notify-schemes: use another, or have it allowed")
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
        return unusable(
            f"its {scheme}:// URL lacks something that the service needs, or asks for a file: see docs/notifications.md"
        )
    if scheme == ENCRYPTED_MAIL and getattr(service, "secure_mode", CLEAR_MODE) == CLEAR_MODE:
        return unusable("its mailtos:// URL asks for mail without TLS: take mode=insecure out")
    service.retry, service.redirects = 0, False
    service.overflow_mode = apprise.OverflowMode.TRUNCATE
    # An endpoint that was reached and says nothing is the operator's to give up, so that it is known for what it is.
    service.socket_connect_timeout, service.socket_read_timeout = CONNECT_SECONDS, seconds
    return service


if __name__ == "__main__":
    main()
