"""`kubectl rw web`: where kubectl's proxy is, and the errors before anything is served."""

from __future__ import annotations

import os
import socket
import stat
import webbrowser
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest

from controller.cli.web.api_access import ApiServer
from controller.cli.web.local_server import OneTimeKey, endpoint
from tests.unit.rw.fake import FakeKubectl


def test_the_proxy_is_at_a_socket_or_below_a_secret_path() -> None:
    """On Windows there is no socket that Python can use; the path is what keeps others on the machine out."""
    assert endpoint("Starting to serve on /tmp/x/api.sock", "/tmp/x/api.sock") == ApiServer("http://localhost", "/tmp/x/api.sock")  # noqa: S108
    assert endpoint("Starting to serve on 127.0.0.1:4321", "/secret/") == ApiServer("http://127.0.0.1:4321/secret")


def test_a_key_opens_once() -> None:
    """A wrong key does not use it up."""
    key = OneTimeKey("right")
    assert [key.use(given) for given in ("wrong", "", "ä", "right", "right")] == [False, False, False, True, False]
    assert "right" not in repr(key)


def test_a_taken_port_and_a_proxy_that_fails_are_errors_of_one_line(tmp_path: Path) -> None:
    """Nothing is left running, and the message is kubectl's own."""
    kubectl = FakeKubectl(tmp_path / "kubectl")
    kubectl.answers(("proxy*", "", 'error: context "x" does not exist', 1), ("config*", "", "", 0))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        refused = kubectl.run("web", "--no-browser", "--port", str(taken.getsockname()[1]))
    assert (refused.exit_code, "name another with --port" in refused.stderr) == (1, True)
    failed = kubectl.run("web", "--no-browser")
    assert (failed.exit_code, failed.stderr) == (1, 'error: context "x" does not exist\n')
    both = kubectl.run("web", "-A", "-n", "x")
    assert (both.exit_code, both.stderr) == (1, "error: -A and -n exclude each other; give one of them\n")


def test_the_address_is_in_no_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser is started with a file that its user alone can read. It leads to the printed address, and is gone with the page."""
    started: list[tuple[str, Path, str, int]] = []

    def start(url: str) -> bool:
        file = Path(url2pathname(urlsplit(url).path))
        started.append((url, file, file.read_text(), stat.S_IMODE(file.stat().st_mode)))
        return True

    monkeypatch.setattr(webbrowser, "open", start)
    kubectl = FakeKubectl(tmp_path / "kubectl")
    kubectl.answers(("proxy*", "Starting to serve on /x/api.sock\n", "", 0), ("config*", "", "", 0))
    address = kubectl.run("web").stdout.strip()
    [(url, file, html, mode)] = started
    assert address.rpartition("/")[2] not in url
    assert f'content="0;url={address}"' in html
    assert mode == 0o600 or os.name != "posix"
    assert not file.exists()


@pytest.mark.parametrize("words", [("--port", "70000"), ("--port", "x")], ids=" ".join)
def test_a_port_that_is_none_is_refused(tmp_path: Path, words: tuple[str, str]) -> None:
    """The message names the option."""
    assert "--port" in FakeKubectl(tmp_path / "kubectl").run("web", *words).stderr
