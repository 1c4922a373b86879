"""The TLS certificate of a port: files that are reloaded when they change, or a self-signed one."""

from __future__ import annotations

import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from controller.errors import RunwatchmanError

log = structlog.get_logger(__name__)

CERTIFICATE, KEY = "tls.crt", "tls.key"
"""Names of the files, as in a Secret of type kubernetes.io/tls."""
LOOK_SECONDS = 5.0
"""Shortest time between two checks of the files."""
VALID_DAYS, RENEW_DAYS = 365, 180
"""Validity of a self-signed certificate, and the days after which it is renewed."""
SECONDS_A_DAY = 86_400
MAKER, MAKE_SECONDS = f"{__package__}.self_signed", 60.0
"""The module that creates a certificate, and the time that it may take on a busy machine."""


class NoCertificate(RunwatchmanError):
    """There is no certificate: files are missing or do not match, or a self-signed one could not be created."""


class Mounted:
    """A certificate and its key in a directory. Raises NoCertificate at the start; later the last valid pair stays in use."""

    def __init__(self, folder: Path, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._folder, self._monotonic = folder, monotonic
        self._loaded = self._versions()
        self._context = self._read()
        self._looked = monotonic()

    def __call__(self) -> ssl.SSLContext:
        """Return a context with the current certificate."""
        if self._monotonic() - self._looked >= LOOK_SECONDS:
            self._looked = self._monotonic()
            self._look()
        return self._context

    def _look(self) -> None:
        try:
            versions = self._versions()
            if versions != self._loaded:
                self._loaded = versions
                self._context = self._read()
                log.info("certificate reloaded", folder=str(self._folder))
        except NoCertificate as error:
            log.warning("cannot reload the certificate, the last valid one stays in use", error=str(error))

    def _versions(self) -> list[tuple[int, int]]:
        try:
            files = [(self._folder / name).stat() for name in (CERTIFICATE, KEY)]
        except OSError as error:
            raise NoCertificate(f"--metrics-cert-dir: {error}: the directory must contain {CERTIFICATE} and {KEY}") from error
        return [(each.st_ino, each.st_mtime_ns) for each in files]

    def _read(self) -> ssl.SSLContext:
        try:
            return _context(self._folder / CERTIFICATE, self._folder / KEY)
        except NoCertificate as error:
            raise NoCertificate(f"--metrics-cert-dir: {error}") from error


class SelfSigned:
    """A self-signed certificate: it encrypts the traffic, and does not prove the server's identity.

    A separate process creates it, the only one that loads cryptography. Raises NoCertificate if the first one cannot be created;
    later the last one stays in use.
    """

    def __init__(self, names: tuple[str, ...], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._names, self._monotonic = names, monotonic
        self._context: ssl.SSLContext | None = None
        self._due = 0.0

    def __call__(self) -> ssl.SSLContext:
        """Return a context with a certificate that is valid for months."""
        if self._context is None:
            self._context = self._make()
        elif self._monotonic() >= self._due:
            try:
                self._context = self._make()
            except NoCertificate as error:
                self._due = self._monotonic() + SECONDS_A_DAY
                log.warning("cannot renew the certificate, the last one stays in use", error=str(error))
        return self._context

    def _make(self) -> ssl.SSLContext:
        command = [sys.executable, "-P", "-m", MAKER, str(VALID_DAYS), *self._names]
        try:
            made = subprocess.run(command, capture_output=True, check=True, timeout=MAKE_SECONDS).stdout  # noqa: S603  # names only
            with tempfile.TemporaryDirectory(prefix="runwatchman-tls-") as folder:  # ssl reads files only
                (pair := Path(folder) / CERTIFICATE).write_bytes(made)
                context = _context(pair)
        except (OSError, subprocess.SubprocessError) as error:
            stderr = getattr(error, "stderr", None) or b""
            raise NoCertificate(f"a certificate could not be created: {error} {stderr.decode(errors='replace')[-500:]}") from error
        self._due = self._monotonic() + RENEW_DAYS * SECONDS_A_DAY
        return context


def _context(certificate: Path, key: Path | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:  # ssl.SSLError is one
        raise NoCertificate(f"{certificate} and {key} are not a certificate and its key: {error}") from error
    return context
