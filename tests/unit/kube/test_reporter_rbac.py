"""The reporters' account: it is created once per namespace, and a refusal explains the remedy."""

from __future__ import annotations

from controller.cache.run_cache import RunCache
from controller.kube.client import Client
from controller.reconcile.actions.dependencies import Tools
from controller.reconcile.actions.reporter_rbac import grant
from tests.unit.kube.faults import FaultyServer, says


def tools(client: Client) -> Tools:
    return Tools(client, RunCache(lambda _: None))


async def test_the_account_is_made_once_a_namespace(client: Client, faulty: FaultyServer) -> None:
    """Account and binding are created; existing ones are accepted, and the second pod of a namespace needs no request."""
    using = tools(client)
    faulty.answers = [says(201, body="{}"), says(409, "AlreadyExists")]
    assert await grant(using, "ns") == ""
    assert await grant(using, "ns") == ""
    assert [asked.partition("?")[0] for asked in faulty.asked] == [
        "POST /api/v1/namespaces/ns/serviceaccounts",
        "POST /apis/rbac.authorization.k8s.io/v1/namespaces/ns/rolebindings",
    ]


async def test_a_refusal_says_what_to_do_and_is_tried_again(client: Client, faulty: FaultyServer) -> None:
    """Without the right to bind the role, the message names object, namespace and both remedies; the next pass tries again."""
    using = tools(client)
    faulty.answers = [says(409, "AlreadyExists"), says(403, "Forbidden")]
    refusal = await grant(using, "ns")
    for word in ("RoleBinding runwatchman-reporter", "namespace ns", "reporter: Off", "because Forbidden"):
        assert word in refusal
    faulty.answers = [says(201, body="{}"), says(201, body="{}")]
    assert await grant(using, "ns") == ""
