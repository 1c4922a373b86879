"""`runwatchman plan` as a command: the encodings of its file, and what it says of files that it cannot read."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from controller.cli import main

STORY = Path(__file__).parent.parent / "data/faults/stop-on-lost-node.snapshot.yaml"


def planned(folder: Path, data: bytes) -> Result:
    """Run the command on a file with these bytes."""
    (folder / "snapshot.yaml").write_bytes(data)
    return CliRunner().invoke(main, ["plan", "-f", str(folder / "snapshot.yaml")])


def test_a_byte_order_mark_changes_nothing(tmp_path: Path) -> None:
    """An editor's mark before the first key is not part of it."""
    text = STORY.read_bytes()
    plain, marked = planned(tmp_path, text), planned(tmp_path, codecs.BOM_UTF8 + text)
    assert (plain.exit_code, plain.stdout) == (0, marked.stdout)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (STORY.read_text().encode("utf-16"), "is encoded in UTF-16: save it as UTF-8"),
        ("now: é".encode("latin-1"), "is not encoded in UTF-8 (byte 0xe9 in line 1): save it as UTF-8"),
        (b"now: [", "while parsing a flow node"),
        (b"", "snapshot: must be a mapping"),
        (b"[]", "snapshot: must be a mapping"),
    ],
    ids=["utf-16", "latin-1", "cut-off", "empty", "list"],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, data: bytes, words: str) -> None:
    """The error names the file and the fault."""
    done = planned(tmp_path, data)
    assert (done.exit_code, done.stderr.startswith(f"{tmp_path}/snapshot.yaml: {words}")) == (1, True), done.stderr
