"""helm as users run it, on our chart."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.base import BRIEF_GO, insistently
from tests.cluster.binaries import find
from tests.image import IMAGE

ROOT = Path(__file__).parent.parent.parent
CHART = ROOT / "charts/runwatchman"
VALUES = sorted((Path(__file__).parent / "values").glob("*.yaml"))
RELEASE, NAMESPACE = "runwatchman", "runwatchman"
HELM_SECONDS = 360.0
INSTALL_TIMEOUT = "290s"
Objects = list[dict[str, Any]]


class HelmError(Exception):
    """The message of a helm command that failed."""


def helm(*arguments: str, home: Path, kubeconfig: Path | None = None, messages: bool = False) -> str:
    """Run helm with a home of its own and return its output, with its messages if wanted. Raises HelmError if it fails."""
    env = os.environ | BRIEF_GO | {f"HELM_{kind.upper()}_HOME": f"{home}/{kind}" for kind in ("cache", "config", "data")}
    env.pop("KUBECONFIG", None)
    where = ["--kubeconfig", str(kubeconfig)] if kubeconfig else []
    command = [str(find(["helm"])["helm"]), *arguments, *where]
    done = insistently(lambda: subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=HELM_SECONDS))
    if done.returncode:
        raise HelmError(f"{done.stderr}\n{done.stdout}")
    return done.stdout + (done.stderr if messages else "")


def install(kubeconfig: Path, home: Path, *options: str, chart: Path = CHART, release: str = RELEASE) -> str:
    """Install or upgrade a release with the tests' image, and wait until it is ready. Raises HelmError."""
    repository, _, tag = IMAGE.rpartition(":")
    image = f"--set=image.repository={repository},image.tag={tag},image.pullPolicy=Never"
    command = ["upgrade", "--install", release, str(chart), "--namespace", NAMESPACE, "--create-namespace"]
    return helm(*command, "--wait", "--timeout", INSTALL_TIMEOUT, image, *options, home=home, kubeconfig=kubeconfig)


def render(home: Path, *arguments: str) -> str:
    """Return the rendered chart."""
    return helm("template", RELEASE, str(CHART), "--namespace", NAMESPACE, *arguments, home=home)


def objects(text: str) -> Objects:
    """Return the objects in rendered text. The fast loader makes no difference but to the time: the CRDs are long."""
    return [found for found in yaml.load_all(text, Loader=yaml.CSafeLoader) if found]


def listed(found: Objects) -> str:
    """Return objects as kubectl reads them: JSON, which all parsers read alike."""
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": found})


def one(found: Objects, kind: str, name: str | None = None) -> dict[str, Any]:
    """Return the one object of a kind, and of a name if there are more."""
    matching = [each for each in found if each["kind"] == kind and name in (None, each["metadata"]["name"])]
    assert len(matching) == 1, f"{len(matching)} {kind} {name or ''}"
    return matching[0]
