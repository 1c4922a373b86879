"""The story again and again while the operator gets SIGKILL at random moments, with a table in Markdown at the end.

scripts/run python -m tests.verified_branch [--times N] [--kills N] [--seed S] [--cli codex|claude] [--cluster NAME]
"""

from __future__ import annotations

import random
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic

import click

from tests.chaos.killing import Killer
from tests.chaos.series import teller
from tests.clis.cli import BOTH
from tests.cluster.kind import KindCluster
from tests.installed_cluster import installed_cluster
from tests.recipe_image import AGENTS, GIT, load_image
from tests.reporter_image import load_reporter_image
from tests.support import OperatorProcess
from tests.verified_branch.forge import serve
from tests.verified_branch.model_thread import serving
from tests.verified_branch.project import PYTHON, SHELL, publish
from tests.verified_branch.story import Story

NAMESPACE = "stories"
HEAD = """\
| time | kills | at a step | seconds | pushes | differences |
|---|---|---|---|---|---|"""
CLIS = {cli.name: (cli, project, recipe) for cli, project, recipe in zip(BOTH, (PYTHON, SHELL), AGENTS, strict=True)}


@click.command()
@click.option("--times", default=30, show_default=True, help="Repetitions of the story.")
@click.option("--kills", default=40, show_default=True, help="Most SIGKILLs of the operator in one repetition.")
@click.option("--seed", type=int, help="Seed for the moments; printed if it is not given.")
@click.option("--cli", "name", default="codex", show_default=True, type=click.Choice(list(CLIS)), help="The agent's CLI.")
@click.option("--cluster", "there", help="A kind cluster that `python -m tests.cluster up` has left; else one is made.")
def main(times: int, kills: int, seed: int | None, name: str, there: str | None) -> None:
    """Play the story often, and compare each branch with what was verified."""
    seed = random.randrange(2**32) if seed is None else seed  # noqa: S311  # no secret
    tell = teller()
    tell(f"seed {seed}")
    rows, good = [], True
    with ExitStack() as stack:
        cluster = stack.enter_context(installed_cluster(there))
        assert isinstance(cluster, KindCluster), "only on nodes of our own do pods reach the servers of this machine"
        operator = stack.enter_context(_operator(cluster))
        theatre = stack.enter_context(_theatre(cluster, name))
        for time in range(times):
            row, found = _play(theatre, Killer(operator, f"{seed}/{time}", tell), time, kills, tell)
            rows.append(row)
            good &= found
    click.echo("\n".join([HEAD, *rows]))
    sys.exit(0 if good else 1)


Theatre = Callable[[int], Story]
"""Returns the story of a repetition, with a model of its own."""


def _play(theatre: Theatre, killer: Killer, time: int, kills: int, tell: Callable[[str], None]) -> tuple[str, bool]:
    """Play the story once while the killer works; return its row of the table, and whether it ended as it must."""
    story, over, began, fault = theatre(time), threading.Event(), monotonic(), "none"
    with serving(story.model, story.cluster.gateway()[0]):
        story.model.answer(*story.script())
        (at_work := threading.Thread(target=killer.work, args=(kills, over))).start()
        try:
            story.begin()
            story.kill_the_agent()
            story.check(story.end())
            story.check_tree()
        except AssertionError as error:
            fault = " ".join(str(error).split())[:FAULT_TEXT] or "an assertion without words"
        finally:
            over.set()
            at_work.join()
    seconds, toll = monotonic() - began, killer.toll
    tell(f"time {time}: {toll.kills} kills, {seconds:.0f} s, differences: {fault}")
    pushes = len(story.forge.updates(story.branch))
    return f"| {time} | {toll.kills} | {toll.at_a_step} | {seconds:.0f} | {pushes} | {fault} |", fault == "none"


FAULT_TEXT = 300


@contextmanager
def _theatre(cluster: KindCluster, name: str) -> Iterator[Theatre]:
    cli, project, recipe = CLIS[name]
    image = load_image(cluster, recipe)
    cluster.kubectl("create", "namespace", NAMESPACE)
    with ExitStack() as stack:
        repositories, work, tls = (Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(3))
        bare = publish(project, repositories, work)
        forge = stack.enter_context(serve(bare, tls, cluster.gateway()[0]))

        def story(time: int) -> Story:
            return Story(cluster, NAMESPACE, project, forge, cli, image, cli.model(), f"fix{time}")

        yield story
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@contextmanager
def _operator(cluster: KindCluster) -> Iterator[OperatorProcess]:
    options = ("--reporter-image", load_reporter_image(cluster), "--git-image", load_image(cluster, GIT))
    with OperatorProcess(cluster, *options, "--log-level", "debug") as operator:
        yield operator


if __name__ == "__main__":
    main()
