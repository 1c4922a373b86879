"""Write generated files that are out of date, or, with --check, report them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parent.parent


def keep(wanted: dict[Path, str], arguments: list[str], *, present: Iterable[Path] = ()) -> int:
    """Write every wanted file and remove any other one in `present`; with --check only return 1 if a file is stale."""
    stale = {path: text for path, text in wanted.items() if not path.exists() or path.read_text() != text}
    surplus = [path for path in present if path not in wanted]
    if "--check" in arguments:
        for path in [*stale, *surplus]:
            sys.stderr.write(f"{path.relative_to(ROOT)} is out of date: run `make generate`\n")
        return 1 if stale or surplus else 0
    for path in surplus:
        path.unlink()
    for path, text in stale.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0
