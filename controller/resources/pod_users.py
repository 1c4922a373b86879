"""Pure: the users and groups of an agent's pod: the template's, else the policy's, else the namespace's, else ours.

The reporter never has the user of another container of its pod: they share a process namespace, and the reporter's token is safe
from other users only. A pod always names its users, because a platform that assigns them (OpenShift) gives all containers the same.
"""

from __future__ import annotations

from itertools import count
from typing import NamedTuple

from controller.api.base import JsonObject
from controller.api.pod_policy import AGENT_USER, MAX_ID, REPORTER_USER, PodSecurity, Provision


class NoUserLeft(Exception):
    """The reporter cannot have a user of its own."""


class Users(NamedTuple):
    """The user and group of a pod's containers that name none, and the group of its volumes."""

    user: int
    group: int
    fs_group: int


def pod_users(spec: JsonObject, security: PodSecurity, provision: Provision) -> Users:
    """Return the users and groups of a pod with this template."""
    given = spec.get("securityContext") or {}
    user = given.get("runAsUser") or security.run_as_user or (provision.users[0] if provision.users else AGENT_USER)
    group = given.get("runAsGroup") or security.run_as_group or user
    return Users(user, group, given.get("fsGroup") or security.fs_group or provision.fs_group or user)


def reporter_user(spec: JsonObject, security: PodSecurity, provision: Provision) -> int:
    """Return the user of the reporter in a pod, whose spec has its users already. Raises NoUserLeft."""
    taken, named = _users_of(spec), security.reporter_run_as_user
    if named is None:
        return _another(taken, provision)
    if named in taken:
        raise NoUserLeft(
            f"user {named} is the reporter's (podSecurity.reporterRunAsUser), and the agent's pod uses it as well: let one of them "
            "have another"
        )
    return named


def _users_of(spec: JsonObject) -> set[int]:
    """Return the users of a pod and its containers."""
    holders = [spec, *spec["containers"], *(spec.get("initContainers") or [])]
    contexts = [holder.get("securityContext") or {} for holder in holders]
    return {context["runAsUser"] for context in contexts if context.get("runAsUser")}


def _another(taken: set[int], provision: Provision) -> int:
    """Return the first user for a reporter that no other container has."""
    first, last = provision.users or (REPORTER_USER, MAX_ID)
    user = next(user for user in count(first) if user not in taken)
    if user > last:
        raise NoUserLeft(
            f"pods of this namespace may have the users {first} to {last} only, and the reporter needs one that no other container "
            "has: give the namespace more, set podSecurity.reporterRunAsUser, or set `reporter: Off` in the policy"
        )
    return user
