"""The cost of a consultation through the adapter compared with the bare CLI, in turn against one model on loopback, and the
adapter's memory.

scripts/run python -m tests.bench.consult [--count N]
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import click
import yaml

from controller.adapter.client import SocketAdvisor
from controller.adapter.contract import Ended, Request
from controller.adapter.presets.codex import CREDENTIALS, Codex
from controller.adapter.process import environment
from tests.clis.install import install
from tests.clis.model import Model, Reply
from tests.clis.test_advice import GOOD, SCHEMA, provider
from tests.clis.test_advice import SERVERS as MODELS
from tests.cluster.processes import wait_until

KIB = 1024
SECONDS = 60


@click.command()
@click.option("--count", default=20, show_default=True, help="Consultations each way.")
def main(count: int) -> None:
    """Measure the real codex CLI, bare and through `runwatchman adapter`."""
    clis = install()
    with tempfile.TemporaryDirectory(dir=Path.home()) as folder:
        os.environ |= {"PATH": f"{clis}:{os.environ['PATH']}", "TEST_KEY": "key", "TMPDIR": folder}
        tempfile.tempdir = folder
        asyncio.run(_measure(Path(folder), count))


async def _measure(folder: Path, count: int) -> None:
    async with MODELS["codex"](*[Reply(text=GOOD)] * (2 * count)).serve() as model:
        with ExitStack() as stack:
            process, advisor = _adapter(stack, folder, model)
            pairs = [(await asyncio.to_thread(_bare, folder, model), await _asked(advisor)) for _ in range(count)]
            resident = _resident(process.pid)
    bare, asked = median([pair[0] for pair in pairs]), median([pair[1] for pair in pairs])
    ratio = median([through / alone for alone, through in pairs])
    click.echo("| codex, model on loopback | median s |\n|---|---|")
    click.echo(f"| bare | {bare:.3f} |\n| through the adapter's socket | {asked:.3f} |\n| ratio, pair by pair | {ratio:.2f} |")
    click.echo(f"adapter's resident memory after {count} consultations: {resident / KIB:.1f} MiB")


def _adapter(stack: ExitStack, folder: Path, model: Model) -> tuple[subprocess.Popen[bytes], SocketAdvisor]:
    commands, socket = folder / "commands.yaml", folder / "adapter.sock"
    codex = {"preset": "codex", "args": list(provider(model)), "environment": ["TEST_KEY"]}
    commands.write_text(yaml.safe_dump({"commands": {"codex": codex}}))
    options = ["--socket", str(socket), "--commands", str(commands), "--metrics-port", "-1", "--health-port", "-1"]
    process = subprocess.Popen([sys.executable, "-m", "controller", "adapter", *options], stderr=subprocess.DEVNULL)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    assert wait_until(socket.exists, SECONDS)
    return process, SocketAdvisor(socket)


def _request() -> Request:
    return Request("codex", "gpt-5.5", SECONDS, 400, "team", "uid", {}, "What now?", SCHEMA)


async def _asked(advisor: SocketAdvisor) -> float:
    started = time.perf_counter()
    reply = await advisor.consult(_request())
    assert reply.ended is Ended.ANSWERED, reply.detail
    return time.perf_counter() - started


def _bare(folder: Path, model: Model) -> float:
    """Run the adapter's exact command line, in a folder of its own."""
    preset = Codex("codex", provider(model), CREDENTIALS | {"TEST_KEY"})
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        run = preset.invocation(_request(), Path(scratch))
        env = dict(environment(os.environ, preset.kept_environment)) | dict(run.environment)
        started = time.perf_counter()
        done = subprocess.run(run.argv, input=run.stdin, env=env, cwd=scratch, capture_output=True, check=False)
        spent = time.perf_counter() - started
    assert done.returncode == 0, done.stderr
    return spent


def _resident(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS:")))


if __name__ == "__main__":
    main()
