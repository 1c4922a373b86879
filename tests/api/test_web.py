"""`kubectl rw web` on the real API server: the page of Runs, live, and what its address opens."""

from __future__ import annotations

import re

from tests.cluster import Cluster
from tests.plugin import allow
from tests.support import apply, run_of
from tests.users import person
from tests.web_page import Tab, local_page


def names(html: str) -> list[str]:
    """Return the Runs of a table, in its order."""
    return re.findall(r'<span class="space">[^<]*</span>([^<]*)</a>', html)


def test_the_table_is_filtered_and_follows_changes(api_cluster: Cluster, namespace: str) -> None:
    """The caller's Runs are shown; a filter is part of the address; a new Run arrives on the open page without a reload."""
    apply(api_cluster, namespace, run_of("first", brief="<script>alert(1)</script>"))
    with local_page(api_cluster, "-n", namespace) as tab:
        page = tab.get("/")
        assert (page.code, names(page.text)) == (200, ["first"])
        assert f"in namespace {namespace}" in page.text
        assert names(tab.get("/?phase=Running").text) == []
        with tab.live("/") as events:
            apply(api_cluster, namespace, run_of("second"))
            assert any(name == "live" and "second" in names(html) for name, html in events)


def test_the_address_works_once(api_cluster: Cluster, namespace: str) -> None:
    """A second browser does not get in by the same address, nor without one; the first keeps its session."""
    with local_page(api_cluster, "-n", namespace) as tab:
        stranger = Tab(tab.port)
        assert {stranger.get(path).code for path in ("/", "/live/", "/start/x", "/runs/a/b")} == {401}
        assert tab.get("/").code == 200


def test_a_user_sees_what_the_user_may_list(api_cluster: Cluster, namespace: str) -> None:
    """Somebody with rights in one namespace gets a form for it, then its Runs; nobody gets another's."""
    apply(api_cluster, namespace, run_of("mine"))
    allow(api_cluster, namespace, "carol", ("get,list,watch", "runs.runwatchman.dev"))
    with local_page(person(api_cluster, "carol")) as tab:
        refused = tab.get("/")
        assert refused.code == 403
        assert "carol may not list runs.runwatchman.dev in namespace default" in refused.text
        assert names(tab.get(f"/?namespace={namespace}").text) == ["mine"]
