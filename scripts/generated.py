"""Files that are made from others: written where they differ, or, with --check, told of."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parent.parent


def keep(wanted: dict[Path, str], arguments: list[str], *, present: Iterable[Path] = ()) -> int:
    """Have every file hold what it must, and those that are present besides be gone; with --check return 1 where they do not."""
    stale = {path: text for path, text in wanted.items() if not path.exists() or path.read_text() != text}
    surplus = [path for path in present if path not in wanted]
    if "--check" in arguments:
        for path in [*stale, *surplus]:
            sys.stderr.write(f"{path.relative_to(ROOT)} is not what it is made from: run `make generate`\n")
        return 1 if stale or surplus else 0
    for path in surplus:
        path.unlink()
    for path, text in stale.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0
