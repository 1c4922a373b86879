"""The page follows the log of a real container: its lines as the agent writes them, and its end."""

from __future__ import annotations

from tests.cluster import Cluster
from tests.kind.installed import Installed
from tests.support import apply, await_phase, run_of, shell
from tests.web_page import local_page

SPEAKS = "echo first; until [ -e /workspace/go ]; do sleep 0.2; done; printf 'second <b>line</b>\\n\\033[31mthird\\n'"


def test_a_log_is_followed_until_the_agent_ends(kind_cluster: Cluster, kind_operator: Installed, namespace: str) -> None:
    """The lines so far come at once, later ones while the agent works, and the end when it ends. Control characters are visible."""
    apply(kind_cluster, namespace, run_of("speaker", shell(SPEAKS, workspace={"size": "1Gi"})))
    await_phase(kind_cluster, namespace, "speaker", "Running")
    with (
        local_page(kind_cluster, "-n", namespace) as tab,
        tab.stream(f"/follow/runs/{namespace}/speaker/logs/speaker-coder-r0") as events,
    ):
        assert next(events) == ("begin", "")
        assert next(events) == ("lines", "first")
        kind_cluster.kubectl("exec", "-n", namespace, "speaker-coder-r0", "-c", "agent", "--", "touch", "/workspace/go")
        said = [line for name, data in events if name == "lines" for line in data.split("\n")]
    assert said[0] == "second <b>line</b>"
    assert "third" in said[1]
    assert "\033" not in said[1]
    await_phase(kind_cluster, namespace, "speaker", "Completed")
