"""The advisor as users get it: through the chart, the real codex in the sidecar, a model on loopback; and the credentials of
each container.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from controller.api.base import JsonObject
from tests.chart.helm import INSTALL_TIMEOUT, NAMESPACE, RELEASE
from tests.cluster import IN_TIME, Cluster
from tests.image import IMAGE
from tests.kind.conftest import TEAM
from tests.kind.stage import LONG
from tests.kind.test_helm import install, on
from tests.plugin import Plugin
from tests.recipe_image import ADVISOR, load_image
from tests.support import apply, await_phase, condition, items, policy_of, run_of, shell

MODEL_PORT = 9911
KEY = "sk-test-credential-of-the-model-0123456789abcdef"
SECRET, SECRET_KEY = "model", "api-key"
CRASHES_ONCE = shell('echo "registry timed out" >&2; [ "$RUNWATCHMAN_ATTEMPT" != 0 ]')
ANSWER = {
    "intent": "auto_restart",
    "target_run": f"{TEAM}/advised",
    "reason": "the registry timed out",
    "confidence": 0.9,
    "needs_human": False,
    "diagnosis": None,
    "suggested_answer": None,
}
SERVING = f"""

async def _main() -> None:
    app = web.Application(client_max_size=MAX_REQUEST)
    app.router.add_route("*", "/{{path:.*}}", Responses(Reply(text=ANSWER))._answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", {MODEL_PORT}).start()
    await asyncio.Event().wait()


ANSWER = {json.dumps(json.dumps(ANSWER))}
asyncio.run(_main())
"""
LOOK = """
import json, os, sys

needles = json.loads(sys.stdin.readline())
files = {name: [] for name in needles}
for folder, folders, names in os.walk("/"):
    folders[:] = [each for each in folders if os.path.join(folder, each) not in ("/proc", "/sys", "/dev")]
    for name in names:
        path = os.path.join(folder, name)
        try:
            data = open(path, "rb").read() if os.path.isfile(path) and os.path.getsize(path) < 1 << 20 else b""
        except OSError:
            continue
        for what, needle in needles.items():
            if needle.encode() in data:
                files[what].append(path)
environment = open("/proc/1/environ", "rb").read().decode()
variables = {what: needle in environment for what, needle in needles.items()}
sockets = [line.split()[-1] for line in open("/proc/net/unix") if line.split()[-1].startswith("/")]
print(json.dumps({"files": files, "environment": variables, "uid": os.getuid(), "tokens": os.path.exists("/var/run/secrets"),
                  "socket": os.path.exists("/run/advisor/advisor.sock"), "listening": sockets}))
"""


class Stage(NamedTuple):
    """The installation, and the pod with both containers."""

    cluster: Cluster
    pod: str

    def inside(self, container: str, script: str, said: str = "") -> str:
        """Run a Python script in one of the containers."""
        words = ("-n", NAMESPACE, "exec", "-i", self.pod, "-c", container, "--", "python3", "-c", script)
        return self.cluster.kubectl(*words, stdin=said)


@pytest.fixture(scope="module")
def stage(fresh: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The chart with its advisor: codex, whose model is a third container with a scripted answer."""
    home = tmp_path_factory.mktemp("helm")
    image = load_image(fresh, ADVISOR)
    fresh.kubectl("-n", NAMESPACE, "create", "secret", "generic", SECRET, f"--from-literal={SECRET_KEY}={KEY}")
    (home / "values.json").write_text(json.dumps(_values(image)))
    install(fresh, home, "-f", str(home / "values.json"))
    (pod,) = [each for each in items(fresh, NAMESPACE, "pods") if "deletionTimestamp" not in each["metadata"]]
    yield Stage(fresh, pod["metadata"]["name"])
    fresh.kubectl("-n", TEAM, "delete", "runs,runpolicies", "--all", IN_TIME)
    on(fresh, home, "uninstall", RELEASE, "--wait", "--timeout", INSTALL_TIMEOUT)
    fresh.kubectl("-n", NAMESPACE, "delete", "secret", SECRET)


def _values(image: str) -> JsonObject:
    url = f"http://127.0.0.1:{MODEL_PORT}"
    provider = f'model_providers.test={{name="test", base_url="{url}", env_key="OPENAI_API_KEY", wire_api="responses"}}'
    repository, tag = image.rsplit(":", 1)
    unprivileged = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsUser": 65534}
    source = (Path(__file__).parents[1] / "clis/model.py").read_text()
    return {
        "advisor": {
            "enabled": True,
            "image": {"repository": repository, "tag": tag, "pullPolicy": "Never"},
            "credentials": {"existingSecret": SECRET, "key": SECRET_KEY},
            "commands": {"codex": {"preset": "codex", "args": ["-c", "model_provider=test", "-c", provider]}},
        },
        "extraObjects": [
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "stub", "namespace": NAMESPACE},
                "data": {"stub.py": source + SERVING},
            }
        ],
        "extraVolumes": [{"name": "stub", "configMap": {"name": "stub"}}],
        "extraContainers": [
            {
                "name": "model",
                "image": IMAGE,
                "imagePullPolicy": "Never",
                "command": ["python3", "/stub/stub.py"],
                "volumeMounts": [{"name": "stub", "mountPath": "/stub"}],
                "securityContext": unprivileged,
            }
        ],
    }


def test_codex_in_the_sidecar(stage: Stage) -> None:
    """Auto: the operator asks over the socket, the real codex asks its model, the gate accepts the answer, the agent is
    restarted.
    """
    run = run_of("advised", CRASHES_ONCE, policyRef={"name": "auto"})
    llm = {"mode": "Auto", "timeoutSeconds": 60, "onFailure": "Escalate"}
    apply(stage.cluster, TEAM, policy_of({"restartCooldownSeconds": 1, "llm": llm}, "auto"), run)
    done = await_phase(stage.cluster, TEAM, "advised", "Completed", "AwaitingApproval", seconds=LONG)
    advice = done["agents"][0]["advice"]
    assert (advice["verdict"], advice["reason"]) == ("Accepted", "Accepted"), advice
    assert (done["phase"], done["restarts"], condition(done, "Advised")) == ("Completed", 1, ("True", "Accepted"))
    assert "says auto_restart (90 % sure)" in Plugin(stage.cluster, TEAM).ok("explain", "advised")


def test_token_and_credential_are_in_separate_containers(stage: Stage) -> None:
    """The sidecar has the model's credential and no token of the cluster; the operator has the token and no credential."""
    token = stage.inside("operator", "print(open('/var/run/secrets/kubernetes.io/serviceaccount/token').read(), end='')")
    needles = json.dumps({"credential": KEY, "token": token}) + "\n"
    operator, advisor = (json.loads(stage.inside(name, LOOK, needles)) for name in ("operator", "advisor"))
    assert operator["environment"] == {"credential": False, "token": False}
    assert operator["files"]["credential"] == []
    assert operator["files"]["token"] != []
    assert advisor["environment"] == {"credential": True, "token": False}
    assert advisor["files"] == {"credential": [], "token": []}
    assert (operator["tokens"], advisor["tokens"]) == (True, False)
    assert operator["socket"], "the one thing that they share"
    assert advisor["socket"]
    assert operator["uid"] != advisor["uid"]


def test_the_operator_cannot_fetch_the_credential(stage: Stage) -> None:
    """Its token would not help either: RBAC gives it no Secret of its own namespace. The sidecar's requests are anonymous."""
    account = f"system:serviceaccount:{NAMESPACE}:{RELEASE}"
    for verb in ("get", "list", "watch"):
        words = ("auth", "can-i", verb, f"secrets/{SECRET}" if verb == "get" else "secrets", "-n", NAMESPACE, "--as", account)
        assert stage.cluster.kubectl(*words, check=False).strip() == "no"
    assert stage.inside("advisor", ASKING).strip() in ("401", "403")
    logs = ("auth", "can-i", "get", "pods/log", "-n", TEAM, "--as", account)
    assert stage.cluster.kubectl(*logs, check=False).strip() == "yes", "it shows the advisor the end of an agent's log"


ASKING = f"""
import os, ssl, urllib.error, urllib.request
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
url = "https://" + os.environ["KUBERNETES_SERVICE_HOST"] + "/api/v1/namespaces/{NAMESPACE}/secrets"
try:
    urllib.request.urlopen(url, context=context, timeout=10)
    print("200")
except urllib.error.HTTPError as error:
    print(error.code)
"""
