"""The sources of test cluster binaries, and how leftovers of a killed run are recognized."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import binaries, dockerd, lifecycle, processes, settings
from tests.cluster.binaries import ChecksumError, download
from tests.cluster.processes import Record, start_time
from tests.cluster.progress import ClusterError
from tests.cluster.releases import release as chosen
from tests.cluster.settings import architecture

CONTENT = b"#!/bin/sh\necho kubectl\n"


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Log no requests."""


@pytest.fixture
def release(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A loopback file server laid out like the official release, and its folder."""
    folder = tmp_path / "release" / f"v{chosen().kubernetes}" / "bin/linux" / architecture()
    folder.mkdir(parents=True)
    (folder / "kubectl").write_bytes(CONTENT)
    (folder / "kubectl.sha256").write_text(hashlib.sha256(CONTENT).hexdigest())
    handler = functools.partial(QuietHandler, directory=str(tmp_path / "release"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}", folder
        server.shutdown()


def test_official_release_is_downloaded_and_runs(release: tuple[str, Path], tmp_path: Path) -> None:
    """A download with a matching checksum is installed and made executable."""
    target = tmp_path / "kubectl"
    assert download("kubectl", target, release[0])
    assert subprocess.run([target], capture_output=True, check=True).stdout == b"kubectl\n"


def test_wrong_checksum_is_an_error_and_nothing_is_used(release: tuple[str, Path], tmp_path: Path) -> None:
    """A download with a wrong checksum raises, names both digests and leaves no file."""
    (release[1] / "kubectl").write_bytes(b"something else")
    with pytest.raises(ChecksumError, match="its publisher says"):
        download("kubectl", tmp_path / "kubectl", release[0])
    assert not list(tmp_path.glob("kubectl*"))


def test_no_release_is_no_error(release: tuple[str, Path], tmp_path: Path) -> None:
    """A platform without a download falls back to the next source."""
    assert not download("kubelet", tmp_path / "kubelet", release[0])
    assert not download("kubectl", tmp_path / "kubectl", "http://127.0.0.1:1")


def test_named_assets_come_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """KUBEBUILDER_ASSETS takes precedence over all others; the cache comes before any download."""
    monkeypatch.setenv("RUNWATCHMAN_CACHE", str(tmp_path / "cache"))
    (tmp_path / "etcd").write_text("")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    (binaries.bin_dir("kwok") / "kwok").write_text("")
    assert binaries.find(["etcd", "kwok"]) == {"etcd": tmp_path / "etcd", "kwok": binaries.bin_dir("kwok") / "kwok"}


def test_only_the_very_process_is_ended(tmp_path: Path) -> None:
    """A process ID that now belongs to another process is left alone."""
    record = Record(tmp_path / "processes")
    pid = processes.start(record, "sleep", ["sleep", "60"], tmp_path / "log", keep=False)
    processes.stop(pid, "1")
    assert start_time(pid) is not None
    record.stop_all()
    assert start_time(pid) is None
    assert not record.path.exists()


def test_what_a_killed_run_left_is_cleaned_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A later run ends a cluster whose owner no longer exists; it leaves one whose owner lives or that is kept."""
    monkeypatch.setattr(lifecycle, "runtime_dir", lambda: tmp_path)
    owners = {
        "dead": {"pid": os.getpid(), "start": "1"},
        "alive": {"pid": os.getpid(), "start": start_time(os.getpid())},
        "kept": None,
    }
    for name, owner in owners.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "cluster.json").write_text(json.dumps({"provider": "api", "owner": owner}))
    left = processes.start(Record(tmp_path / "dead/processes"), "sleep", ["sleep", "60"], tmp_path / "log", keep=True)
    lifecycle.clean_up_after_the_dead()
    assert lifecycle.clusters() == ["alive", "kept"]
    assert start_time(left) is None


def test_children_end_with_a_killed_parent(tmp_path: Path) -> None:
    """A killed test run takes its control plane with it, unless the cluster was to be kept."""
    script = (
        "import os, pathlib; from tests.cluster.processes import Record, start; "
        f"print(start(Record(pathlib.Path({str(tmp_path / 'r')!r})), 's', ['sleep', '60'], pathlib.Path({str(tmp_path / 'l')!r}), "
        "keep=False), flush=True); os.kill(os.getpid(), 9)"
    )
    root = settings.HERE.parent.parent
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=root)
    assert processes.wait_until(lambda: start_time(int(done.stdout)) is None, 10)


def test_unknown_names_are_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`down` and `kubeconfig` for an unknown cluster print the remedy."""
    monkeypatch.setattr(lifecycle, "runtime_dir", lambda: tmp_path)
    with pytest.raises(ClusterError, match="no cluster named nope"):
        lifecycle.down("nope")
    with pytest.raises(ClusterError, match="up --name nope"):
        lifecycle.attach("nope")


def test_a_busybox_that_needs_libraries_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian's busybox and busybox-static install to the same path; only the static one runs in an image without libraries."""
    ran: list[list[str]] = []
    monkeypatch.setattr(dockerd, "PACKAGES", {})
    monkeypatch.setattr(dockerd, "BUSYBOX", Path(sys.executable))
    monkeypatch.setattr(dockerd, "run", lambda command, **_: ran.append(command))
    dockerd.install_packages()
    assert ran[-1][-1] == "busybox-static"
