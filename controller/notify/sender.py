"""The sender's process: reads one order from stdin, sends it through apprise, and prints what came of it. It alone imports apprise.

A URL is its owner's, and may ask apprise for more than sending text. What it gets is one plain text, to a service that the
operator's settings allow, at an address that they allow: no attachments, and so no local files as templates or keys; no redirects;
nothing kept on disk.
"""

from __future__ import annotations

import json
import logging
import math
import signal
import sys
from typing import Any

import apprise
from apprise.manager_attachment import AttachmentManager
from apprise.manager_plugins import NotificationManager
from apprise.plugins import url_to_dict

from controller.notify.addresses import Allowed
from controller.notify.delivery_probe import DeliveryProbe
from controller.notify.delivery_result import Outcome, Result, unusable
from controller.notify.guard import Guard

CONNECT_SECONDS = 5.0
APP = "runwarden"
ENCRYPTED_MAIL, CLEAR_MODE = "mailtos", "insecure"
"""The scheme of mail over TLS, and the mode by which its URL could ask for mail in clear."""


def main() -> None:
    """Carry out the order on stdin."""
    order = json.load(sys.stdin)
    signal.alarm(math.ceil(order["seconds"]))
    logging.disable()  # Whatever apprise logs may hold the URL.
    guard = Guard(Allowed.of(order["allow"]))
    guard.watch()
    _forbid_attachments()
    service = _service(order["url"], frozenset(order["schemes"]), order["seconds"])
    outcome = service if isinstance(service, Outcome) else send(service, order["title"], order["body"], order["level"], guard)
    sys.stdout.write(json.dumps({"result": outcome.result, "why": outcome.why, "open": outcome.open}))


def send(service: apprise.NotifyBase, title: str, body: str, level: str, guard: Guard) -> Outcome:
    """Send one text through one service, once."""
    tally = DeliveryProbe(guard)
    tally.watch()
    sender = apprise.Apprise(asset=service.asset)
    sender.add(service)
    taken = sender.notify(
        body=body,
        title=title,
        notify_type=apprise.NotifyType(level),
        body_format=apprise.NotifyFormat.TEXT,
        interpret_escapes=False,
    )
    return Outcome(Result.SENT) if taken else tally.outcome()


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
