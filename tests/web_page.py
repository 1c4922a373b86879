"""The page as a browser without a screen sees it: the server as a process of its own, and a client that keeps cookies."""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

import yaml
from aiohttp import web

from controller.cli.web.api_access import ApiServer
from tests.cluster import Cluster
from tests.support import await_that

ANSWER_SECONDS = 60.0
GOODBYE_SECONDS = 0.25
"""aiohttp's connections close a little later than their client
(https://docs.aiohttp.org/en/stable/client_advanced.html#graceful-shutdown).
"""
NAVIGATION = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
"""What a browser adds when somebody types an address."""


@dataclass(frozen=True)
class Answer:
    """An answer of the server."""

    code: int
    headers: Mapping[str, str]
    text: str

    @property
    def csrf(self) -> str:
        """The form's token on this page."""
        found: list[str] = re.findall(r'"(?:X-CSRF-Token": |csrf" value=)"([0-9a-f]{64})"', self.text)
        return found[0]


@dataclass
class Tab:
    """A browser with one tab at a server on loopback."""

    port: int
    host: str = ""
    cookies: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=lambda: dict(NAVIGATION))
    pid: int = 0

    @property
    def origin(self) -> str:
        """The page's origin."""
        return f"http://{self.host or f'127.0.0.1:{self.port}'}"

    def get(self, path: str, **headers: str) -> Answer:
        """Open a page."""
        return self.send("GET", path, headers=_names(headers))

    def post(self, path: str, fields: Mapping[str, str], **headers: str) -> Answer:
        """Send a form as a page of this origin does."""
        own = {"Origin": self.origin, "Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}
        return self.send("POST", path, urlencode(fields), own | _names(headers))

    def send(self, method: str, path: str, body: str | None = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a request with the cookies, and keep those of the answer. An empty header is left out."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS)
        try:
            connection.request(method, path, body, self._headers(headers or {}))
            response = connection.getresponse()
            for value in response.headers.get_all("Set-Cookie", []):
                self.cookies |= {name: morsel.value for name, morsel in SimpleCookie(value).items()}
            return Answer(response.status, response.headers, response.read().decode())  # type: ignore[arg-type]  # a Message
        finally:
            connection.close()

    def live(self, path: str) -> AbstractContextManager[Iterator[tuple[str, str]]]:
        """Open a page's stream; yields its events as (name, data)."""
        return self.stream(f"/live{path}")

    @contextmanager
    def stream(self, path: str) -> Iterator[Iterator[tuple[str, str]]]:
        """Open a stream; yields its events as (name, data)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS)
        try:
            connection.request("GET", path, headers=self._headers({"Sec-Fetch-Site": "same-origin"}))
            response = connection.getresponse()
            assert response.status == http.HTTPStatus.OK, response.read()
            yield _events(response)
        finally:
            connection.close()

    def _headers(self, more: Mapping[str, str]) -> dict[str, str]:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        found = {"Host": self.host or f"127.0.0.1:{self.port}", "Cookie": cookie, **self.headers, **more}
        return {name: value for name, value in found.items() if value}


def _names(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


def _events(response: http.client.HTTPResponse) -> Iterator[tuple[str, str]]:
    name, lines = "", []
    while line := response.readline().decode():
        key, _, value = line.rstrip("\n").partition(": ")
        if key == "event":
            name = value
        elif key.startswith("data"):
            lines.append(value)
        elif not key and name:
            yield name, "\n".join(lines)
            name, lines = "", []


@contextmanager
def local_page(cluster: Cluster, *args: str) -> Iterator[Tab]:
    """Run `kubectl rw web` as the cluster's user, and open its address."""
    command = [str(cluster.kubectl_path), "rw", "web", "--no-browser", *args]
    env = os.environ | {"KUBECONFIG": str(cluster.kubeconfig), "KUBECTL": str(cluster.kubectl_path)}
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        address = process.stdout.readline().strip() if process.stdout else ""
        assert address, process.communicate()
        tab = Tab(int(address.split(":")[2].partition("/")[0]), pid=process.pid)
        opened = tab.get("/" + address.split("/", 3)[3])
        assert opened.code == http.HTTPStatus.OK, opened.text
        yield tab
    finally:
        process.terminate()
        process.communicate(timeout=ANSWER_SECONDS)


@contextmanager
def cluster_page(cluster: Cluster, *args: str) -> Iterator[Served]:
    """Run `runwatchman web` against the cluster, without any credential of its own."""
    with tempfile.TemporaryDirectory() as folder:
        server = api_server(cluster, Path(folder))
        with page_process("--api-server", server.url, "--api-ca", server.authority, *args) as served:
            yield served


@contextmanager
def page_process(*args: str) -> Iterator[Served]:
    """Run `runwatchman web` on a free port."""
    command = [sys.executable, "-m", "controller", "web", "--port", "0", *args]
    env = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w+") as log:
        process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=log)
        try:
            await_that(lambda: "page served" in Path(log.name).read_text() or process.poll(), "the page's server")
            served = json.loads(Path(log.name).read_text().splitlines()[0])
            yield Served(served["port"], process.pid, Path(log.name))
        finally:
            process.terminate()
            process.wait(ANSWER_SECONDS)


@dataclass(frozen=True)
class Served:
    """A server: its port, its process, and its log."""

    port: int
    pid: int
    log: Path

    def tab(self, token: str = "", host: str = "") -> Tab:
        """Return a browser, logged in with a token if there is one."""
        tab = Tab(self.port, host or f"localhost:{self.port}")
        if token:
            assert self.log_in(tab, token).code == http.HTTPStatus.SEE_OTHER
        return tab

    def log_in(self, tab: Tab, token: str, onward: str = "/") -> Answer:
        """Send the login form with a token."""
        form = tab.get("/login")
        return tab.post("/login", {"csrf": form.csrf, "token": token, "next": onward})


def api_server(cluster: Cluster, folder: Path) -> ApiServer:
    """Return where the cluster's API server is, with its CA in a folder if it has one."""
    config = yaml.safe_load(cluster.kubeconfig.read_text())["clusters"][0]["cluster"]
    if not config["server"].startswith("https"):
        return ApiServer(config["server"])
    (authority := folder / "ca.crt").write_bytes(_authority(config))
    return ApiServer(config["server"], authority=str(authority))


@contextmanager
def in_process(make: Callable[[int], web.Application]) -> Iterator[Tab]:
    """Serve an application in this process, in a thread of its own; `make` gets the port."""
    loop, opened = asyncio.new_event_loop(), socket.create_server(("127.0.0.1", 0))
    (thread := threading.Thread(target=loop.run_forever, daemon=True)).start()
    port = opened.getsockname()[1]

    async def begin() -> web.AppRunner:
        runner = web.AppRunner(make(port), shutdown_timeout=0, handler_cancellation=True)
        await runner.setup()
        await web.SockSite(runner, opened).start()
        return runner

    async def end(runner: web.AppRunner) -> None:
        await runner.cleanup()
        await asyncio.sleep(GOODBYE_SECONDS)

    runner = asyncio.run_coroutine_threadsafe(begin(), loop).result()
    try:
        yield Tab(port)
    finally:
        asyncio.run_coroutine_threadsafe(end(runner), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _authority(config: Mapping[str, str]) -> bytes:
    """Return the cluster's CA, which a kubeconfig names or has in it."""
    if "certificate-authority-data" in config:
        return base64.b64decode(config["certificate-authority-data"])
    return Path(config["certificate-authority"]).read_bytes()
