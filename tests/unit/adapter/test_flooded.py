"""The adapter's port under a flood: probes and consultations over the socket are still answered."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from controller.adapter.client import SocketAdvisor
from controller.adapter.contract import Ended
from tests.flood import flooded
from tests.support import ask, await_that, eventually
from tests.unit.adapter.failures import FAST
from tests.unit.adapter.scripts import request

CONNECTIONS, SECONDS = 2000, 4.0


class Adapter(NamedTuple):
    """A running adapter: its socket and its health port."""

    path: Path
    port: int


@pytest.fixture
def adapter(tmp_path: Path) -> Iterator[Adapter]:
    """Run the real program."""
    path, log = tmp_path / "a.sock", tmp_path / "log"
    command = [sys.executable, "-m", "tests.unit.adapter.serve", f"--socket={path}", "--health-port=0"]
    with log.open("wb") as lines, subprocess.Popen(command, stderr=lines) as process:
        try:
            await_that(lambda: path.exists() or process.poll() is not None, "the adapter listens")
            said = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
            [port] = [line["port"] for line in said if line["event"] == "listening"]
            yield Adapter(path, port)
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait() == 0


@pytest.mark.parametrize("kind", ["silent", "slow", "nonsense"])
async def test_a_flood_costs_neither_probes_nor_advice(adapter: Adapter, kind: str) -> None:
    """While thousands of connections are held, the health port answers, and so does the socket."""
    with flooded(adapter.port, kind, CONNECTIONS, SECONDS) as attacker:
        while attacker.poll() is None:
            await eventually(lambda: ask(f"http://127.0.0.1:{adapter.port}/livez")[0] == 200, "an answer of /livez")
            reply = await SocketAdvisor(adapter.path).consult(request(FAST.name))
            assert reply.ended is not Ended.UNREACHABLE
