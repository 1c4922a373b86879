"""The destination of a message: a key of a Secret. It is read again for each attempt, and its value is used only for the send."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from controller.kube.client import Client
from controller.kube.errors import ApiError, Forbidden, NotFound
from controller.kube.resources import SECRETS
from controller.notify.delivery_result import Outcome, Result, unusable


@dataclass(frozen=True, slots=True)
class Destination:
    """A key of a Secret. Its value is a URL that is never shown."""

    namespace: str
    secret: str
    key: str

    def __str__(self) -> str:
        return f"Secret {self.namespace}/{self.secret}, key {self.key}"


async def read_url(client: Client, destination: Destination) -> str | Outcome:
    """Return the URL, or the outcome if there is none."""
    try:
        secret = await client.get(SECRETS, destination.namespace, destination.secret)
    except NotFound:
        return unusable("it does not exist: create it, or remove it from the policy's notifications")
    except Forbidden:
        return unusable("the operator may not read it: grant its service account get on this one Secret")
    except ApiError as error:
        return Outcome(Result.LATER, f"it could not be read: {error.status} {error.reason}", open=True)
    value = (secret.get("data") or {}).get(destination.key)
    if value is None:
        return unusable("it has no such key: add it, or set secretKey in the policy's notifications")
    try:
        url = base64.b64decode(value).decode("utf-8").strip()
    except (binascii.Error, UnicodeDecodeError):
        url = ""
    if not url or len(url.split()) > 1:
        return unusable("it does not contain exactly one URL: see docs/notifications.md")
    return url
