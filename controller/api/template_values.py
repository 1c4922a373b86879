"""The checks of single values in a pod template: users, paths, names, labels, times and quantities. Each returns a fault's text."""

from __future__ import annotations

import posixpath
import re
from typing import Any

from controller.api.hints import MEANINGS
from controller.api.names import GROUP
from controller.api.pod_policy import REPORTER_USER
from controller.api.quantity import quantity_fault

RESERVED_DIR = "/runwatchman"

MAX_GRACE_SECONDS = 3600
"""The longest grace period of a Run's pod, and so about the longest time that a stop, a deadline or a spent budget takes.

An hour lets an agent finish an upload. A longer task is work, and belongs before the stop. A node's drain waits as long at most.
"""


def refused_label(key: str) -> str:
    """Return why a pod may not have a label of this key, or an empty text."""
    ours = key == GROUP or key.startswith(f"{GROUP}/")
    return f"keys under {GROUP}/ are reserved for the operator" if ours else ""


def refused_annotation(key: str) -> str:
    """Return why a pod may not have an annotation of this key, or an empty text.

    Profiles in annotations are refused as well: Kubernetes still applies AppArmor's annotations although the field is refused.
    """
    profile = UNCONFINING.match(key)
    return f"keys under {profile[0]} would change the container's confinement: leave it out" if profile else refused_label(key)


UNCONFINING = re.compile(r"(?:[a-z-]+\.)*(?:apparmor|seccomp)\.security\.(?:alpha|beta)\.kubernetes\.io/")


def non_root_fault(uid: int) -> str:
    """Return why a pod may not have this user or group, or an empty text."""
    return "" if uid > 0 else "the agent may not run as root: use a user above 0, or omit the field"


def agent_user_fault(uid: int) -> str:
    """Return why an agent may not have this user, or an empty text."""
    return f"{uid} is reserved for the reporter: use another, or omit the field" if uid == REPORTER_USER else non_root_fault(uid)


def env_name_fault(name: str) -> str:
    """Return why a container may not set a variable of this name, or an empty text."""
    return "names that begin with RUNWATCHMAN_ are reserved for the operator" if name.startswith("RUNWATCHMAN_") else ""


def mount_path_fault(path: str) -> str:
    """Return why nothing may be mounted at this path, or an empty text."""
    if not path.startswith("/") or plain(path) == "/":
        return "needs an absolute path other than /"
    return f"{RESERVED_DIR} is reserved for the operator" if is_reserved(path) else ""


def plain(path: str) -> str:
    """Return an absolute path without `..`, `.` and doubled slashes, as a container runtime resolves it."""
    return posixpath.normpath(f"/{path.lstrip('/')}")


def is_reserved(path: str) -> bool:
    """Whether a path, in any spelling, is the operator's directory or in it."""
    return plain(path) == RESERVED_DIR or plain(path).startswith(f"{RESERVED_DIR}/")


def priority_fault(name: str) -> str:
    """Return why a pod may not have this priority class, or an empty text."""
    return "classes that begin with system- are reserved for the cluster: use one of yours" if name.startswith("system-") else ""


def own_name_fault(name: str) -> str:
    """Return why a container or volume may not have this name, or an empty text."""
    return "names that begin with runwatchman- are reserved for the operator" if name.startswith("runwatchman-") else ""


def gate_fault(name: str) -> str:
    """Return why a pod may not have this scheduling gate, or an empty text."""
    return refused_label(name)


def grace_fault(seconds: int) -> str:
    """Refuse zero: the API server would delete the pod by force, without waiting until the node has ended it."""
    if 0 < seconds <= MAX_GRACE_SECONDS:
        return ""
    return f"a grace period is 1 to {MAX_GRACE_SECONDS} s: let the agent save its work in that time, or omit the field for 30"


def added_capabilities_fault(values: list[Any]) -> str:
    """Return why these capabilities may not be added, or an empty text."""
    return "no capability may be added" if values else ""


def nullable_quantity_fault(value: Any) -> str:
    """Return why a value is no quantity, or an empty text. Null is one, which a Pod reads as 0."""
    return "" if value is None else quantity_fault(value)


TOKEN_FIELDS = frozenset({"audience", "expirationSeconds", "path"})


def token_fault(source: dict[str, Any]) -> str:
    """Return why a pod may not have this token, or an empty text: one for another audience than the API server proves who it is.

    Without an audience, or with the usual one of the API server, it would be accepted there. The policy allows audiences.
    """
    audience = source.get("audience")
    if not isinstance(audience, str) or not audience or "kubernetes.default" in audience:
        return f"this field is not allowed without an audience of another service: {MEANINGS['serviceaccounttoken']}"
    others = sorted(source.keys() - TOKEN_FIELDS)
    return f"has unknown fields: {', '.join(others)}" if others else ""
