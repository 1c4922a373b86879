"""Commands in containers, by kubectl and by a websocket to a server that speaks its protocol; and the page that uses them."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from controller.cli.rw.kubectl import Kubectl
from controller.cli.rw.kubectl_errors import Refused
from controller.cli.rw.objects import JsonObject
from controller.cli.rw.user_error import Problem
from controller.cli.web import changes_view
from controller.cli.web.api_access import Api, ApiServer, Away
from controller.cli.web.caller import Caller
from controller.cli.web.executing import MOST_OUTPUT, Ended, Target
from controller.cli.web.kubectl_exec import by_kubectl
from controller.cli.web.local_server import application
from controller.cli.web.visit import View
from controller.cli.web.websocket_exec import PROTOCOLS, by_websocket
from tests.unit.rw.fake import FakeKubectl
from tests.unit.rw.test_diff import BASE, cloned
from tests.unit.rw.test_shell import pod
from tests.web_page import Answer, Tab, in_process

TARGET = Target("d", "fix-coder-r1", "agent")
SUCCESS: JsonObject = {"metadata": {}, "status": "Success"}
Frames = list[tuple[int, bytes]]


def failure(reason: str, message: str, *causes: JsonObject) -> JsonObject:
    """Return the Status of a command that failed."""
    return {"status": "Failure", "reason": reason, "message": message, "details": {"causes": list(causes)}}


def exit_code(code: int) -> JsonObject:
    """Return the Status of a command with an exit code."""
    return failure("NonZeroExitCode", f"command terminated with exit code {code}", {"reason": "ExitCode", "message": str(code)})


@dataclass
class Kubelet:
    """An API server that knows one Run and its pod, and sends these frames for each command."""

    frames: Frames = field(default_factory=list)
    status: JsonObject | None = field(default_factory=lambda: SUCCESS)
    allowed: bool = True
    code: int = 0
    protocols: tuple[str, ...] = PROTOCOLS
    silent: bool = False
    pod: JsonObject = field(default_factory=pod)
    asked: list[web.Request] = field(default_factory=list)

    def app(self) -> web.Application:
        """Return the server."""
        made = web.Application()
        base, run = "/api/v1/namespaces/d/pods", "/apis/runwatchman.dev/v1alpha1/namespaces/d/runs/fix"
        made.router.add_get(f"{base}/{TARGET.pod}/exec", self.execute)
        made.router.add_get(base, answering(lambda: {"items": [self.pod]}))
        made.router.add_get(run, answering(lambda: cloned(source={"revision": BASE})))
        made.router.add_post(
            "/apis/{group}/v1/selfsubjectreviews", answering(lambda: {"status": {"userInfo": {"username": "bob"}}})
        )
        made.router.add_post("/apis/{group}/v1/selfsubjectaccessreviews", answering(self._review))
        return made

    def _review(self) -> JsonObject:
        return {"status": {"allowed": self.allowed}}

    async def execute(self, request: web.Request) -> web.StreamResponse:
        """Answer as kubelets do behind an API server."""
        self.asked.append(request)
        if self.code or request.headers["Accept"] != "*/*":
            return web.json_response(failure("", "no"), status=self.code or HTTPStatus.NOT_ACCEPTABLE)
        socket = web.WebSocketResponse(protocols=self.protocols)
        await socket.prepare(request)
        for channel, data in self.frames:
            await socket.send_bytes(bytes([channel]) + data)
        if self.status is not None:
            await socket.send_bytes(b"\x03" + json.dumps(self.status).encode())
        if self.silent:
            await socket.receive()
        await socket.close()
        return socket


def answering(make: Callable[[], JsonObject]) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Return what answers with an object."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(make())

    return answer


async def run(kubelet: Kubelet) -> Ended:
    """Run a command there."""
    async with TestServer(kubelet.app()) as server:
        at = ApiServer(str(server.make_url("")).rstrip("/"))
        async with at.client() as client:
            return await by_websocket(Caller(Api(client, at.url, "a-token")), TARGET, ("sh", "-c", "a & b", "ä"))


async def test_output_and_messages_are_apart() -> None:
    """The command's words arrive as they are, with the caller's token; empty and unknown channels are no output."""
    kubelet = Kubelet([(1, b"a"), (2, b"warning"), (1, b""), (4, b"?"), (1, b"\xff\n")])
    assert await run(kubelet) == Ended(0, b"a\xff\n", b"warning", cut=False)
    (request,) = kubelet.asked
    assert request.query.getall("command") == ["sh", "-c", "a & b", "ä"]
    assert {key: request.query.get(key) for key in ("container", "stdout", "stderr", "stdin", "tty")} == {
        "container": "agent",
        "stdout": "true",
        "stderr": "true",
        "stdin": None,
        "tty": None,
    }
    assert request.headers["Authorization"] == "Bearer a-token"


async def test_an_exit_code_is_read() -> None:
    """The older protocol has the same Status."""
    assert await run(Kubelet([(2, b"fatal: x")], exit_code(128), protocols=PROTOCOLS[1:])) == Ended(
        128, b"", b"fatal: x", cut=False
    )


async def test_an_endless_output_is_cut() -> None:
    """The caller keeps the first bytes and leaves."""
    found = await run(Kubelet([(1, b"x" * (MOST_OUTPUT // 4))] * 9, None, silent=True))
    assert (len(found.out), found.cut, found.code) == (MOST_OUTPUT, True, 0)


@pytest.mark.parametrize(
    ("kubelet", "kind", "words"),
    [
        (Kubelet(allowed=False), Refused, "bob may not create pods/exec in namespace d; it takes a role with verb create"),
        (Kubelet(code=403), Refused, "bob may not get pods/exec in namespace d"),
        (Kubelet(code=404), Refused, "the API server answers with code 404"),
        (Kubelet(code=500), Refused, "the API server answers with code 500"),
        (Kubelet(protocols=()), Problem, "none of the protocols"),
        (Kubelet([(1, b"half")], None), Away, "has ended before the command"),
        (Kubelet(status=failure("InternalError", 'exec: "sh": not found')), Problem, 'exec: "sh": not found'),
        (Kubelet(status={}), Problem, "cannot be read"),
        (Kubelet(status=failure("NonZeroExitCode", "x")), Problem, "cannot be read"),
        (Kubelet(status=exit_code(1) | {"details": []}), Problem, "cannot be read"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_command_that_did_not_run(kubelet: Kubelet, kind: type[Problem], words: str) -> None:
    """The error has the reason, and the right that is missing."""
    with pytest.raises(kind, match=words.replace("(", r"\(")):
        await run(kubelet)


NO_RIGHT = (
    'Error from server (Forbidden): pods "fix-coder-r1" is forbidden: User "bob" cannot create resource "pods/exec" in API group '
    '"" in the namespace "d"'
)


def kubectl_with(tmp_path: Path, script: str) -> Kubectl:
    """Return a kubectl that is a script, with flags of the caller."""
    (path := tmp_path / "kubectl").write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return Kubectl(("--context=c", "--namespace=other", "--as=bob"), str(path))


async def test_kubectl_runs_the_command(tmp_path: Path) -> None:
    """The container's namespace is the one that counts, and words after the dashes stay the command's."""
    execute = by_kubectl(kubectl_with(tmp_path, 'for word; do printf "%s|" "$word"; done; echo warning >&2'))
    found = await execute(None, TARGET, ("sh", "--as=x"))  # type: ignore[arg-type]  # kubectl has the caller's credentials
    words = "exec|fix-coder-r1|--namespace=d|--container=agent|--context=c|--as=bob|--|sh|--as=x|"
    assert found == Ended(0, words.encode(), b"warning\n", cut=False)


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("echo fatal >&2; echo command terminated with exit code 128 >&2; exit 128", Ended(128, b"", b"fatal\ncommand", cut=False)),
        ("exec yes", Ended(0, b"y\n" * (MOST_OUTPUT // 2), b"", cut=True)),
    ],
    ids=["fails", "is endless"],
)
async def test_a_command_by_kubectl(tmp_path: Path, script: str, found: Ended) -> None:
    """It has its exit code, and an endless one is ended."""
    done = await by_kubectl(kubectl_with(tmp_path, script))(None, TARGET, ("x",))  # type: ignore[arg-type]  # as above
    assert done._replace(errors=done.errors[: len(found.errors)]) == found


async def test_kubectl_itself_fails(tmp_path: Path) -> None:
    """Its message names the right; a kubectl that is gone is an error, too."""
    with pytest.raises(Refused, match="bob may not create pods/exec in namespace d"):
        await by_kubectl(kubectl_with(tmp_path, f"echo '{NO_RIGHT}' >&2; exit 1"))(None, TARGET, ("x",))  # type: ignore[arg-type]
    with pytest.raises(Problem, match="cannot be run"):
        await by_kubectl(Kubectl((), str(tmp_path / "gone")))(None, TARGET, ("x",))  # type: ignore[arg-type]


async def test_a_kubectl_that_hangs_is_ended(tmp_path: Path) -> None:
    """Nothing is left when the page gives up."""
    os.mkfifo(fifo := tmp_path / "pid")
    kubectl = kubectl_with(tmp_path, f"echo $$ >{fifo}; exec sleep 600")
    task = asyncio.ensure_future(by_kubectl(kubectl)(None, TARGET, ("x",)))  # type: ignore[arg-type]  # as above
    pid = int(await asyncio.to_thread(fifo.read_text))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@dataclass
class Stage:
    """A page over an API server."""

    kubelet: Kubelet
    tab: Tab
    path: str = "/runs/d/fix/diff/coder"

    def show(self, **fields: str) -> Answer:
        """Press the button."""
        asked = self.tab.get(self.path)
        assert asked.code == HTTPStatus.OK, asked.text
        uid = cloned()["metadata"]["uid"]
        return self.tab.post(self.path, {"csrf": asked.csrf, "uid": uid, **fields})


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A page whose commands go through a websocket."""
    kubelet = Kubelet()
    with ExitStack() as stack:
        upstream = stack.enter_context(in_process(lambda _: kubelet.app()))
        at = ApiServer(f"http://127.0.0.1:{upstream.port}")
        tab = stack.enter_context(in_process(lambda port: application(at, port, "key", View())))
        assert tab.get("/start/key").code == HTTPStatus.OK
        yield Stage(kubelet, tab)


def test_the_button_shows_the_changes(stage: Stage) -> None:
    """Looking at the page starts nothing. The button runs the script of `kubectl rw diff`, and no stream updates the answer."""
    stage.kubelet.frames = [(1, b"diff --git a/x b/x\n@@ -1 +1 @@\n-old\n+<b>new\x1b\n")]
    asked = stage.tab.get(stage.path)
    assert "Show the changes" in asked.text
    assert "kubectl rw diff fix coder -n d" in asked.text
    assert stage.kubelet.asked == []
    shown = stage.show()
    assert (shown.code, 'data-live=""' in shown.text) == (HTTPStatus.OK, True)
    assert '<span class="removed">-old</span>\n<span class="added">+&lt;b&gt;new\ufffd</span>' in shown.text
    command = stage.kubelet.asked[0].query.getall("command")
    assert command[:5] == ["sh", "-c", command[2], "sh", "/w/src"]
    assert command[-2:] == [BASE, "--no-color"]


def starting() -> JsonObject:
    """Return a pod whose container has not started."""
    return pod(phase="Pending", state="waiting")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"pod": pod(phase="Succeeded", state="terminated")}, "agent coder does not run; use kubectl rw diff fix coder -n d"),
        ({"pod": starting()}, "agent coder is starting: its pod fix-coder-r1 is Pending; see kubectl rw explain fix -n d"),
        ({"allowed": False}, "bob may not create pods/exec in namespace d; it takes a role with verb create on pods/exec"),
        (
            {"frames": [(2, b"x\nfatal: no <i>git\n")], "status": exit_code(128)},
            "exit code 128: fatal: no &lt;i&gt;git; see kubectl rw",
        ),
        ({"status": exit_code(1)}, "exit code 1: no message; see kubectl rw diff fix coder -n d"),
        ({"status": None, "silent": True}, "the container has not answered within 0 seconds; use kubectl rw diff fix coder -n d"),
    ],
    ids=["ended", "starting", "no right", "git fails", "silent failure", "no answer"],
)
def test_there_are_no_changes_to_show(stage: Stage, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], words: str) -> None:
    """The page says why, and which command does it."""
    if change.get("silent"):
        monkeypatch.setattr(changes_view, "SECONDS", 0.1)
    for name, value in change.items():
        setattr(stage.kubelet, name, value)
    shown = stage.show()
    assert (shown.code, words in shown.text) == (HTTPStatus.CONFLICT, True), shown.text


def test_a_form_of_another_run_starts_nothing(stage: Stage) -> None:
    """A Run that was created again under the name, and an agent that is none, are errors."""
    assert "another one than that on your page" in stage.show(uid="old").text
    assert "has no agent nobody" in stage.tab.get("/runs/d/fix/diff/nobody").text
    assert stage.kubelet.asked == []


def test_without_the_right_kubectl_says_the_same(tmp_path: Path) -> None:
    """The same button in the local mode."""
    kubectl, kubelet = FakeKubectl(tmp_path / "kubectl"), Kubelet()
    kubectl.answers(("exec*", "", NO_RIGHT, 1))
    with ExitStack() as stack:
        at = ApiServer(f"http://127.0.0.1:{stack.enter_context(in_process(lambda _: kubelet.app())).port}")
        view = View(execute=by_kubectl(Kubectl((), str(kubectl.path))))
        tab = stack.enter_context(in_process(lambda port: application(at, port, "key", view)))
        tab.get("/start/key")
        shown = Stage(kubelet, tab).show()
    assert (shown.code, "bob may not create pods/exec in namespace d" in shown.text) == (HTTPStatus.CONFLICT, True)
    assert kubectl.calls()[0].startswith("exec fix-coder-r1 --namespace=d --container=agent -- sh -c ")
