"""The demo's first act: from a repository and a prompt to a verified branch, by `kubectl rw run`, with the real codex."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

from rich.console import Console

from controller.api.base import JsonObject
from tests.clis.cli import CODEX, KEY
from tests.cluster.kind import KindCluster
from tests.recipe_image import CODEX_AGENT, load_image
from tests.support import apply, await_that, policy_of, status
from tests.verified_branch.forge import AUTHORITY, secret, serve
from tests.verified_branch.model_thread import serving
from tests.verified_branch.project import BARE, PYTHON, git, publish
from tests.verified_branch.story import KEYS, LONG, Story

NAME, POLICY = "fix", "reaching-this-machine"
ENDS = frozenset({"Completed", "Failed", "Stopped", "Blocked"})
TOLD = """\
[bold]An agent fixes a failing test.[/] The real codex, a model that this demo scripts, and a git server of this machine.
The model's first line is wrong, and the agent is killed while its edit is not committed."""


@dataclass(slots=True)
class Act:
    """The act on a cluster: `rw` runs `kubectl rw` as a user would."""

    cluster: KindCluster
    namespace: str
    console: Console
    rw: Callable[..., str]
    began: float = field(default_factory=monotonic)
    shown: str = ""
    killed: bool = False

    def play(self) -> bool:
        """Play it, and return whether the branch has what was verified, and nothing else."""
        with ExitStack() as stack:
            folders = (Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(3))
            repositories, work, tls = folders
            host = self.cluster.gateway()[0]
            forge = stack.enter_context(serve(publish(PYTHON, repositories, work), tls, host))
            model = stack.enter_context(serving(CODEX.model(), host))
            story = Story(self.cluster, self.namespace, PYTHON, forge, CODEX, load_image(self.cluster, CODEX_AGENT), model, NAME)
            model.answer(*story.script())
            self._begin(story)
            await_that(lambda: self._look(story), "the end of the story", LONG)
            return self._end(story)

    def _begin(self, story: Story) -> None:
        policy = policy_of({"restartCooldownSeconds": 1, "networkPolicy": "Unmanaged", "caBundle": AUTHORITY}, POLICY)
        apply(self.cluster, self.namespace, policy, secret("model", {KEYS[CODEX]: KEY}), *story.forge.objects())
        words = command(story)
        self.console.print(f"\n{TOLD}")
        self.console.print(f"[bold]$ kubectl rw {typed(words)}[/]", soft_wrap=True)
        self.began = monotonic()
        self.console.print(self.rw(*words), style="dim", end="")

    def _look(self, story: Story) -> bool:
        """Print what has changed, kill the agent when its model thinks, and return whether the Run has ended."""
        if story.model.holding.is_set() and not self.killed:
            story.kill_the_agent()
            self.killed = True
            self._tell("[red]the agent's process is killed (SIGKILL), its edit is not committed[/]")
        found = status(self.cluster, self.namespace, NAME)
        words = moment(found)
        if words and words != self.shown:
            self._tell(words)
            self.shown = words
        return found.get("phase") in ENDS

    def _tell(self, words: str) -> None:
        self.console.print(f"[dim]{monotonic() - self.began:5.1f} s[/]  {words}", soft_wrap=True)

    def _end(self, story: Story) -> bool:
        if not story.forge.updates(story.branch):
            self.console.print(self.rw("describe", NAME), markup=False)
            return False
        self._tell(f"[green]from kubectl rw run to the branch {story.branch}[/]")
        for words in (("log", "--oneline", "--graph", story.branch), ("diff", "main", story.branch)):
            self.console.print(f"\n[bold]$ git {' '.join(words)}[/]")
            self.console.print(git(story.forge.bare, *words), markup=False)
        self.console.print(f"\n[bold]$ kubectl rw explain {NAME}[/]")
        self.console.print(self.rw("explain", NAME).rstrip(), soft_wrap=True, markup=False)
        story.check(story.end())
        return True


def command(story: Story) -> list[str]:
    """Return the words of `kubectl rw run` for the story."""
    repository = f"{story.forge.writing.url}/{BARE}@main"
    verify = ("--verify", " ".join(PYTHON.verify["command"]), "--verify-image", PYTHON.verify["image"])
    publication = ("--publish", story.branch, "--publish-secret", "write", "--policy", POLICY)
    agent = ("--agent", CODEX.name, "--image", story.image, "--secret", "model")
    provider = story.model_options()
    clone = ("--repo", repository, "--repo-secret", "read")
    return ["run", NAME, *agent, *clone, *verify, *publication, "Fix the failing test", "--", *provider]


def typed(words: list[str]) -> str:
    """Return the words as one types them, an option a line, without those that lead codex to this machine's model."""
    shown = words[: words.index("--")]
    lines = [shlex.join(shown[:2])]
    for word in shown[2:]:
        if word.startswith("--") or word == shown[-1]:
            lines.append(shlex.quote(word))
        else:
            lines[-1] += f" {shlex.quote(word)}"
    return " \\\n    ".join(lines)


def moment(found: JsonObject) -> str:
    """Return what a Run's status says of its agent now, in one line; empty before it has one."""
    agents = found.get("agents")
    if not agents:
        return ""
    agent = agents[0]
    verification = agent.get("verification") or {}
    phase = f"{found['phase']:<10} attempt {agent['attempt']}  {found.get('reason', '')}"
    if verification.get("result") == "Failed":
        return f"{phase}; the verification of attempt {verification['attempt']} failed"
    return phase
