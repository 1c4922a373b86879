"""The image that users get, built from the Containerfile without a registry: `python -m tests.image`.

As root on Debian it is built by buildah, on a base from debootstrap: no daemon, and the same digest for the same inputs. Elsewhere
docker builds it on the Containerfile's own base. The environment sets the source of packages (PIP_*, UV_*, proxies), as the build's
secret.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import tempfile
from collections.abc import Callable
from pathlib import Path

import click

from tests.buildah import WITH_PYTHON, base_image, buildah, has_buildah, push
from tests.cluster.processes import run
from tests.cluster.progress import locked, taking
from tests.cluster.settings import cache_dir

ROOT = Path(__file__).parent.parent
IMAGE = "localhost/runwatchman/runwatchman:dev"
OURS = (
    "Containerfile",
    ".containerignore",
    "LICENSE",
    "README.md",
    "pyproject.toml",
    "uv.lock",
    "scripts/slim-image",
    "scripts/wheel_package.py",
    "controller",
)
"""The inputs of the image."""

MIRRORS = ("PIP_", "UV_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
NOT_MIRRORS = ("PIP_FIND_LINKS", "PIP_CERT", "UV_CACHE_DIR", "UV_PROJECT", "UV_PYTHON", "UV_LINK_MODE")
"""Variables with paths of this machine."""

KEPT = 4
"""Archives of a kind in the cache."""

CERTIFICATES = "/etc/ssl/certs"


def archive() -> Path:
    """Return a docker archive of the image, building it if its inputs have changed. Raises ClusterError."""
    return kept(f"image-{_digest()}.tar", build_archive, "building the image", "2 min the first time, 15 s after a change")


def kept(name: str, build: Callable[[Path], None], what: str, usually: str) -> Path:
    """Return a file of the cache, creating it if it is missing; the last few of its kind, the part of the name before the hyphen,
    are kept.

    More than one is kept because another checkout may be loading its own.
    """
    path = cache_dir() / name
    kind = name.partition("-")[0]
    with locked(cache_dir() / f".{kind}.lock"):
        if not path.exists():
            with taking(what, usually):
                build(path.with_suffix(".partial"))
            path.with_suffix(".partial").rename(path)
        path.touch()
        for old in sorted(cache_dir().glob(f"{kind}-*.tar"), key=lambda file: -file.stat().st_mtime)[KEPT:]:
            old.unlink()
    return path


def build(*options: str, source: Path = ROOT, image: str = IMAGE, base: str | None = None) -> str:
    """Build the image of a source tree by buildah, on our own base by default, and return its ID. Raises ClusterError."""
    base = base or base_image(WITH_PYTHON)
    with tempfile.TemporaryDirectory(dir=cache_dir()) as scratch:
        secret = _secret(Path(scratch))
        flags = ["--timestamp", "0", "--layers", "--pull-never", "--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro"]
        flags += ["--secret", f"id=pypi,src={secret}", "--build-arg", f"BASE={base}", "-f", str(source / "Containerfile")]
        return buildah("bud", "--quiet", *flags, *options, "--tag", image, str(source)).split()[-1]


def build_archive(path: Path, source: Path = ROOT, image: str = IMAGE) -> None:
    """Build the image of a source tree with the available tool, and write it to a docker archive. Raises ClusterError."""
    if has_buildah():
        build(source=source, image=image)
        push(image, path)
        return
    with tempfile.TemporaryDirectory() as scratch:
        secret = ["--secret", f"id=pypi,src={_secret(Path(scratch))}"]
        run(["docker", "build", *secret, "-f", str(source / "Containerfile"), "-t", image, str(source)])
    run(["docker", "save", "-o", str(path), image])


def _secret(folder: Path) -> Path:
    """Return the source of packages as shell variables."""
    chosen = {key: value for key, value in os.environ.items() if key.startswith(MIRRORS) and not key.startswith(NOT_MIRRORS)}
    chosen |= {"SSL_CERT_FILE": f"{CERTIFICATES}/ca-certificates.crt"} if has_buildah() else {}
    path = folder / "pypi"
    path.write_text("".join(f"export {key}={shlex.quote(value)}\n" for key, value in sorted(chosen.items())))
    return path


def _digest() -> str:
    digest = hashlib.sha256(WITH_PYTHON.inputs().encode())
    for path in sources(*OURS):
        digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def sources(*names: str) -> list[Path]:
    """Return the files and all files of the folders with these names, in a fixed order."""
    found = [inner for name in names for inner in ((ROOT / name).rglob("*") if (ROOT / name).is_dir() else [ROOT / name])]
    return sorted(path for path in found if path.is_file() and "__pycache__" not in path.parts)


if __name__ == "__main__":
    click.echo(f"{archive()}  holds {IMAGE}: docker load -i it, or kind load image-archive")
