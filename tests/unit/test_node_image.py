"""The choice of the node image for kind, by a registry's answer; the engine is a script that answers as docker does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cluster import nodeimage
from tests.cluster.nodeimage import is_own, node_image
from tests.cluster.progress import ClusterError
from tests.cluster.releases import RELEASES, SETTING

LISTED = next(each for each in RELEASES if each.node_image)
OFFICIAL_NODE_IMAGE = LISTED.node_image
OWN_IMAGE = "kindest/node:runwatchman-0123456789ab"
DOCKER = """#!/bin/sh
echo "$*" >>"$DOCKER_SAID"
case "$1 $2" in
"image inspect") exit "$HAS" ;;
"manifest inspect")
  [ "$SERVES" != hang ] || exec sleep 60
  [ "$SERVES" = 0 ] || echo "lookup registry: no such host" >&2
  exit "$SERVES" ;;
"pull --quiet") [ "$PULLS" = 0 ] || echo "connection reset" >&2; exit "$PULLS" ;;
esac
exit 99
"""


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """An engine without images, and a registry that has the official one."""
    (docker := tmp_path / "docker").write_text(DOCKER)
    docker.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    monkeypatch.delenv("KIND_NODE_IMAGE", raising=False)
    monkeypatch.setenv(SETTING, LISTED.minor)
    monkeypatch.setattr(nodeimage, "own_image", lambda env: OWN_IMAGE)
    return {"PATH": path, "DOCKER_SAID": f"{tmp_path}/said", "HAS": "1", "SERVES": "0", "PULLS": "0"}


def said(engine: dict[str, str]) -> list[str]:
    """Return the first words of each docker call."""
    path = Path(engine["DOCKER_SAID"])
    return [" ".join(line.split()[:2]) for line in path.read_text().splitlines()] if path.exists() else []


def test_the_official_one_where_a_registry_serves_it(engine: dict[str, str]) -> None:
    """The official image is looked up, pulled and used; the engine's own images are not looked up."""
    assert node_image(engine) == OFFICIAL_NODE_IMAGE
    assert said(engine) == ["image inspect", "manifest inspect", "pull --quiet"]
    assert node_image({**engine, "HAS": "0"}) == OFFICIAL_NODE_IMAGE
    assert said(engine)[3:] == ["image inspect"]


@pytest.mark.parametrize(("fault", "why"), [({"SERVES": "1"}, "no such host"), ({"PULLS": "1"}, "connection reset")])
def test_our_own_where_none_does(
    engine: dict[str, str], capsys: pytest.CaptureFixture[str], fault: dict[str, str], why: str
) -> None:
    """Our own image is used, and stderr gives the reason; with an explicit official image the command fails with the remedy."""
    assert node_image({**engine, **fault}) == OWN_IMAGE
    told = capsys.readouterr().err
    assert why in told
    assert "taking a node image of our own" in told


def test_a_registry_that_does_not_answer(engine: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The script does not wait for a registry that does not answer."""
    monkeypatch.setattr(nodeimage, "REGISTRY_SECONDS", 0.2)
    assert node_image({**engine, "SERVES": "hang"}) == OWN_IMAGE


def test_node_image_by_name(engine: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """`own` queries no registry, `official` accepts no other image, and any other name is an image."""
    monkeypatch.setenv("KIND_NODE_IMAGE", "own")
    assert node_image(engine) == OWN_IMAGE
    monkeypatch.setenv("KIND_NODE_IMAGE", "example.org/node:1")
    assert node_image(engine) == "example.org/node:1"
    assert said(engine) == []
    monkeypatch.setenv("KIND_NODE_IMAGE", "official")
    assert node_image(engine) == OFFICIAL_NODE_IMAGE
    with pytest.raises(ClusterError, match=r"no such host.*leave it out"):
        node_image({**engine, "SERVES": "1"})


def test_a_version_without_an_official_image(
    engine: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No registry is asked for a version whose official image we do not know: ours is taken, and an explicit `official` fails."""
    unlisted = next(each for each in RELEASES if not each.node_image)
    monkeypatch.setenv(SETTING, unlisted.minor)
    assert node_image(engine) == OWN_IMAGE
    assert f"no official image for Kubernetes {unlisted.kubernetes}" in capsys.readouterr().err
    assert said(engine) == []
    monkeypatch.setenv("KIND_NODE_IMAGE", "official")
    with pytest.raises(ClusterError, match="no official image"):
        node_image(engine)


def test_only_our_own_lacks_a_network() -> None:
    """Our own image, recognized by its name, gets kind's network, volumes and DNS; the official one does not."""
    assert is_own(OWN_IMAGE)
    assert not is_own(OFFICIAL_NODE_IMAGE)
