"""A build hook of hatchling: in the wheel the package is named `runwatchman`, in the sources `controller`.

`controller` is too common a name for everybody's site-packages. The hook rewrites a wheel after hatchling has written it: paths,
imports and entry points. Only imports name the package; code that names it in a string is refused, because it would break.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import re
import zipfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE, PACKAGE = "controller", "runwatchman"
_MODULE = re.compile(rf"{SOURCE}(\.\w+)+(:\w+)?")
_ENTRY_POINT = re.compile(rf"= {SOURCE}\b")


class WheelPackage(BuildHookInterface):
    """Renames the package in wheels; an editable installation keeps the sources' name."""

    PLUGIN_NAME = "custom"

    def finalize(self, version: str, _build_data: dict[str, Any], artifact_path: str) -> None:
        """Rewrite a wheel that hatchling has written."""
        if version == "standard":
            rewrite(Path(artifact_path))


def rewrite(wheel: Path) -> None:
    """Rename the package in a wheel. The same wheel gives the same bytes."""
    with zipfile.ZipFile(wheel) as archive:
        entries = [(entry, archive.read(entry)) for entry in archive.infolist()]
    record, lines = entries.pop()[0], []
    if not record.filename.endswith(".dist-info/RECORD"):
        raise ValueError(f"{wheel}: the last file is {record.filename}, not RECORD")
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, data in entries:
            entry.filename = re.sub(rf"^{SOURCE}/", f"{PACKAGE}/", entry.filename)
            content = rewritten(entry.filename, data)
            archive.writestr(entry, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            lines.append(f"{entry.filename},sha256={digest},{len(content)}\n")
        archive.writestr(record, "".join([*lines, f"{record.filename},,\n"]))


def rewritten(name: str, data: bytes) -> bytes:
    """Return a file of the wheel with the package's new name."""
    if name.endswith(".dist-info/entry_points.txt"):
        return _ENTRY_POINT.sub(f"= {PACKAGE}", data.decode()).encode()
    return renamed(data.decode(), name).encode() if name.endswith(".py") else data


def renamed(source: str, name: str) -> str:
    """Return a module whose imports name the package by its new name. Raises ValueError for any other reference."""
    lines = source.split("\n")
    for node in ast.walk(ast.parse(source, name)):
        match node:
            case ast.ImportFrom(module=str(module), level=0) if _ours(module):
                _replace(lines, node.lineno, node.col_offset + len("from "))
            case ast.alias(name=module) if _ours(module):
                _replace(lines, node.lineno, node.col_offset)
            case ast.Constant(value=str(text)) if _MODULE.fullmatch(text):
                raise ValueError(f"{name}:{node.lineno}: {text!r} names a module in a string: use __name__ or __package__")
            case ast.Name(id=used) if used == SOURCE:
                raise ValueError(f"{name}:{node.lineno}: {SOURCE} is used as a name: import the module from its package")
    return "\n".join(lines)


def _ours(module: str) -> bool:
    return module.partition(".")[0] == SOURCE


def _replace(lines: list[str], number: int, column: int) -> None:
    line = lines[number - 1]
    if not line.startswith(SOURCE, column):
        raise ValueError(f"line {number}: {SOURCE} is not where it is expected: {line!r}")
    lines[number - 1] = line[:column] + PACKAGE + line[column + len(SOURCE) :]
