"""The first module of the single file: unpacks the program into the user's cache, once, and runs it from there.

It runs on every Python from 3.6 on, so that an old one gets an error that people can read.
"""

import atexit
import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES

OLDEST = (3, 11)
IDENTITY = "@IDENTITY@"
"""The content of the archive."""
COMPILED = ("pydantic_core", "orjson")
"""Packages that are unpacked for one version of Python each."""


def main():
    """Run the program."""
    if sys.version_info < OLDEST:
        fail(f"it needs Python 3.11 or newer, and {sys.executable} is {sys.version.split()[0]}; install a newer one")
    sys.path[0] = folder_of(sys.path[0])
    from runwatchman.cli.rw import main as run

    try:
        run()
    except ImportError as error:
        if not (error.name or "").startswith(COMPILED):
            raise
        python = f"{sys.implementation.name} {sys.version.split()[0]} ({EXTENSION_SUFFIXES[0]})"
        fail(f"this command needs CPython 3.11 to 3.14, on Linux with glibc, and this is {python}; use another or install with pip")


def fail(message):
    """End like kubectl: with one line and exit code 1."""
    sys.exit(f"error: {os.path.basename(sys.argv[0])}: {message}")


def folder_of(archive):
    """Return the folder of the unpacked program, which is made if it is missing."""
    folder = os.path.join(cache(), "runwatchman", IDENTITY + EXTENSION_SUFFIXES[0])
    if not is_own(folder):
        folder = unpack(archive, folder)
    return folder


def cache():
    """Return the folder in which this user's programs keep what they can make again."""
    if sys.platform == "win32":
        return os.environ.get("LOCALAPPDATA") or os.path.expanduser("~\\AppData\\Local")
    return os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/Library/Caches" if sys.platform == "darwin" else "~/.cache")


def is_own(folder):
    """Whether the folder exists and is this user's: under `sudo`, root runs no code from a folder of another user."""
    try:
        owner = os.lstat(folder).st_uid
    except OSError:
        return False
    return sys.platform == "win32" or owner == os.geteuid()


def unpack(archive, folder):
    """Unpack the program into a folder, or into a temporary one if that cannot be written, and return which."""
    import shutil
    import tempfile

    try:
        os.makedirs(os.path.dirname(folder), mode=0o700, exist_ok=True)
        made = tempfile.mkdtemp(prefix=".new-", dir=os.path.dirname(folder))
    except OSError:
        made = tempfile.mkdtemp(prefix="runwatchman-")
    extract(archive, made)
    try:
        os.rename(made, folder)
    except OSError:  # It cannot be written, is another user's, or another process was faster.
        atexit.register(shutil.rmtree, made, ignore_errors=True)
        return made
    return folder


def extract(archive, folder):
    """Write the files of the archive; of the compiled ones, those for this interpreter."""
    import io
    import tarfile
    import zipfile

    try:
        import lzma
    except ImportError:
        fail(f"{sys.executable} was built without the module lzma; use another Python or install with pip")
    with zipfile.ZipFile(archive) as file:
        payload = lzma.decompress(file.read("payload.tar.xz"))
    with tarfile.open(fileobj=io.BytesIO(payload)) as tar:
        for entry in tar:
            name = os.path.basename(entry.name)
            if not name.endswith((".so", ".pyd")) or name[name.index(".") :] in EXTENSION_SUFFIXES:
                path = os.path.join(folder, *entry.name.split("/"))
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb") as out:
                    out.write(tar.extractfile(entry).read())


if __name__ == "__main__":
    main()
