"""The oldest supported CLIs. The other tests run the newest ones, and data/errors.jsonl has the failures of versions between."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.clis.cli import BOTH, Cli
from tests.clis.install import HERE, install_oldest
from tests.clis.model import Reply
from tests.clis.pod import Pod

DOCS = Path(__file__).parents[2] / "docs/clis.md"


@pytest.mark.parametrize("cli", BOTH, ids=lambda cli: cli.name)
async def test_a_session_is_begun_resumed_lost_and_refused(place: Path, cli: Cli) -> None:
    """All that `rw exec` needs of a CLI: prompt, tool, result, session, an unknown session, and a failure with its code."""
    pod = Pod(place / "workspace", place / "runwatchman", f"{install_oldest()}:{os.environ['PATH']}")
    replies = (Reply(command="echo made >made"), Reply(text="begun"), Reply(text="resumed"), Reply(text="from the start"))
    async with cli.model(*replies, Reply(status=529, error="overloaded_error")).serve() as model:
        cli.equip(pod, model)
        assert (await pod.run(*cli.arguments(model))).code == 0
        assert (pod.workspace / "made").exists()
        pod.begin(1)
        assert (await pod.run(*cli.arguments(model))).code == 0
        assert "begun" in model.said()
        shutil.rmtree(pod.state / cli.name)
        pod.begin(2)
        assert (await pod.run(*cli.arguments(model))).code == 0
        assert pod.results()[-1]["summary"] == "from the start"
        pod.begin(3)
        assert (await pod.run(*cli.arguments(model))).code == 75


def test_the_docs_name_the_versions_that_are_tested() -> None:
    """The page promises no version that nobody runs."""
    for folder in (HERE, HERE / "oldest"):
        for version in json.loads((folder / "package.json").read_text())["dependencies"].values():
            assert version in DOCS.read_text()
