"""The versions of Kubernetes that the test clusters can have, and the versions of what belongs to each."""

from __future__ import annotations

import os
from dataclasses import dataclass

from tests.cluster.progress import ClusterError

SETTING = "RUNWATCHMAN_KUBERNETES"


@dataclass(frozen=True)
class Release:
    """A version of Kubernetes, and the etcd and pause image that its kubeadm demands (cmd/kubeadm/app/constants).

    `node_image` is the official one of the same minor version for our release of kind, empty where we know none.
    """

    kubernetes: str
    etcd: str
    pause: str
    node_image: str = ""

    @property
    def minor(self) -> str:
        """The minor version, as users name it: `1.34`."""
        return self.kubernetes.rpartition(".")[0]


RELEASES = (
    Release("1.33.13", etcd="3.5.24", pause="3.10"),
    Release(
        "1.34.4",
        etcd="3.6.5",
        pause="3.10.1",
        node_image="kindest/node:v1.34.11@sha256:44e222ee2132dab25ff87301682f89eb82c7880ea3a1bf543bfe9708fd08d67d",
    ),
    Release("1.35.4", etcd="3.6.6", pause="3.10.1"),
    Release("1.36.3", etcd="3.6.8", pause="3.10.2"),
    Release(
        "1.37.2",
        etcd="3.7.0",
        pause="3.10.2",
        node_image="kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5",
    ),
)
"""Oldest first. The sources of their programs are pinned in gobuild/go.sum."""

DEFAULT = RELEASES[-1].minor
"""The newest: what users get who install Kubernetes today."""


def release() -> Release:
    """Return the release that the setting names, by its minor version or in full. Raises ClusterError for any other value."""
    given = os.environ.get(SETTING, "").strip() or DEFAULT
    found = next((each for each in RELEASES if given in (each.minor, each.kubernetes)), None)
    if found is None:
        choices = ", ".join(f"{each.minor} ({each.kubernetes})" for each in RELEASES)
        raise ClusterError(f"{SETTING}={given} is no version that the test clusters can have: set it to one of {choices}")
    return found


def is_before(minor: str) -> bool:
    """Return whether the release that the setting names is older than a minor version: `is_before("1.34")`."""
    return [*map(int, release().minor.split("."))] < [*map(int, minor.split("."))]
