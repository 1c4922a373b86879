"""The certificates of a port: mounted in a directory, or self-signed."""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
import tempfile
from pathlib import Path

import pytest
from cryptography import x509

from controller.observability import certificate as module
from controller.observability.certificate import LOOK_SECONDS, RENEW_DAYS, SECONDS_A_DAY, Mounted, NoCertificate, SelfSigned
from controller.observability.self_signed import make_pair
from controller.observability.server import serve
from tests.unit.observability.asking import ask


def put(folder: Path, name: str) -> None:
    """Write a pair for a name as a kubelet does: new files replace the old."""
    certificate, _, key = make_pair([name], 1).partition(b"-----BEGIN PRIVATE")
    for file, data in (("tls.crt", certificate), ("tls.key", b"-----BEGIN PRIVATE" + key)):
        (folder / f"{file}.new").write_bytes(data)
        os.replace(folder / f"{file}.new", folder / file)  # atomically, over what is there


def names(pem: str) -> list[str]:
    """Return the names that a certificate is for."""
    extension = x509.load_pem_x509_certificate(pem.encode()).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    return [str(each.value) for each in extension.value]


async def served(source: module.Mounted | SelfSigned) -> list[str]:
    """Return the names in the certificate that a port shows."""
    async with serve({}, "127.0.0.1", 0, source) as port:
        assert (await ask(port, "/", scheme="https"))[0] == 404
        return names(await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", port)))


async def test_one_is_made_where_there_is_none() -> None:
    """Without a certificate the port makes one for its names, in a process of its own."""
    assert await served(SelfSigned(("localhost", "pod-1", "127.0.0.1"))) == ["localhost", "pod-1", "127.0.0.1"]


def test_it_is_made_anew_long_before_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that runs for years never shows an expired certificate; if no new one can be made, the last one stays."""
    now = 0.0
    source = SelfSigned(("localhost",), lambda: now)
    first = source()
    assert source() is first
    now = RENEW_DAYS * SECONDS_A_DAY + 1.0
    monkeypatch.setattr(module, "MAKER", "controller.nothing_here")
    assert source() is first
    now += SECONDS_A_DAY
    monkeypatch.undo()
    assert source() is not first


def test_what_cannot_be_made_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any certificate, the error contains the message of the process that failed to make one."""
    monkeypatch.setattr(module, "MAKER", "controller.nothing_here")
    with pytest.raises(NoCertificate, match="nothing_here"):
        SelfSigned(("localhost",))()


async def test_mounted_files_are_read_again_when_they_change(tmp_path: Path) -> None:
    """A rotated Secret is used soon, without a restart; half a pair or a broken one leaves the last good pair in use."""
    now = 0.0
    put(tmp_path, "one")
    source = Mounted(tmp_path, lambda: now)
    assert await served(source) == ["one"]
    put(tmp_path, "two")
    assert await served(source) == ["one"]
    now += LOOK_SECONDS
    assert await served(source) == ["two"]
    (tmp_path / "tls.crt").write_text("broken")
    now += LOOK_SECONDS
    assert await served(source) == ["two"]
    (tmp_path / "tls.key").unlink()
    now += LOOK_SECONDS
    assert await served(source) == ["two"]
    put(tmp_path, "three")
    now += LOOK_SECONDS
    assert await served(source) == ["three"]


@pytest.mark.parametrize("broken", ["missing", "no pair", "another key"])
def test_files_that_are_no_pair_are_refused_at_start(tmp_path: Path, broken: str) -> None:
    """The error names the option and the files."""
    put(tmp_path, "one")
    key = (tmp_path / "tls.key").read_bytes()
    put(tmp_path, "two")
    match broken:
        case "missing":
            (tmp_path / "tls.key").unlink()
        case "no pair":
            (tmp_path / "tls.crt").write_text("x")
        case _:
            (tmp_path / "tls.key").write_bytes(key)
    with pytest.raises(NoCertificate, match=r"--metrics-cert-dir: .*tls\.crt and .*tls\.key"):
        Mounted(tmp_path)


def test_the_key_is_on_no_command_line_and_in_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The pair comes through a pipe, and the file that ssl has to read it from is deleted at once."""
    seen: list[list[str]] = []
    real = subprocess.run

    def noted(command: list[str], **options: object) -> object:
        seen.append(command)
        return real(command, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", noted)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    SelfSigned(("localhost",))()
    assert "PRIVATE" not in str(seen)
    assert list(tmp_path.iterdir()) == []
