"""The choice of kind's node image: the official one if a registry serves it, otherwise our own."""

from __future__ import annotations

import os
import subprocess

from tests.cluster.nodebuild import OWN_NAME, has_image, own_image
from tests.cluster.progress import ClusterError, say, taking
from tests.cluster.releases import release

OWN, OFFICIAL = "own", "official"
REGISTRY_SECONDS = 20.0
"""How long a registry may take to answer whether it has an image."""


def node_image(env: dict[str, str]) -> str:
    """Return the name of a node image that the engine has.

    KIND_NODE_IMAGE names an image, or `own` or `official`. By default it is the official one if a registry serves it, otherwise our
    own. Raises ClusterError.
    """
    given = os.environ.get("KIND_NODE_IMAGE", "")
    if given not in ("", OWN, OFFICIAL):
        return given
    official = release().node_image
    why_not = "" if given == OWN else official_unavailable(env, official)
    if why_not and given == OFFICIAL:
        raise ClusterError(f"KIND_NODE_IMAGE={OFFICIAL}, but {why_not}: leave it out, and an image of our own is built")
    if why_not:
        say(f"{why_not}: taking a node image of our own")
    return own_image(env) if given == OWN or why_not else official


def is_own(image: str) -> bool:
    """Whether a node image is one that is built here: without a CNI daemon, a provisioner of volumes and a DNS."""
    return image.startswith(OWN_NAME)


def official_unavailable(env: dict[str, str], image: str) -> str:
    """Pull an official image; return why that failed, empty if the engine has it."""
    if not image:
        return f"no official image for Kubernetes {release().kubernetes} is listed in tests/cluster/releases.py"
    if has_image(image, env):
        return ""
    try:  # query first: an unreachable registry is noticed at once, and a pull may take any time
        asked = ["docker", "manifest", "inspect", image]
        told = subprocess.run(asked, env=env, capture_output=True, text=True, check=False, timeout=REGISTRY_SECONDS)
    except subprocess.TimeoutExpired:
        return f"no registry answered for {image} in {REGISTRY_SECONDS:.0f} s"
    if told.returncode:
        return f"no registry serves {image} ({' '.join(told.stderr.split())[:200]})"
    with taking("pulling the official node image", "1 min"):
        pulled = subprocess.run(["docker", "pull", "--quiet", image], env=env, capture_output=True, text=True, check=False)
    return f"{image} could not be pulled ({' '.join(pulled.stderr.split())[:200]})" if pulled.returncode else ""
