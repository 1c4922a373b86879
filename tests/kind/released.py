"""A release in a registry of this machine, signed with a throw-away key, which a cluster's nodes can pull."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import single_file
from tests.cluster.kind import KindCluster
from tests.release import files, signing, steps
from tests.release.image import Registry, build_archives
from tests.release.loopback import loopback_registry, reachable_from_nodes
from tests.release.published import Published
from tests.release.signing import Signer

BASES = ("own",)
QUICK_LEVEL = 1
"""gzip's fastest: these images travel within a machine."""


@dataclass(frozen=True)
class Released:
    """A published release: what is where, the key's signer, and the folder with its files."""

    published: Published
    registry: Registry
    signer: Signer
    folder: Path


@contextmanager
def released(cluster: KindCluster, home: Path) -> Iterator[Released]:
    """Make a release by the steps of the workflow of a tag, in another registry and with another signer."""
    (folder := home / "dist").mkdir()
    (keys := home / "keys").mkdir()
    with loopback_registry() as (registry, data), reachable_from_nodes(cluster, registry, data):
        signer = signing.by_new_key(keys)
        build_archives(folder, level=QUICK_LEVEL)
        files.python_dists(folder)
        single_file.write(folder)
        yield Released(steps.publish(folder, registry, signer, BASES), registry, signer, folder)
    shutil.rmtree(keys)
