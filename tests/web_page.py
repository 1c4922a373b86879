"""The page as a browser without a screen sees it: the server as a process of its own, and a client that keeps cookies."""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

import yaml

from tests.cluster import Cluster
from tests.support import await_that

ANSWER_SECONDS = 60.0
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
        found: list[str] = re.findall(r'"X-CSRF-Token": "([0-9a-f]{64})"', self.text)
        return found[0]


@dataclass
class Tab:
    """A browser with one tab at a server on loopback."""

    port: int
    host: str = ""
    cookies: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=lambda: dict(NAVIGATION))

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

    @contextmanager
    def live(self, path: str) -> Iterator[Iterator[tuple[str, str]]]:
        """Open a page's stream; yields its events as (name, data)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS)
        try:
            connection.request("GET", f"/live{path}", headers=self._headers({"Sec-Fetch-Site": "same-origin"}))
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
        tab = Tab(int(address.split(":")[2].partition("/")[0]))
        opened = tab.get("/" + address.split("/", 3)[3])
        assert opened.code == http.HTTPStatus.OK, opened.text
        yield tab
    finally:
        process.terminate()
        process.communicate(timeout=ANSWER_SECONDS)


@contextmanager
def cluster_page(cluster: Cluster, *args: str) -> Iterator[Served]:
    """Run `runwatchman web` against the cluster, without any credential of its own."""
    config = yaml.safe_load(cluster.kubeconfig.read_text())["clusters"][0]["cluster"]
    with tempfile.TemporaryDirectory() as folder:
        (authority := Path(folder) / "ca.crt").write_bytes(_authority(config))
        where = ("--api-server", config["server"], "--api-ca", str(authority), "--port", "0")
        command = [sys.executable, "-m", "controller", "web", *where, *args]
        env = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
        with (Path(folder) / "log").open("w+") as log:
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
        csrf = re.findall(r'name="csrf" value="([0-9a-f]{64})"', form.text)[0]
        return tab.post("/login", {"csrf": csrf, "token": token, "next": onward})


def _authority(config: Mapping[str, str]) -> bytes:
    """Return the cluster's CA, which a kubeconfig names or has in it."""
    if "certificate-authority-data" in config:
        return base64.b64decode(config["certificate-authority-data"])
    return Path(config["certificate-authority"]).read_bytes()
