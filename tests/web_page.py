"""The page as a browser without a screen sees it: the server as a process of its own, and a client that keeps cookies."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from urllib.parse import urlencode

from tests.cluster import Cluster

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
