"""Pure: reads what a namespace prescribes for its pods: OpenShift's ranges of users and groups, and the pull secrets of an account.

OpenShift assigns each project a range of users and one of groups, as START/SIZE or START-END, and admits no other
users. As the group of a pod's volumes (fsGroup) it admits the first one alone. Its code that reads the annotations:
https://github.com/openshift/apiserver-library-go/blob/release-4.20/pkg/securitycontextconstraints/sccmatching/matcher.go
"""

from __future__ import annotations

import re

from controller.api.base import JsonObject
from controller.api.pod_policy import MAX_ID

UID_RANGE, GROUPS = "openshift.io/sa.scc.uid-range", "openshift.io/sa.scc.supplemental-groups"

MAX_PULL_SECRETS = 16
"""Number of an account's pull secrets that pods get; an account of OpenShift has one, of other platforms one for each registry."""

_BLOCK = re.compile(r"(\d{1,10})([/-])(\d{1,10})")


def user_range(namespace: JsonObject) -> tuple[int, int] | None:
    """Return the first and the last user that the namespace's pods may have, None without a range that can be read."""
    return _block(_annotation(namespace, UID_RANGE))


def fs_group(namespace: JsonObject) -> int | None:
    """Return the group that the volumes of the namespace's pods must have, None if it prescribes none."""
    block = _block(_annotation(namespace, GROUPS).partition(",")[0] or _annotation(namespace, UID_RANGE))
    return block[0] if block else None


def pull_secrets(account: JsonObject) -> tuple[str, ...]:
    """Return the names of a ServiceAccount's pull secrets."""
    found = account.get("imagePullSecrets")
    names = [each.get("name") for each in found if isinstance(each, dict)] if isinstance(found, list) else []
    return tuple(name for name in names if isinstance(name, str) and name)[:MAX_PULL_SECRETS]


def _annotation(namespace: JsonObject, name: str) -> str:
    annotations = (namespace.get("metadata") or {}).get("annotations")
    text = annotations.get(name) if isinstance(annotations, dict) else None
    return text.strip() if isinstance(text, str) else ""


def _block(text: str) -> tuple[int, int] | None:
    """Return the first and last ID of a block, without 0, which is root; None if there is none that Kubernetes accepts."""
    parts = _BLOCK.fullmatch(text)
    if parts is None:
        return None
    first, number = int(parts[1]), int(parts[3])
    last = number if parts[2] == "-" else first + number - 1
    first, last = max(first, 1), min(last, MAX_ID)
    return (first, last) if first <= last else None
