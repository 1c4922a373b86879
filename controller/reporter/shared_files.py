"""The files that the reporter writes for the agent: its tools, and the answers to its questions."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from controller.reporter.agent_record import MAX_IDS
from controller.reporter.events import QUESTION_ID, TEXT, clean
from controller.reporter.file_tail import ReportProblem

SCRIPTS = Path(__file__).parent / "scripts"
READ_FILE, DISMISSED = ".read", ".dismissed"
EVENTS_FILE, STREAM_FILE = "events.jsonl", "stream.jsonl"
READY_FILE = ".ready"
FOR_ALL, TOOL = 0o666, 0o755
READABLE = 0o644


class Mailbox:
    """The folders below RUNWATCHMAN_DIR that the reporter writes to. A full disk is reported as a problem and never ends the
    reporter.
    """

    def __init__(self, directory: Path, report_problem: ReportProblem) -> None:
        self._bin, self._answers, self._out = directory / "bin", directory / "answers", directory / "out"
        self._report_problem = report_problem
        self._lie: set[str] = set()
        self._dismissed: set[str] = set()

    @property
    def events(self) -> Path:
        """The file with the agent's events."""
        return self._out / EVENTS_FILE

    @property
    def stream(self) -> Path:
        """The file with a known CLI's stream."""
        return self._out / STREAM_FILE

    def prepare(self) -> None:
        """Write the tools, and an events file that the agent may append to whichever umask it has."""
        for script in sorted(SCRIPTS.iterdir()):
            if not script.name.startswith("_"):
                self._put(self._bin / script.name, script.read_bytes(), TOOL)
        self._lie |= {path.stem for path in self._answers.glob("*.json")}
        self._dismissed |= {path.stem for path in self._answers.glob(f"*{DISMISSED}")} - self._lie
        try:
            os.close(os.open(self.events, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FOR_ALL))
            self.events.chmod(FOR_ALL)
        except OSError:
            return  # It exists, or the agent obstructs its own outbox, which the tail reports.

    def delivered(self) -> list[str]:
        """Return the questions with an answer or a dismissal on disk."""
        return sorted(self._lie | self._dismissed)

    def dismissed(self) -> list[str]:
        """Return the questions with a dismissal on disk."""
        return sorted(self._dismissed)

    def mark_ready(self) -> None:
        """Let the startup probe pass, so that the agent starts."""
        self._put(self._bin / READY_FILE, b"", READABLE)

    def note_read(self, names: Iterable[str]) -> None:
        """Write the list of questions whose answers earlier attempts have read."""
        self._put(self._answers / READ_FILE, "".join(f"{name}\n" for name in names).encode(), READABLE)

    def write_answers(self, deliveries: Iterable[dict[str, Any]]) -> list[str]:
        """Write the missing answers, each completely or not at all; return the questions that were answered or dismissed."""
        fresh = []
        for delivery in deliveries:
            name, answer = delivery.get("questionID"), delivery.get("answer")
            if not (isinstance(name, str) and isinstance(answer, str) and QUESTION_ID.fullmatch(name)) or name in self._lie:
                continue
            if len(self._lie | self._dismissed) < MAX_IDS * 2 and self._bring(name, answer, delivery):
                fresh.append(name)
        return fresh

    def _bring(self, name: str, answer: str, delivery: dict[str, Any]) -> bool:
        """Write an answer or a dismissal; return whether it is new and was written. An answer replaces a dismissal."""
        if delivery.get("dismissed") is True:
            fresh = name not in self._dismissed and self._put(self._answers / f"{name}{DISMISSED}", b"", READABLE)
            self._dismissed |= {name} if fresh else set()
            return fresh
        if not self._write(name, answer, str(delivery.get("by", ""))):
            return False
        self._lie.add(name)
        self._dismissed.discard(name)
        return True

    def _write(self, name: str, answer: str, by: str) -> bool:
        """Write an answer as JSON, and first as text for `rw`, which cannot parse JSON."""
        safe = answer.encode(errors="replace")
        document = json.dumps({"id": name, "answer": answer, "by": clean(by, TEXT)}).encode() + b"\n"
        as_text = self._put(self._answers / f"{name}.txt", safe, READABLE)
        return as_text and self._put(self._answers / f"{name}.json", document, READABLE)

    def _put(self, path: Path, content: bytes, mode: int) -> bool:
        """Write a file atomically; return whether that worked."""
        partial = path.with_name(f".{path.name}.partial")
        try:
            partial.write_bytes(content)
            partial.chmod(mode)
            partial.rename(path)
        except OSError as error:
            self._report_problem(f"write {path.parent.name}", f"{path.parent.name}/{path.name} cannot be written: {error.strerror}")
            return False
        return True


def is_ready(directory: Path) -> bool:
    """Whether the reporter of this pod has written everything that the agent needs."""
    return (directory / "bin" / READY_FILE).exists()
