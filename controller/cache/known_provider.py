"""A provider as the caches keep it: what it limits, its status, and why its spec cannot be read if so."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from pydantic import ValidationError

from controller.api.base import JsonObject, parse
from controller.api.provider import ProviderSpec, ProviderStatus
from controller.api.timestamps import EARLIEST, parse_time
from controller.api.violations import Refused, from_pydantic, shortened

WORDS = 512
"""Maximum characters about an unreadable provider: each Run that waits for it shows them."""


class KnownProvider(NamedTuple):
    """A provider as it is in the cluster. `unreadable` says why its spec is not known; its agents wait then."""

    created_at: datetime
    spec: ProviderSpec
    status: ProviderStatus
    obj: JsonObject
    unreadable: str = ""

    @property
    def limits(self) -> tuple[ProviderSpec, str]:
        """What decides about starts."""
        return self.spec, self.unreadable


def known_provider(obj: JsonObject, _: KnownProvider | None) -> KnownProvider:
    """Keep a provider. A status that this version cannot read counts as empty: the next limit closes the provider again.

    Raises Refused for a spec that cannot be read.
    """
    try:
        return _known(obj, parse(ProviderSpec, obj["spec"]))
    except ValidationError as error:
        raise Refused(from_pydantic(error, "spec")) from error


def unread_provider(obj: JsonObject, why: str) -> KnownProvider:
    """Keep a provider whose spec cannot be read. Its limits are unknown, so its agents wait: a limit is there to be kept."""
    return _known(obj, ProviderSpec(), shortened(why, WORDS))


def _known(obj: JsonObject, spec: ProviderSpec, unreadable: str = "") -> KnownProvider:
    meta = obj["metadata"]
    kept = {key: meta[key] for key in ("namespace", "name", "uid", "resourceVersion", "generation") if key in meta}
    created = parse_time(meta.get("creationTimestamp")) or EARLIEST
    try:
        status = parse(ProviderStatus, obj.get("status") or {})
    except (ValidationError, ValueError):
        status = ProviderStatus()
    return KnownProvider(created, spec, status, {"metadata": kept, "spec": obj.get("spec", {})}, unreadable)
