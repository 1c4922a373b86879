"""A file that leads a browser to an address: programs get its name, because every user of the machine can read command lines."""

from __future__ import annotations

import os
from pathlib import Path

from controller.cli.web.rendering import rendered

OWNER_ALONE = 0o600


def redirect_file(folder: str, address: str) -> str:
    """Write the file into a folder and return its URL. On Windows the rights are those of the folder."""
    path = Path(folder).absolute() / "open.html"
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ALONE), "w", encoding="utf-8") as file:
        file.write(rendered("again.html", {"url": address}))
    return path.as_uri()
