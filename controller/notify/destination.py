"""Where a message goes: a key of a Secret, read anew for each try. What the Secret holds goes into the send and nowhere else."""

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
    """A key of a Secret; its value is a URL that nobody is shown."""

    namespace: str
    secret: str
    key: str

    def __str__(self) -> str:
        return f"Secret {self.namespace}/{self.secret}, key {self.key}"


async def read_url(client: Client, place: Destination) -> str | Outcome:
    """Return the URL, or why there is none to be had."""
    try:
        secret = await client.get(SECRETS, place.namespace, place.secret)
    except NotFound:
        return unusable("it does not exist: create it, or take it out of the policy's notifications")
    except Forbidden:
        return unusable("the operator may not read it: grant its service account get on this one Secret")
    except ApiError as error:
        return Outcome(Result.LATER, f"it could not be read: {error.status} {error.reason}", open=True)
    value = (secret.get("data") or {}).get(place.key)
    if value is None:
        return unusable("it has no such key: add it, or set secretKey in the policy's notifications")
    try:
        url = base64.b64decode(value).decode("utf-8").strip()
    except (binascii.Error, UnicodeDecodeError):
        url = ""
    if not url or len(url.split()) > 1:
        return unusable("it does not hold one URL: see docs/notifications.md")
    return url
