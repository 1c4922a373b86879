"""Commands of the docs that need an API server but no kubelet, typed as the pages show them."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from controller.api.base import JsonObject
from tests.cluster import Cluster
from tests.plugin import Plugin
from tests.support import OperatorProcess, apply, await_phase, get, policy_of, run_of

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"```(?:sh|console)\n(.*?)```", re.DOTALL)
PAGES = [DOCS.parent / "README.md", *sorted(DOCS.rglob("*.md"))]
OBJECT = re.compile(r"^apiVersion: runwatchman\.dev/.*?(?=^```|^END$|^RUN$)", re.DOTALL | re.MULTILINE)
WISH = re.compile(r"`([a-zA-Z]+: [^`]+)`")
PRINTED = "cli.md"
"""The page with the printed output of a dry run, which is tested as such."""

A_POD = {"template": {"spec": {"containers": [{"name": "agent", "image": "x"}]}}}


def block(page: str, begins: str) -> str:
    """Return the one block of a page that begins with this text."""
    (found,) = [text for text in BLOCK.findall((DOCS / page).read_text()) if text.startswith(begins)]
    return str(found)


def typed(cluster: Cluster, script: str) -> str:
    """Run a block as a user's shell would, which stops at the first failure."""
    path = f"{cluster.kubectl_path.parent}:{os.environ['PATH']}"
    env = os.environ | {"KUBECONFIG": str(cluster.kubeconfig), "PATH": path}
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
    return done.stdout


def in_namespace(script: str, namespace: str) -> str:
    """Replace the page's namespace in its commands by this test's."""
    return re.sub(r"-n team\b|--namespace agents\b", f"-n {namespace}", script)


def test_notifications_are_set_up(api_cluster: Cluster, namespace: str) -> None:
    """docs/notifications.md: the Secret, the role and its binding are created, and the API server accepts the policy."""
    apply(api_cluster, namespace, policy_of({}))
    typed(api_cluster, in_namespace(block("notifications.md", "kubectl -n team create secret"), namespace))
    assert get(api_cluster, namespace, "runpolicy", "default")["spec"]["notifications"][0]["secretName"] == "chat"
    account = "--as=system:serviceaccount:runwatchman:runwatchman"
    assert api_cluster.kubectl("auth", "can-i", "get", "secrets/chat", "-n", namespace, account).strip() == "yes"


def test_a_credential_for_a_repository_is_created(api_cluster: Cluster, namespace: str) -> None:
    """docs/repositories.md: the API server accepts the Secret with a token as its password."""
    typed(api_cluster, "TOKEN=t0ken; " + in_namespace(block("repositories.md", "kubectl -n team create secret"), namespace))
    assert set(get(api_cluster, namespace, "secret", "project-clone")["data"]) == {"username", "password"}


def test_role_for_authors_of_runs_is_accepted(api_cluster: Cluster, namespace: str) -> None:
    """docs/security.md: the API server accepts the role for authors of Runs."""
    role = yaml.safe_load(typed(api_cluster, in_namespace(block("security.md", "kubectl create role run-authors"), namespace)))
    assert (role["kind"], role["rules"][0]["verbs"]) == ("Role", ["create"])
    api_cluster.kubectl("-n", namespace, "apply", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(role))


def test_the_first_look_at_trouble(api_cluster: Cluster, api_operator: OperatorProcess, namespace: str) -> None:
    """docs/troubleshooting.md: its first three commands answer for a Run."""
    apply(api_cluster, namespace, run_of("odd", A_POD))
    await_phase(api_cluster, namespace, "odd", "Completed")
    script = block("troubleshooting.md", "kubectl rw explain").replace("RUN", "odd")
    said = typed(api_cluster, re.sub(r"kubectl rw \w+", rf"\g<0> -n {namespace}", script))
    assert "odd is Completed" in said
    assert "Attempts" in said


PRINTING = [
    ("../README.md", "$ kubectl rw run fix"),
    *(("cli.md", f"$ kubectl rw {words}") for words in ("run hi", "run fix", "logs hello")),
]


@pytest.mark.parametrize(("page", "begins"), PRINTING)
def test_the_plugin_prints_what_its_page_shows(
    api_cluster: Cluster, api_operator: OperatorProcess, namespace: str, page: str, begins: str
) -> None:
    """The output below a command is exactly what the command prints. A page names no namespace, so a printed Run has none."""
    for name in ("openai", "clone", "push"):
        api_cluster.kubectl("-n", namespace, "create", "secret", "generic", name, "--from-literal=OPENAI_API_KEY=x")
    apply(api_cluster, namespace, run_of("hello", A_POD))
    await_phase(api_cluster, namespace, "hello", "Completed")
    command, _, shown = block(page, begins).replace("\\\n", "").partition("\n")
    said = Plugin(api_cluster, namespace)(*shlex.split(command)[3:]).output
    assert said.replace(f" -n {namespace}", "").replace(f"  namespace: {namespace}\n", "") == shown


def shown() -> list[JsonObject]:
    """Return every complete Run, RunPolicy, Halt and Provider of a page."""
    pages = [page for page in PAGES if page.name != PRINTED]
    return [yaml.safe_load(found) for page in pages for found in OBJECT.findall(page.read_text())]


def wishes() -> list[JsonObject]:
    """Return a policy for each piece of one that docs/policies.md suggests."""
    rows = (DOCS / "policies.md").read_text().split("| You want | Write |")[1].split("\n## ")[0]
    cells = [row.split("|")[2] for row in rows.splitlines() if row.startswith("|")]
    specs = [yaml.safe_load(piece) for cell in cells for piece in WISH.findall(cell)]
    return [policy_of({"llm": spec} if "onApprovalTimeout" in spec else spec) for spec in specs]


def taken(cluster: Cluster, namespace: str, obj: JsonObject) -> str:
    """Return the API server's answer to an object, with errors about unknown fields; the object is not stored.

    The author of a page's halt is the user who applies it.
    """
    mine = {"spec": {**obj["spec"], "by": "admin"}} if obj["kind"] == "Halt" else {}
    text = yaml.safe_dump({**obj, **mine, "metadata": {"name": obj["metadata"]["name"]}})
    return cluster.kubectl("-n", namespace, "create", "--dry-run=server", "--validate=strict", "-f", "-", stdin=text, check=False)


def test_the_api_server_takes_what_the_pages_show(api_cluster: Cluster, namespace: str) -> None:
    """Every Run, halt, policy and piece of a policy in the docs passes the CRDs' schemas and rules; a misspelled field does not."""
    objects = [*shown(), *wishes()]
    assert {"Run", "RunPolicy", "Halt", "Provider"} == {obj["kind"] for obj in objects}
    assert [(obj, said) for obj in objects if "created (server dry run)" not in (said := taken(api_cluster, namespace, obj))] == []
    assert "created" not in taken(api_cluster, namespace, policy_of({"restartBudgt": 1}))
