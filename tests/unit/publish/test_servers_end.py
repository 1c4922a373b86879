"""The tests' own servers end with the tests, however those end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.cluster.processes import wait_until
from tests.git_servers import LOOPBACK

SERVE = """
import sys, time
from pathlib import Path
from tests.git_servers import ssh_git
with ssh_git(Path("/"), Path(sys.argv[1])) as server:
    print(server.url.split(":")[2].split("/")[0], flush=True)
    sys.stdin.read()
"""
END_SECONDS = 60.0


def test_sshd_ends_with_a_killed_test_run(tmp_path: Path) -> None:
    """A run that is killed has no time to stop its sshd."""
    command = [sys.executable, "-c", SERVE, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout
        port = int(run.stdout.readline())
        assert answers(port)
        os.kill(run.pid, signal.SIGKILL)
        run.wait()
    assert wait_until(lambda: not answers(port), END_SECONDS)


def answers(port: int) -> bool:
    """Whether something listens on a port of loopback."""
    with socket.socket() as client:
        return client.connect_ex((LOOPBACK, port)) == 0
