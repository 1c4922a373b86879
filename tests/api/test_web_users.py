"""The page in the cluster for users with different rights, and what happens when a session, a right or the API server goes away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import pytest
import yaml
from aiohttp import web

from controller.api.base import JsonObject
from controller.cli.web import caller, live, local_server, watched
from controller.cli.web.api_access import ApiServer
from controller.cli.web.cluster_server import Settings, application
from controller.cli.web.visit import View
from tests.cluster import Cluster
from tests.faulty_proxy import Fault, front_of
from tests.support import OperatorProcess, apply, await_phase, await_that, failing, get, items, policy_of, run_of
from tests.users import grant, token
from tests.web_page import Answer, Served, Tab, api_server, cluster_page, in_process

HOME, OTHER = "web-users", "web-users-other"


def names(html: str) -> set[str]:
    """Return the Runs of a table."""
    return set(re.findall(r'<span class="space">[^<]*</span>([^<]*)</a>', html))


@dataclass(frozen=True)
class Stage:
    """A server, and what it shows of two namespaces."""

    cluster: Cluster
    served: Served

    def tab(self, user: str) -> Tab:
        """Return a user's browser."""
        return self.served.tab(token(self.cluster, HOME, user))

    def blocked(self, run: str) -> JsonObject:
        """Start a Run that asks what to do, and return its escalation."""
        apply(self.cluster, HOME, failing(run))
        await_phase(self.cluster, HOME, run, "Blocked")
        found = [each for each in items(self.cluster, HOME, "escalations") if each["spec"]["runName"] == run]
        return found[0]


@pytest.fixture(scope="module")
def stage(api_cluster: Cluster, api_operator: OperatorProcess) -> Iterator[Stage]:
    """Five users: one may see all, one may see and one edit a namespace, one may list Runs alone, one has no rights."""
    for namespace in (HOME, OTHER):
        api_cluster.kubectl("create", "namespace", namespace)
    users = ("all", "viewer", "editor", "lister", "nobody")
    for name in users:
        api_cluster.kubectl("-n", HOME, "create", "serviceaccount", name)
    subjects = {name: f"--serviceaccount={HOME}:{name}" for name in users}
    grant(api_cluster, None, "runwatchman-view", subjects["all"])
    grant(api_cluster, HOME, "runwatchman-view", subjects["viewer"])
    grant(api_cluster, HOME, "runwatchman-edit", subjects["editor"])
    api_cluster.kubectl("-n", HOME, "create", "role", "lister", "--verb=list,watch", "--resource=runs.runwatchman.dev")
    api_cluster.kubectl("-n", HOME, "create", "rolebinding", "lister", "--role=lister", f"--serviceaccount={HOME}:lister")
    apply(api_cluster, HOME, policy_of({"restartBudget": 0}), run_of("mine"))
    apply(api_cluster, OTHER, run_of("theirs"))
    with cluster_page(api_cluster) as served:
        yield Stage(api_cluster, served)


RIGHTS = {
    "all": (200, {"mine", "theirs"}, 200, 200),
    "viewer": (403, {"mine"}, 200, 403),
    "editor": (403, {"mine"}, 200, 403),
    "lister": (403, {"mine"}, 403, 403),
    "nobody": (403, set(), 403, 403),
}
"""A user -> the code of all Runs, the Runs of the user's namespaces, and the codes of a Run there and of one elsewhere."""


def pages_of(tab: Tab) -> list[Answer]:
    """Open the pages of all Runs, and of each namespace."""
    return [tab.get(path) for path in ("/", f"/?namespace={HOME}", f"/?namespace={OTHER}")]


@pytest.mark.parametrize("user", RIGHTS)
def test_users_see_what_rbac_lets_them_see(stage: Stage, user: str) -> None:
    """Nobody sees a name of a namespace that the user may not look at; an error names the missing right."""
    tab, (all_runs, seen, here, there) = stage.tab(user), RIGHTS[user]
    ours = {"mine", "theirs"}  # Other tests have Runs here, too.
    await_that(lambda: names("".join(page.text for page in pages_of(tab))) & ours == seen, "the first lists")
    whole, home, other = pages_of(tab)
    assert whole.code == all_runs
    assert (names(whole.text) | names(home.text) | names(other.text)) & ours == seen
    assert [tab.get(f"/runs/{space}").code for space in (f"{HOME}/mine", f"{OTHER}/theirs")] == [here, there]
    if all_runs != HTTPStatus.OK:
        assert f"system:serviceaccount:{HOME}:{user} may not list runs.runwatchman.dev" in whole.text
        assert "theirs" not in whole.text + home.text + other.text


def answer(tab: Tab, escalation: JsonObject, choice: str) -> Answer:
    """Press a button of the inbox."""
    meta = escalation["metadata"]
    fields = {"csrf": tab.get("/login").csrf, "uid": meta["uid"], "choice": choice}
    return tab.post(f"/inbox/{HOME}/{meta['name']}", fields)


def test_an_answer_has_the_name_of_its_user(stage: Stage) -> None:
    """Who may not answer is refused by the API server; who may is the one that the response names, as the API server knows them."""
    asked = stage.blocked("stuck")
    for user in ("all", "viewer", "lister", "nobody"):
        assert answer(stage.tab(user), asked, "fail").code in (HTTPStatus.CONFLICT, HTTPStatus.FORBIDDEN)
        assert "response" not in get(stage.cluster, HOME, "escalation", asked["metadata"]["name"])["spec"]
    assert answer(stage.tab("editor"), asked, "fail").code == HTTPStatus.SEE_OTHER
    response = get(stage.cluster, HOME, "escalation", asked["metadata"]["name"])["spec"]["response"]
    assert (response["by"], response["decision"]) == (f"system:serviceaccount:{HOME}:editor", "Stop")
    assert answer(stage.tab("editor"), asked, "retry").code == HTTPStatus.CONFLICT


def test_a_proxys_header_is_the_user(stage: Stage) -> None:
    """With --token-header each request has its own user, there is no login, and a form still needs the page's token."""
    with cluster_page(stage.cluster, "--token-header", "X-Forwarded-Access-Token") as served:
        tab = served.tab()
        assert [tab.get(path).code for path in ("/", "/login")] == [401, 404]
        tab.headers["X-Forwarded-Access-Token"] = token(stage.cluster, HOME, "viewer")
        assert names(tab.get(f"/?namespace={HOME}").text) >= {"mine"}
        assert tab.post("/limits/halt", {"csrf": "0" * 64, "namespace": HOME, "reason": "x"}).code == HTTPStatus.FORBIDDEN
        tab.headers["X-Forwarded-Access-Token"] = f"Bearer {token(stage.cluster, HOME, 'nobody')}"
        assert tab.get(f"/?namespace={HOME}").code == HTTPStatus.FORBIDDEN
        tab.headers["X-Forwarded-Access-Token"] = "forged"
        assert tab.get(f"/?namespace={HOME}").code == HTTPStatus.UNAUTHORIZED


def test_a_session_ends_with_its_user(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An open page of a deleted account says that the session has ended, and the next request gets nothing."""
    monkeypatch.setattr(caller, "IDENTITY_SECONDS", 0.0)
    monkeypatch.setattr(live, "REFRESH_SECONDS", 0.5)
    stage.cluster.kubectl("-n", HOME, "create", "serviceaccount", "leaver")
    grant(stage.cluster, HOME, "runwatchman-view", f"--serviceaccount={HOME}:leaver")
    given = token(stage.cluster, HOME, "leaver")
    with in_process(lambda port: behind_a_proxy(api_server(stage.cluster, tmp_path), port)) as tab:
        tab.headers["X-Token"] = given
        with tab.live(f"/?namespace={HOME}") as events:
            assert next(name for name, _ in events) == "live"
            stage.cluster.kubectl("-n", HOME, "delete", "serviceaccount", "leaver")
            assert any(name == "expired" for name, _ in events)
        assert tab.get(f"/?namespace={HOME}").code == HTTPStatus.UNAUTHORIZED


def test_a_right_that_is_taken_away_empties_the_page(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the watch resumes, the API server refuses it, and the page forgets what it has shown."""
    monkeypatch.setattr(watched, "WATCH_SECONDS", 1)
    stage.cluster.kubectl("-n", HOME, "create", "serviceaccount", "moved")
    grant(stage.cluster, HOME, "runwatchman-view", f"--serviceaccount={HOME}:moved")
    with in_process(lambda port: behind_a_proxy(api_server(stage.cluster, tmp_path), port)) as tab:
        tab.headers["X-Token"] = token(stage.cluster, HOME, "moved")
        assert "mine" in names(tab.get(f"/?namespace={HOME}").text)
        with tab.live(f"/?namespace={HOME}") as events:
            stage.cluster.kubectl("-n", HOME, "delete", "rolebinding", f"runwatchman-view-serviceaccount-{HOME}-moved")
            assert any(name == "notice" and "may not" in html for name, html in events)
        assert tab.get(f"/?namespace={HOME}").code == HTTPStatus.FORBIDDEN


def test_a_session_expires_while_its_page_is_open(stage: Stage, tmp_path: Path) -> None:
    """The page says so and keeps what is typed; the stream ends, and a request leads to the login."""
    settings = Settings(api_server(stage.cluster, tmp_path), (), "127.0.0.1", 0, None, "", 6.0, json_log=True)
    with in_process(lambda port: application(settings, port)) as stranger:
        tab = Served(stranger.port, 0, tmp_path).tab(token(stage.cluster, HOME, "all"))
        with tab.live("/") as events:
            assert [name for name, _ in events][-1] == "expired"
        assert tab.get("/").headers["Location"] == "/login?next=%2F"


def test_the_api_server_goes_away_and_comes_back(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Meanwhile the page shows what it has and since when; afterwards it has what happened meanwhile."""
    monkeypatch.setattr(watched, "WATCH_SECONDS", 1)
    with front_of(stage.cluster) as (front, seen), in_process(lambda port: as_admin(seen, port)) as tab:
        tab.get("/start/key")
        with tab.live("/") as events:
            assert any("mine" in html for name, html in events if name == "live")
            front.judge = lambda _method, _path: Fault(code=503)
            assert any("What you see is from" in html for name, html in events if name == "notice")
            assert "mine" in names(tab.get("/").text)
            apply(stage.cluster, OTHER, run_of("meanwhile"))
            front.judge = lambda _method, _path: None
            assert any(html == "" for name, html in events if name == "notice")
            await_that(lambda: "meanwhile" in names(tab.get("/").text), "the page to go on")


def behind_a_proxy(server: ApiServer, port: int) -> web.Application:
    """Return the application in the cluster's form, for users whose tokens a proxy sends."""
    return application(Settings(server, (), "127.0.0.1", 0, None, "X-Token", 600.0, json_log=True), port)


def as_admin(cluster: Cluster, port: int) -> web.Application:
    """Return the application of `kubectl rw web` for an API server that needs no credential."""
    return local_server.application(ApiServer(_url(cluster)), port, "key", View())


def _url(cluster: Cluster) -> str:
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    found: str = config["clusters"][0]["cluster"]["server"]
    return found
