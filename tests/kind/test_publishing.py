"""What goes wrong between an agent's claim and its branch, on real kubelets: each ends with the branch, or with a human asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from http import HTTPStatus

import pytest

from controller.api.base import JsonObject
from tests.cluster.kind import KindCluster
from tests.cluster.progress import ClusterError
from tests.kind.installed import Installed
from tests.kind.stage import LONG, Stage
from tests.support import answer, apply, await_that, get, items, policy_of, run_of, shell, status
from tests.verified_branch.forge import BASIC_AUTH, READS, WRITER, WRITES, Forge, secret, serve
from tests.verified_branch.project import BARE, MAIN, SHELL, git, publish

RIGHT = f"echo '{SHELL.right}' >{SHELL.edited}"
"""The work of an agent that needs no model."""
PASSES = {"command": ["sh", "./test"]}
POLICY: JsonObject = {"restartBudget": 3, "restartCooldownSeconds": 1}
REFUSES_PROTECTED = '#!/bin/sh\ncase $1 in refs/heads/protected/*) echo "protected branch" >&2; exit 1 ;; esac\n'
GATE = "until [ -e /tmp/go ]; do sleep 0.2; done; sh ./test"
"""A verification that waits for a file in its own container."""

PLACES = "/workspace /runwatchman /source /tmp /etc /run /var"
LOOK = f"env; cat /proc/[0-9]*/environ; find {PLACES} -type f -exec cat {{}} + | grep the-password || true"
"""Shows whatever a container may have of a password."""


@pytest.fixture(scope="module")
def forge(kind_cluster: KindCluster, cloning: Installed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forge]:
    """A repository on servers that pods reach, which refuses some branches."""
    folder, work, tls = (tmp_path_factory.mktemp(name) for name in ("repositories", "work", "tls"))
    hook = publish(SHELL, folder, work) / "hooks/update"
    hook.write_text(REFUSES_PROTECTED)
    hook.chmod(0o755)
    with serve(folder / BARE, tls, kind_cluster.gateway()[0]) as made:
        yield made


@pytest.fixture
def stage(kind_cluster: KindCluster, forge: Forge, namespace: str) -> Stage:
    """A namespace with the credentials."""
    apply(kind_cluster, namespace, policy_of(POLICY), *forge.objects())
    return Stage(kind_cluster, namespace)


def run(forge: Forge, name: str, script: str = RIGHT, branch: str = "runwatchman/{run}", verify: JsonObject = PASSES) -> JsonObject:
    """Return a Run whose agent runs a script in the clone and claims success."""
    work = shell(f'cd "$RUNWATCHMAN_WORKSPACE" && {script}', workspace=forge.workspace())
    return run_of(name, {**work, "verify": verify, "publish": forge.publish(branch)})


def refused(stage: Stage, name: str) -> JsonObject:
    """Wait until a human is asked about a Run, of which nothing was charged, and return the escalation."""
    found = stage.phase(name, "Blocked")
    assert found["restarts"] == 0, found
    (asked,) = stage.asked(name)
    return asked


def retry(stage: Stage, asked: JsonObject) -> JsonObject:
    """Answer with Retry and return the status of the Run, which completes without another attempt of its agent."""
    answer(stage.cluster, stage.namespace, asked["metadata"]["name"], "Retry")
    found = stage.phase(asked["spec"]["runName"], "Completed")
    assert (found["agents"][0]["attempt"], found["restarts"]) == (0, 0), found
    return found


def test_a_push_that_is_refused(stage: Stage, forge: Forge) -> None:
    """A protected branch, a revoked credential, a branch of somebody else: the human reads git's words, mends it, and retries."""
    others = git(forge.bare, "commit-tree", f"{MAIN}^{{tree}}", "-m", "theirs")
    git(forge.bare, "branch", "runwatchman/moved", others)
    apply(stage.cluster, stage.namespace, run(forge, "protected", branch="protected/{run}"), run(forge, "moved"))
    protected, moved = refused(stage, "protected"), refused(stage, "moved")
    assert "protected branch" in protected["spec"]["summary"] + protected["spec"].get("details", ""), protected
    assert git(forge.bare, "rev-parse", "runwatchman/moved") == others, "a branch of somebody else is never overwritten"

    apply(stage.cluster, stage.namespace, secret("write", {"username": WRITER, "password": "revoked"}, BASIC_AUTH))
    apply(stage.cluster, stage.namespace, run(forge, "revoked"))
    revoked = refused(stage, "revoked")
    assert "Authentication failed" in json.dumps(revoked)
    apply(stage.cluster, stage.namespace, *forge.objects())

    (forge.bare / "hooks/update").write_text("#!/bin/sh\n")
    git(forge.bare, "branch", "-D", "runwatchman/moved")
    for asked, branch in (
        (protected, "protected/protected"),
        (moved, "runwatchman/moved"),
        (revoked, "runwatchman/revoked"),
    ):
        commit = retry(stage, asked)["agents"][0]["published"]["commit"]
        assert commit == forge.head(branch)


def test_a_server_that_is_away(stage: Stage, forge: Forge) -> None:
    """The push is tried again, free of charge, until the server is back."""
    forge.writing.trouble = HTTPStatus.SERVICE_UNAVAILABLE
    apply(stage.cluster, stage.namespace, run(forge, "away"))
    try:
        await_that(lambda: tries(stage, "away", "publish") > 1, "a second try", LONG)
    finally:
        forge.writing.trouble = None
    found = stage.phase("away", "Completed")
    assert (found["restarts"], forge.updates("runwatchman/away")) == (0, [found["agents"][0]["published"]["commit"]])


def test_success_that_is_only_claimed(stage: Stage, forge: Forge) -> None:
    """An agent that changed nothing publishes nothing; one whose tests never pass is restarted once, then a human reads why."""
    never = run(forge, "never", script="true")
    apply(stage.cluster, stage.namespace, never, run(forge, "idle", script="true", verify={"command": ["true"]}))
    idle = refused(stage, "idle")
    assert "changed nothing" in json.dumps(idle)
    found = stage.phase("never", "Blocked")
    (asked,) = stage.asked("never")
    assert (found["restarts"], found["reason"]) == (1, "VerificationRepeated"), found
    assert "2 + 3 is not -1" in json.dumps(asked), asked
    assert forge.updates("runwatchman/never") == forge.updates("runwatchman/idle") == []
    assert "2 + 3 is not -1" in brief(stage, "never-coder-r1")


def test_a_pause_and_a_drain_while_it_is_verified(stage: Stage, forge: Forge) -> None:
    """Either ends the verification, which begins again, free of charge and on the same work."""
    waits = {"command": ["sh", "-c", GATE]}
    apply(stage.cluster, stage.namespace, run(forge, "paused", verify=waits), run(forge, "drained", verify=waits))
    for name in ("paused", "drained"):
        await_try(stage, name, 1)
    patch(stage, "paused", "Paused")
    stage.phase("paused", "Paused")
    assert not running(stage, "paused")
    evict(stage, running(stage, "drained"))
    patch(stage, "paused", "Running")
    for name in ("paused", "drained"):
        pod = await_try(stage, name, 2)
        await_that(partial(go, stage, pod), f"the container of {pod}", LONG)
        found = stage.phase(name, "Completed")
        assert (found["restarts"], found["agents"][0]["attempt"]) == (0, 0)
        assert forge.updates(f"runwatchman/{name}") == [found["agents"][0]["published"]["commit"]]


def test_credentials_stay_where_they_belong(stage: Stage, forge: Forge) -> None:
    """No workspace, environment, log, status or branch has a password, although the agent and its tests look for them."""
    verify = {"command": ["sh", "-c", f"{LOOK}; cat found; sh ./test"]}
    apply(stage.cluster, stage.namespace, run(forge, "curious", script=f"{{ {LOOK}; }} >found; {RIGHT}", verify=verify))
    stage.phase("curious", "Completed")
    pods = items(stage.cluster, stage.namespace, "pods")
    told = [json.dumps(pods), json.dumps(status(stage.cluster, stage.namespace, "curious"))]
    told += [stage.cluster.kubectl("-n", stage.namespace, "logs", pod["metadata"]["name"], "--all-containers") for pod in pods]
    told.append(git(forge.bare, "show", "runwatchman/curious"))
    for password in (READS, WRITES):
        assert not [text for text in told if password in text]


def tries(stage: Stage, name: str, kind: str) -> int:
    """Return how many pods a Run's task has had: an evicted one is gone, and the next has its number."""
    numbers = [int(pod["metadata"]["name"].rpartition(kind)[2]) for pod in pods_of_task(stage, name, kind)]
    return max(numbers, default=-1) + 1


def pods_of_task(stage: Stage, name: str, kind: str) -> list[JsonObject]:
    """Return the pods of a Run's task."""
    return [pod for pod in items(stage.cluster, stage.namespace, "pods") if f"{name}-coder-r0-{kind}" in pod["metadata"]["name"]]


def running(stage: Stage, name: str) -> str:
    """Return the name of a Run's verification pod that runs, empty without one."""
    found = (pod for pod in pods_of_task(stage, name, "verify") if pod["status"].get("phase") == "Running")
    return next((pod["metadata"]["name"] for pod in found if "deletionTimestamp" not in pod["metadata"]), "")


def await_try(stage: Stage, name: str, number: int) -> str:
    """Wait until this try of a Run's verification runs, and return its pod's name."""

    def there() -> str:
        return running(stage, name) if tries(stage, name, "verify") == number else ""

    return str(await_that(there, f"try {number} of the verification of {name}", LONG))


def go(stage: Stage, pod: str) -> bool:
    """Create the file that a verification waits for; False while its container has not started."""
    with suppress(ClusterError):
        stage.cluster.kubectl("-n", stage.namespace, "exec", pod, "--", "touch", "/tmp/go")  # noqa: S108  # the container's own
        return True
    return False


def patch(stage: Stage, name: str, desired: str) -> None:
    """Set a Run's desired state."""
    words = json.dumps({"spec": {"desiredState": desired}})
    stage.cluster.kubectl("-n", stage.namespace, "patch", "run", name, "--type=merge", "-p", words)


def evict(stage: Stage, pod: str) -> None:
    """Evict a pod as a drain does."""
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": stage.namespace}}
    path = f"/api/v1/namespaces/{stage.namespace}/pods/{pod}/eviction"
    stage.cluster.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))


def brief(stage: Stage, pod: str) -> str:
    """Return the brief of an attempt's pod."""
    return str(get(stage.cluster, stage.namespace, "pod", pod)["metadata"]["annotations"]["runwatchman.dev/brief"])
