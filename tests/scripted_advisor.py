"""A command of the advisor's that answers from a file: the model is scripted, everything around it is real.

Run as a program it is the command: `scripted_advisor.py FOLDER`. FOLDER/answers.json has, by Run, the answer without its target, or
{"exit": CODE}; each request is put into FOLDER/asked.
"""

from __future__ import annotations

import json
import signal
import sys
import time
import uuid
from pathlib import Path
from typing import Any

AGREES = {"intent": "auto_restart", "reason": "the log shows a flaky network", "confidence": 0.9, "needs_human": False}


class ScriptedAdvisor:
    """The command's folder, as the test uses it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "asked").mkdir(parents=True, exist_ok=True)
        self.say({})

    def say(self, answers: dict[str, dict[str, Any]]) -> None:
        """Set the command's answers from now on; a Run that is not named gets `AGREES`."""
        (self.folder / "answers.json").write_text(json.dumps(answers))

    def commands(self, *others: str) -> Path:
        """Write the installer's file, in which the command is `codex`, the policy's default, and others; return its path."""
        path = self.folder / "commands.yaml"
        scripted = {"preset": "raw", "argv": [sys.executable, str(Path(__file__).resolve()), str(self.folder)]}
        path.write_text(json.dumps({"commands": dict.fromkeys(("codex", *others), scripted)}))
        return path

    def asked(self, run: str) -> list[dict[str, Any]]:
        """Return the requests about a Run, oldest first."""
        files = sorted((self.folder / "asked").glob("*.json"))
        documents: list[dict[str, Any]] = [json.loads(file.read_text()) for file in files]
        return [document for document in documents if document["target_run"].endswith(f"/{run}")]


def main(folder: Path) -> int:
    """Answer one request."""
    document = json.load(sys.stdin)
    name = f"{time.time_ns()}-{uuid.uuid4().hex}"
    (folder / "asked" / f".{name}").write_text(json.dumps(document))
    (folder / "asked" / f".{name}").rename(folder / "asked" / f"{name}.json")
    target = document["target_run"]
    said = json.loads((folder / "answers.json").read_text()).get(target.rpartition("/")[2], AGREES)
    if said.get("hang"):
        signal.pause()  # until the deadline's signal: no other event is awaited
    if "exit" in said:
        return int(said["exit"])
    sys.stdout.write(json.dumps({"target_run": target, **said}))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
