"""The story: a Run whose agent is killed in the middle, claims success too early, is told why, and gets its branch."""

from __future__ import annotations

from dataclasses import dataclass

from controller.api.base import JsonObject
from tests.clis.cli import CLAUDE, CODEX, KEY, Cli
from tests.clis.model import End, Model, Reply
from tests.cluster.kind import KindCluster
from tests.support import apply, await_phase, await_that, get, items, policy_of, run_of
from tests.verified_branch.forge import Forge, secret
from tests.verified_branch.project import MAIN, Project, git

KEYS = {CODEX: "OPENAI_API_KEY", CLAUDE: "ANTHROPIC_API_KEY"}
LONG = 300.0
POLICY: JsonObject = {"restartCooldownSeconds": 1}
AGENT = "coder"
CLAIM = "all tests pass"
"""What the agent says of both lines."""


@dataclass(frozen=True)
class Story:
    """One Run of the story: its cluster, its repository, its agent's CLI with image and model."""

    cluster: KindCluster
    namespace: str
    project: Project
    forge: Forge
    cli: Cli
    image: str
    model: Model
    name: str = "fix"

    @property
    def branch(self) -> str:
        """The branch that the Run publishes."""
        return f"runwatchman/{self.name}"

    def run(self) -> JsonObject:
        """Return the Run."""
        agent = {
            "name": AGENT,
            "image": self.image,
            **self._command(),
            "envFrom": [{"secretRef": {"name": "model"}}],
            "workspace": self.forge.workspace(),
            "verify": self.project.verify,
            "publish": self.forge.publish("runwatchman/{run}"),
        }
        return run_of(self.name, agent, brief="Fix the failing test")

    def _command(self) -> JsonObject:
        if self.cli is CLAUDE:
            return {"command": ["rw", "exec", "claude"], "env": [{"name": "ANTHROPIC_BASE_URL", "value": self.model.url}]}
        return {"command": ["rw", "exec", "codex", *self.model_options()]}

    def model_options(self) -> list[str]:
        """Return codex's options that lead it to the model."""
        provider = f'{{name="stub", base_url="{self.model.url}", env_key="{KEYS[CODEX]}", wire_api="responses"}}'
        return ["-c", "model_provider=stub", "-c", f"model_providers.stub={provider}"]

    def edit(self, line: str) -> Reply:
        """Return the model's answer that makes the agent write a line: by codex's own tool for files, by claude's shell."""
        path = f"/workspace/{self.project.edited}"
        if self.cli is CODEX:
            return Reply(file=path, text=line)
        return Reply(command=f"cat >{path} <<'LINE'\n{line}\nLINE")

    def script(self) -> tuple[Reply, ...]:
        """Return the model's answers: it edits and thinks, is killed, claims success, is told why not, edits and claims again."""
        thinks, claims = Reply(text="let me think", end=End.HELD), Reply(text=CLAIM)
        return self.edit(self.project.wrong), thinks, claims, self.edit(self.project.right), claims

    def begin(self) -> None:
        """Apply the Run and what it needs."""
        key = secret("model", {KEYS[self.cli]: KEY})
        apply(self.cluster, self.namespace, policy_of(POLICY), key, *self.forge.objects(), self.run())

    def kill_the_agent(self) -> None:
        """Kill the agent's first process with SIGKILL on its node, while its model thinks and its edit is not committed."""
        await_that(self.model.holding.is_set, "the agent to wait for its model", LONG)
        pod = get(self.cluster, self.namespace, "pod", f"{self.name}-{AGENT}-r0")
        found = next(each for each in pod["status"]["containerStatuses"] if "reporter" not in each["name"])
        victim = found["containerID"].removeprefix("containerd://")
        self.cluster.on_node(pod["spec"]["nodeName"], "ctr", "-n", "k8s.io", "tasks", "kill", "-s", "SIGKILL", "--all", victim)

    def end(self) -> JsonObject:
        """Wait for the Run's end, which must be Completed, and return its status."""
        found = await_phase(self.cluster, self.namespace, self.name, "Completed", "Blocked", "Failed", seconds=LONG)
        assert found["phase"] == "Completed", found
        return found

    def check(self, found: JsonObject) -> None:
        """Check the branch: set once, to one commit on the main branch, with the right line and nothing else changed."""
        (agent,), bare = found["agents"], self.forge.bare
        (commit,) = self.forge.updates(self.branch)
        assert (agent["published"]["commit"], agent["published"]["branch"]) == (commit, self.branch)
        assert git(bare, "rev-parse", f"{commit}^") == self.forge.head(MAIN) == agent["source"]["revision"]
        assert git(bare, "diff", "--name-only", MAIN, commit).split() == [self.project.edited]
        assert git(bare, "show", f"{commit}:{self.project.edited}") == self.project.right
        assert (agent["verification"]["result"], agent["attempt"], found["restarts"]) == ("Passed", 2, 2)

    def check_tree(self) -> None:
        """Check that the branch has the very tree that was verified, as the verification's pod says."""
        pods = items(self.cluster, self.namespace, "pods")
        (verified,) = (pod for pod in pods if pod["metadata"]["name"].startswith(f"{self.name}-{AGENT}-r2-verify"))
        (copied,) = verified["status"]["initContainerStatuses"]
        published = git(self.forge.bare, "rev-parse", f"{self.branch}^{{tree}}")
        assert copied["state"]["terminated"]["message"].split() == ["tree", published]
