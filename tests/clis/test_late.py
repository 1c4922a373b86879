"""`rw-exec` on a busy machine, where its forked processes begin late: it ends all the same, and TERM is never lost."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clis.pod import finish, terminate
from tests.clis.stub import SLEEPER, Stubbed, with_stubs
from tests.skipping import cannot_run
from tests.support import eventually

SOURCE = Path(__file__).with_name("late.c")
SHELLS = {"dash": ("dash",), "bash": ("bash", "--posix")}
"""Debian's busybox is static, so that its forks cannot be delayed by a library; it is one of the shells of test_script.py."""
FORKS = 32
"""More than the script has in any shell, so that each fork is late once."""
FEWEST_FORKS = 6
"""The number of forks before the CLI begins, in a shell with the fewest."""
AT_ONCE = 4
"""Few enough that TERM comes while the child is late."""
TERMINATED = {143, 9}
"""The code of a CLI that was ended before it began, and the sleeper's own."""


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that makes a child late."""
    if not shutil.which("cc"):
        cannot_run("needs a C compiler: install Debian's gcc and libc6-dev")
    library = tmp_path_factory.mktemp("late") / "late.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl"], check=True)
    return library


def each_fork(place: Path, late: Path, shell: str) -> list[Stubbed]:
    """Return a pod for each fork of the script whose child may be late."""
    pods = []
    for fork in range(1, FORKS + 1):
        folder = place / str(fork)
        (folder / "workspace").mkdir(parents=True)
        environment = (f"LD_PRELOAD={late}", f"LATE={fork}", f"LATE_BEGUN={folder / 'begun'}")
        pods.append(with_stubs(folder, ("env", *environment, *SHELLS[shell])))
    return pods


@pytest.mark.parametrize("shell", SHELLS)
async def test_late_party_does_not_change_the_end(place: Path, late: Path, shell: str) -> None:
    """No process waits for the end of a pipe that no other will open, and no handler runs in the wrong process."""
    pods = each_fork(place, late, shell)
    ends = await asyncio.gather(*(stub.pod.run("codex") for stub in pods))
    assert {number: (end.code, end.errors) for number, end in enumerate(ends, 1) if (end.code, end.errors) != (0, "")} == {}
    assert sum((stub.folder.parent / "begun").exists() for stub in pods) >= FEWEST_FORKS


@pytest.mark.parametrize("shell", SHELLS)
async def test_late_party_still_gets_term(place: Path, late: Path, shell: str) -> None:
    """TERM while a child is late ends a CLI that would never end by itself, whether it has begun or not."""
    pods = each_fork(place, late, shell)
    turns = asyncio.Semaphore(AT_ONCE)
    codes = dict(enumerate(await asyncio.gather(*(_terminated(stub, turns) for stub in pods)), 1))
    assert {number: code for number, code in codes.items() if code is not None and code not in TERMINATED} == {}
    assert sum(code is not None for code in codes.values()) >= FEWEST_FORKS


async def _terminated(stub: Stubbed, turns: asyncio.Semaphore) -> int | None:
    """Return the code of a script that got TERM while a child of it was late; None where it forked less often."""
    stub.becomes(SLEEPER)
    begun, started = stub.folder.parent / "begun", stub.folder / "arguments"
    async with turns:
        process = await stub.pod.start("codex")
        await eventually(lambda: begun.exists() or started.exists(), "neither a late child nor the CLI began")
        was_late = begun.exists()
        terminate(process)
        code = (await finish(process)).code
    return code if was_late else None
