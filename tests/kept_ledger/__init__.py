"""A ledger of an earlier revision, made by its operator, and the stories that it is about.

`scripts/run python -m tests.kept_ledger` makes it again with the operator of this checkout; docs/testing.md says when.
"""

from __future__ import annotations

import lzma
from pathlib import Path

FOLDER = Path(__file__).parent
KEPT = FOLDER / "ledger.db.xz"
"""The ledger, an SQLite file. Its revision is that of the commit that added it."""
BEFORE_IDENTITIES = FOLDER / "before-identities.db.xz"
"""Some rows of 7918ece, whose ledger took times and UIDs for secrets. It cannot be made again."""


def unpack(kept: Path, to: Path) -> str:
    """Write a kept ledger to a path and return its URL."""
    to.write_bytes(lzma.decompress(kept.read_bytes()))
    return f"sqlite:///{to}"
