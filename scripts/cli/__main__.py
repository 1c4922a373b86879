"""Builds `kubectl rw` as one file for each platform, from the versions in uv.lock: `python scripts/cli [PLATFORM]... [--to DIST]`.

A file is a Python archive for the user's python3. It has the modules that the commands need, and the compiled parts of pydantic and
orjson for every supported Python, compressed together, because they have most bytes in common. `start.py` unpacks it once.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import lzma
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import krew

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PACKAGE = "runwatchman"
PROGRAM = "kubectl-rw"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = {
    "linux-amd64": "x86_64-manylinux2014",
    "linux-arm64": "aarch64-manylinux2014",
    "darwin-amd64": "x86_64-apple-darwin",
    "darwin-arm64": "aarch64-apple-darwin",
    "windows-amd64": "x86_64-pc-windows-msvc",
}
"""Platforms by their names in Kubernetes, with uv's names for them."""

OURS = ("__init__.py", "errors.py", "api/", "cli/__init__.py", "cli/completion.py", "cli/rw/", "facts/", "kube/__init__.py")
OURS += ("cli/web/", "kube/decode.py", "plan/", "status/", "strict/")
"""Modules of the package that the commands import, and no others: the rest needs the operator's libraries."""

PURE = ("annotated-types", "click", "colorama", "pydantic", "pyyaml", "rich", "typing-extensions", "typing-inspection")
PURE += (
    "aiohappyeyeballs",
    "aiohttp",
    "aiosignal",
    "attrs",
    "frozenlist",
    "idna",
    "jinja2",
    "markupsafe",
    "multidict",
    "propcache",
    "yarl",
)
"""Packages of which only the Python is taken: those of the second line have compiled parts too, and do without."""

COMPILED = ("orjson", "pydantic-core")
LAUNCHERS = "distlib"
"""A library with a Windows program that starts the Python archive appended to it, as pip's commands have."""

UNUSED = ("pydantic/v1/", "pydantic/mypy.py", "yaml/_yaml", "bin/")
COMPILED_SUFFIXES = (".so", ".pyd")
LZMA_FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": 64 << 20}]
X86_FILTERS = [{"id": lzma.FILTER_X86}, *LZMA_FILTERS]
TIME = (2020, 2, 2, 0, 0, 0)
"""Time of all entries, so that the same inputs give the same file."""

Files = dict[str, bytes]


def main() -> None:
    """Build the files of the platforms in the arguments; by default of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("platform", nargs="*", choices=[*PLATFORMS, []], help="default: all")
    parser.add_argument("--to", type=Path, default=ROOT / "dist", help="folder of the files")
    options = parser.parse_args()
    options.to.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        build(options.platform or list(PLATFORMS), options.to, Path(scratch))


def build(platforms: list[str], to: Path, scratch: Path) -> None:
    """Write one file for each platform, and what krew needs."""
    python_only = installed(PURE, scratch / "pure", "x86_64-manylinux2014", PYTHONS[0])
    pure = own_files(scratch) | {name: data for name, data in python_only.items() if not name.endswith(COMPILED_SUFFIXES)}
    launcher = installed((LAUNCHERS,), scratch / "launcher", "x86_64-manylinux2014", PYTHONS[0])["distlib/t64.exe"]
    programs: dict[str, Path] = {}
    for platform in platforms:
        compiled: Files = {}
        for python in PYTHONS:
            compiled |= installed(COMPILED, scratch / platform / python, PLATFORMS[platform], python)
        payload = packed(pure | compiled, x86=platform.endswith("amd64"))
        path = programs[platform] = to / f"{PROGRAM}-{platform}{'.exe' if platform.startswith('windows') else ''}"
        path.write_bytes(program(payload, launcher if platform.startswith("windows") else b""))
        path.chmod(0o755)
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB", file=sys.stderr)  # noqa: T201
    krew.write(programs, to)


def own_files(scratch: Path) -> Files:
    """Return our modules as the wheel has them, and its metadata."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", scratch], check=True, capture_output=True, cwd=ROOT
    )
    (wheel,) = scratch.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    wanted = tuple(f"{PACKAGE}/{name}" for name in OURS)
    return {name: data for name, data in files.items() if name.startswith(wanted) or needed_metadata(name)}


def installed(names: tuple[str, ...], folder: Path, platform: str, python: str) -> Files:
    """Install packages for a platform, in the versions and with the hashes of uv.lock, and return their needed files."""
    (wanted := folder.with_suffix(".txt")).parent.mkdir(parents=True, exist_ok=True)
    wanted.write_text("".join(requirements(names)))
    uv = shutil.which("uv") or str(ROOT / ".tools/bin/uv")
    command = [uv, "pip", "install", "--quiet", "--target", folder, "--no-deps", "--only-binary", ":all:", "--require-hashes"]
    where = ["--python-platform", platform, "--python-version", python]
    subprocess.run([*command, *where, "-r", wanted], check=True, env=os.environ | {"UV_LINK_MODE": "copy"})
    return {
        name: path.read_bytes() for path in folder.rglob("*") if path.is_file() and needed(name := str(path.relative_to(folder)))
    }


def requirements(names: tuple[str, ...]) -> Iterator[str]:
    """Yield the lines of a requirements file."""
    for package in tomllib.loads((ROOT / "uv.lock").read_text())["package"]:
        if package["name"] in names:
            hashes = " ".join(f"--hash={wheel['hash']}" for wheel in package["wheels"])
            yield f"{package['name']}=={package['version']} {hashes}\n"


def needed(name: str) -> bool:
    """Whether a file of an installed package is used, or has its licence."""
    if ".dist-info/" in name:
        return needed_metadata(name)
    return not name.startswith(UNUSED) and name.endswith((".py", *COMPILED_SUFFIXES, ".exe"))


def needed_metadata(name: str) -> bool:
    """Whether a file says which version this is, or under which licence."""
    _, _, rest = name.partition(".dist-info/")
    return bool(rest) and (rest == "METADATA" or "licen" in rest.lower())


def packed(files: Files, x86: bool) -> bytes:
    """Return the files as a compressed archive, the compiled ones side by side."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in sorted(files.items(), key=lambda item: (item[0].endswith(COMPILED_SUFFIXES), *item)):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
    return lzma.compress(tar.getvalue(), filters=X86_FILTERS if x86 else LZMA_FILTERS)


def program(payload: bytes, launcher: bytes) -> bytes:
    """Return the executable file: a launcher or nothing, the name of the interpreter, and the archive."""
    start = (HERE / "start.py").read_text().replace("@IDENTITY@", hashlib.sha256(payload).hexdigest()[:16])
    archive = io.BytesIO()
    archive.write(launcher + (b"#!/usr/bin/env python\n" if launcher else b"#!/usr/bin/env python3\n"))
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr(zipfile.ZipInfo("__main__.py", TIME), start)
        file.writestr(zipfile.ZipInfo("payload.tar.xz", TIME), payload)
    return archive.getvalue()


if __name__ == "__main__":
    main()
