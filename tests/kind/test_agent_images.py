"""The ready images for agents at work: the real CLIs edit a file, commit it and finish, in a namespace that enforces `restricted`.

Their models answer from this machine, at the gateway of kind's network.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
import yaml

from controller.api.base import JsonObject
from controller.api.pod_policy import AGENT_USER
from tests.buildah import SLIM, base_archive, has_buildah
from tests.clis.cli import CLAUDE, CODEX, KEY, Cli
from tests.clis.model import Model, Reply
from tests.cluster import Cluster
from tests.cluster.kind import KindCluster
from tests.kind.installed import Installed
from tests.kind.stage import LONG
from tests.recipe_image import AGENTS, CLAUDE_AGENT, CODEX_AGENT, ROOT, Recipe, load_image, recipe_archive
from tests.skipping import cannot_run
from tests.support import apply, await_phase, policy_of, run_of

EXAMPLES = ROOT / "manifests/examples/agents"
TMP = "/tmp"  # noqa: S108  # the container's own
RANDOM_USER = 1000680000
"""A user as OpenShift gives one to a namespace: the image has no name for it, and its group is not 0."""
SSH_SAYS = {AGENT_USER: "OpenSSH", RANDOM_USER: f"No user exists for uid {RANDOM_USER}"}
"""The users of the two forms: ssh works only for one that has a name, as docs/clis.md says."""
OVER_BASE_MIB = 600
KEYS = {CODEX: "OPENAI_API_KEY", CLAUDE: "ANTHROPIC_API_KEY"}
ENFORCED = "pod-security.kubernetes.io/enforce=restricted"
REACHING_US: JsonObject = {"networkPolicy": "Unmanaged"}
"""The managed NetworkPolicy lets agents reach no private address, and the gateway is one."""
WORK = """git init --quiet repo && mv greeting.txt repo && cd repo && git add . && git commit --quiet --message Greet
git log --format='%an did: %s'
echo "by $(id -u), found $(rg --count greeting ./), tools:$(command -v cc gcc make npm node)."
ssh -V"""
PROGRAM = 'text(await tools.exec_command({cmd: "echo $((6 * 7)) times"}))'
"""Commands whose output shows the work: none of its words, expanded, is in the commands."""

both = pytest.mark.parametrize(("recipe", "cli"), [(CODEX_AGENT, CODEX), (CLAUDE_AGENT, CLAUDE)], ids=lambda each: each.name)


def script(cli: Cli) -> tuple[Reply, ...]:
    """Return the model's answers: it creates a file by the CLI's own tool, runs commands, and is done."""
    edit, work = Reply(file="/workspace/greeting.txt", text="a greeting"), Reply(command=f"{WORK}; {cli.name} --version")
    return edit, work, Reply(javascript=PROGRAM if cli is CODEX else "", command="echo $((6 * 7)) times"), Reply(text="greeted")


def example(cli: Cli) -> JsonObject:
    """Return the command and the Secret of the agent in the CLI's example."""
    agent = yaml.safe_load((EXAMPLES / f"{cli.name}.yaml").read_text())["spec"]["agents"][0]
    (container,) = agent["template"]["spec"]["containers"] if "template" in agent else (agent,)
    return {"command": container["command"], "envFrom": container["envFrom"]}


def container(cli: Cli, image: str, model: Model) -> JsonObject:
    """Return the container of the CLI's example, with the address of a model."""
    found = {**example(cli), "image": image}
    if cli is CLAUDE:
        return {**found, "env": [{"name": "ANTHROPIC_BASE_URL", "value": model.url}]}
    provider = f'{{name="stub", base_url="{model.url}", env_key="{KEYS[CODEX]}", wire_api="responses"}}'
    return {**found, "command": [*found["command"], "-c", "model_provider=stub", "-c", f"model_providers.stub={provider}"]}


def plain(cli: Cli, image: str, model: Model) -> JsonObject:
    """Return an agent of the short form; claude's has the image's own command, as its needs no argument."""
    found = container(cli, image, model)
    return {key: value for key, value in found.items() if key != "command" or cli is not CLAUDE}


def sealed(cli: Cli, image: str, model: Model) -> JsonObject:
    """Return an agent with a read-only root, under a user that the image does not know."""
    closed = {"name": "agent", "securityContext": {"readOnlyRootFilesystem": True}}
    mounts = [{"name": "tmp", "mountPath": TMP}]
    spec = {"securityContext": {"runAsUser": RANDOM_USER}, "volumes": [{"name": "tmp", "emptyDir": {}}]}
    return {"template": {"spec": {**spec, "containers": [{**container(cli, image, model), **closed, "volumeMounts": mounts}]}}}


FORMS = (plain, sealed)


@both
async def test_the_cli_works(kind_cluster: Cluster, reporting: Installed, namespace: str, recipe: Recipe, cli: Cli) -> None:
    """In the short form, and with a read-only root under a random user: the CLI's own tool creates a file, git commits it, ripgrep
    finds it, and the Run completes. The image has no tools of a build.
    """
    if not isinstance(kind_cluster, KindCluster):
        cannot_run("needs a model that pods reach: on nodes of our own they reach this machine's")
    image = load_image(kind_cluster, recipe)
    kind_cluster.kubectl("label", "namespace", namespace, ENFORCED)
    name = example(cli)["envFrom"][0]["secretRef"]["name"]
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {KEYS[cli]: KEY}}
    apply(kind_cluster, namespace, policy_of(REACHING_US), secret)
    async with AsyncExitStack() as stack:
        address, _ = kind_cluster.gateway()
        models = [await stack.enter_async_context(cli.model(*script(cli)).serve(address)) for _ in FORMS]
        agents = {form.__name__: form(cli, image, model) for form, model in zip(FORMS, models, strict=True)}
        apply(kind_cluster, namespace, *(run_of(form, {**each, "workspace": {}}, brief="Greet") for form, each in agents.items()))
        for form in agents:
            found = await asyncio.to_thread(await_phase, kind_cluster, namespace, form, "Completed", "Blocked", seconds=LONG)
            assert (found["phase"], found["restarts"]) == ("Completed", 0), found
            assert found["agents"][0]["result"]["summary"] == "greeted"
    for model, (user, ssh) in zip(models, SSH_SAYS.items(), strict=True):
        assert {key.rpartition(" ")[2] for key in model.keys} == {KEY}
        told = model.said()
        for shown in ("agent did: Greet", f"by {user}, found ./greeting.txt:1, tools:.", ssh, "42 times", recipe.version()):
            assert shown in told, told


@pytest.mark.parametrize("recipe", AGENTS, ids=lambda each: each.name)
def test_the_image_is_small_for_its_cli(recipe: Recipe) -> None:
    """Most of the image is the CLI's own program."""
    if not has_buildah():
        cannot_run("needs buildah: elsewhere the base is another")
    over_base = (recipe_archive(recipe).stat().st_size - base_archive(SLIM).stat().st_size) / (1 << 20)
    assert 0 < over_base < OVER_BASE_MIB
