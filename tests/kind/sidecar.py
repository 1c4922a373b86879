"""The scripted advisor as the command of an installation's sidecar: the program is its command's argument, so that no volume is
needed.
"""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass
from typing import Any

from controller.api.base import JsonObject
from tests import scripted_advisor
from tests.chart.helm import NAMESPACE
from tests.image import IMAGE
from tests.kind.installed import Installed

FOLDER = "/home/advisor/scripted"
"""The folder for the command's answers and its recorded requests: a volume that ends with the pod, not with a container."""
TELL = f"""
import os, sys
os.makedirs("{FOLDER}/asked", exist_ok=True)
open("{FOLDER}/answers.json", "w").write(sys.stdin.read())
"""
ASKED = f"""
import glob, json
print(json.dumps([json.load(open(path)) for path in sorted(glob.glob("{FOLDER}/asked/*.json"))]))
"""


@dataclass(frozen=True)
class SidecarAdvisor:
    """A release's advisor, seen from the test."""

    release: Installed

    def run_with(self, *values: JsonObject, commands: tuple[str, ...]) -> None:
        """Run the release with the command under these names."""
        repository, _, tag = IMAGE.rpartition(":")
        argv = ["python3", "-c", inspect.getsource(scripted_advisor), FOLDER]
        advisor = {
            "enabled": True,
            "preset": "raw",
            "image": {"repository": repository, "tag": tag, "pullPolicy": "Never"},
            "commands": {name: {"preset": "raw", "argv": argv} for name in commands},
        }
        self.release.run_with(*values, {"advisor": advisor})

    def say(self, answers: dict[str, dict[str, Any]]) -> None:
        """Set the command's answers from now on; a Run that is not named gets `AGREES`."""
        self._inside(TELL, json.dumps(answers))

    def asked(self, run: str) -> list[JsonObject]:
        """Return the requests about a Run, oldest first."""
        documents: list[JsonObject] = json.loads(self._inside(ASKED))
        return [document for document in documents if document["target_run"].endswith(f"/{run}")]

    def _inside(self, script: str, said: str = "") -> str:
        pod = self.release.pod()["metadata"]["name"]
        words = ("-n", NAMESPACE, "exec", "-i", pod, "-c", "advisor", "--", "python3", "-c", script)
        return self.release.cluster.kubectl(*words, stdin=said)
