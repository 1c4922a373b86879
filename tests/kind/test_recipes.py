"""The recipes of docs/recipes.md that need real containers: a Job that creates a Run, a runtime class, a sidecar that has the
agent's key.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path

from controller.api.base import JsonObject
from tests.buildah import SLIM, base_image, buildah, has_buildah, push
from tests.clis.model import Reply, Responses
from tests.cluster import Cluster
from tests.cluster.kind import KindCluster
from tests.image import kept
from tests.kind.installed import Installed
from tests.kind.stage import LONG
from tests.recipe_image import CODEX_AGENT, load_image
from tests.recipes import of_kind, recipe
from tests.skipping import cannot_run
from tests.support import apply, await_phase, await_that, get, items, policy_of, run_of

ENFORCED = "pod-security.kubernetes.io/enforce=restricted"
REACHING_US: JsonObject = {"networkPolicy": "Unmanaged"}
"""The managed NetworkPolicy lets agents reach no private address, and the gateway is one."""
KEY = "sk-a-key-of-the-sidecar"
NGINX = "docker.io/nginxinc/nginx-unprivileged:1.29"
PROVIDER = "https://api.openai.com"
WITH_NGINX = """ARG BASE
FROM ${BASE}
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends nginx-light
"""
WITH_KUBECTL = """FROM scratch
COPY kubectl /bin/kubectl
ENV PATH=/bin
"""
SEARCH = """for process in /proc/[0-9]*; do
  cat $process/comm
  for file in environ mem root/credentials/authorization.conf cwd/credentials/authorization.conf; do cat $process/$file; done
  ls $process/fd $process/root/credentials
done 2>&1; kill $(cat /tmp/nginx.pid) 2>&1; env; cat /credentials/* 2>&1; echo searched $((6 * 7)) times"""
"""A command that looks for the key in every process of the pod, as the agent."""


def load_stand_in(cluster: KindCluster, image: str, containerfile: str, *files: Path) -> None:
    """Load an image of this name that buildah makes; with another engine the node pulls the real one."""
    if not has_buildah():
        return

    def build(path: Path) -> None:
        with tempfile.TemporaryDirectory() as scratch:
            for file in files:
                shutil.copy(file, scratch)
            (recipe_file := Path(scratch) / "Containerfile").write_text(containerfile)
            flags = ["--timestamp", "0", "--layers", "--pull-never", "--build-arg", f"BASE={base_image(SLIM)}"]
            buildah("bud", "--quiet", *flags, "-f", str(recipe_file), "--tag", image, scratch)
        push(image, path)

    name = image.rpartition("/")[2].partition(":")[0].replace("-", "")
    digest = hashlib.sha256(f"{image}\n{containerfile}\n{files}".encode()).hexdigest()[:12]
    cluster.load(kept(f"{name}-{digest}.tar", build, f"building the image {name}", "20 s"))


def test_a_run_each_night(kind_cluster: Cluster, reporting: Installed, namespace: str) -> None:
    """A Job of the CronJob creates a Run in a namespace that enforces `restricted`, by kubectl in a pod, and the Run completes."""
    if not isinstance(kind_cluster, KindCluster):
        cannot_run("needs an image with kubectl, which is loaded on nodes of our own")
    kind_cluster.kubectl("label", "namespace", namespace, ENFORCED)
    objects = recipe("A Run each night", namespace)
    (container,) = of_kind(objects, "CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    load_stand_in(kind_cluster, container["image"], WITH_KUBECTL, kind_cluster.kubectl_path)
    apply(kind_cluster, namespace, *objects)
    kind_cluster.kubectl("-n", namespace, "create", "job", "tonight", "--from=cronjob/nightly")
    (run,) = await_that(lambda: items(kind_cluster, namespace, "runs"), "the Run")
    assert run["metadata"]["name"].startswith("nightly-")
    await_phase(kind_cluster, namespace, run["metadata"]["name"], "Completed")
    await_that(lambda: get(kind_cluster, namespace, "job", "tonight")["status"].get("succeeded") == 1, "the Job's end")


def test_a_runtime_class_of_the_policy(kind_cluster: Cluster, reporting: Installed, namespace: str) -> None:
    """With the handler of the usual runtime in place of a sandbox's: the kubelet runs the agent by the class, with its reporter."""
    sandbox, policy = recipe("A sandbox: gVisor or Kata", namespace)
    apply(kind_cluster, namespace, {**sandbox, "handler": "runc"}, policy, run_of("boxed"))
    try:
        await_phase(kind_cluster, namespace, "boxed", "Completed")
        pod = get(kind_cluster, namespace, "pod", "boxed-coder-r0")
        assert pod["spec"]["runtimeClassName"] == sandbox["metadata"]["name"]
    finally:
        kind_cluster.kubectl("delete", "runtimeclass", sandbox["metadata"]["name"])


def keyless(namespace: str, name: str, url: str) -> list[JsonObject]:
    """Return the recipe's objects, with a Run of this name, and a model of ours in place of the provider."""
    objects = recipe("A key that the agent never holds", namespace)
    ours: list[JsonObject] = json.loads(json.dumps(objects).replace(PROVIDER, url).replace("Bearer KEY", f"Bearer {KEY}"))
    renamed = {"Secret": f"{name}-secret", "ConfigMap": f"{name}-config", "Run": name}
    for each in ours:
        each["metadata"]["name"] = renamed[each["kind"]]
    volumes = {volume["name"]: volume for volume in pod_of(ours)["volumes"]}
    volumes["credentials"]["secret"]["secretName"] = renamed["Secret"]
    volumes["model-proxy"]["configMap"]["name"] = renamed["ConfigMap"]
    return ours


def pod_of(objects: list[JsonObject]) -> JsonObject:
    """Return the pod's template of the recipe's agent."""
    (agent,) = of_kind(objects, "Run")["spec"]["agents"]
    spec: JsonObject = agent["template"]["spec"]
    return spec


async def test_a_key_that_the_agent_never_holds(kind_cluster: Cluster, reporting: Installed, namespace: str) -> None:
    """The real CLI works through the sidecar, which adds the key. The agent sees the sidecar's processes, and the key in none.

    With a sidecar of the agent's own user the same search does find it.
    """
    if not isinstance(kind_cluster, KindCluster):
        cannot_run("needs a model that pods reach: on nodes of our own they reach this machine's")
    kind_cluster.kubectl("label", "namespace", namespace, ENFORCED)
    address, _ = kind_cluster.gateway()
    image = load_image(kind_cluster, CODEX_AGENT)
    load_stand_in(kind_cluster, NGINX, WITH_NGINX)
    async with AsyncExitStack() as stack:
        models: dict[str, Responses] = {}
        for name in ("keyless", "careless"):
            script = Responses(Reply(command=SEARCH), Reply(text="greeted"))
            models[name] = await stack.enter_async_context(script.serve(address))
            objects = keyless(namespace, name, models[name].url)
            pod = pod_of(objects)
            pod["containers"][0]["image"] = image
            (sidecar,) = pod["initContainers"]
            assert sidecar["image"] == NGINX
            if name == "careless":
                del sidecar["securityContext"]["runAsUser"]
            apply(kind_cluster, namespace, policy_of(REACHING_US), *objects)
        for name in models:
            found = await asyncio.to_thread(await_phase, kind_cluster, namespace, name, "Completed", "Blocked", seconds=LONG)
            assert (found["phase"], found["restarts"]) == ("Completed", 0), found
    assert {key for model in models.values() for key in model.keys} == {f"Bearer {KEY}"}
    said = models["keyless"].said()
    for shown in ("nginx", "Permission denied", "OPENAI_API_KEY=placeholder", "searched 42 times"):
        assert shown in said, said
    assert KEY not in said
    assert KEY in models["careless"].said()
