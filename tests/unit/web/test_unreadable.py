"""Objects that somebody wrote past the schema: no page fails because of them, and each says which field is wrong."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from controller.cli.rw.objects import JsonObject, name_of
from controller.cli.web.page_server import PAGES
from tests.browser.recorded import recorded
from tests.unit.web.clients import logged_in
from tests.unit.web.rendering import read

Change = Callable[[JsonObject], object]

RUN = "/runs/team-a/migrate"
NAMES = {"namespace": "team-a", "name": "migrate", "pod": "migrate-coder-r1", "agent": "coder"}
PATHS = tuple(page.path.format(**NAMES) for page in PAGES)
OF_THE_RUN = tuple(path for path in PATHS if path.startswith(RUN))


@dataclass(frozen=True)
class Broken:
    """An object of the stories with a fault, the pages that cannot leave it out, and the words about it there."""

    kind: str
    name: str
    change: Change
    words: str
    pages: tuple[str, ...]


def spec(**fields: object) -> Change:
    """Return what sets fields of a spec."""
    return lambda obj: obj["spec"].update(fields)


def status(**fields: object) -> Change:
    """Return what sets fields of a status."""
    return lambda obj: obj["status"].update(fields)


def first_agent(**fields: object) -> Change:
    """Return what sets fields of a Run's first agent."""
    return lambda run: run["spec"]["agents"][0].update(fields)


QUESTION, LOG = "migrate-coder-7f3a0001", f"{RUN}/logs/migrate-coder-r1"
CASES = {
    "no agents": Broken("runs", "migrate", spec(agents=5), "spec.agents: must be a list (found 5)", ("/", *OF_THE_RUN)),
    "no spec": Broken("runs", "migrate", lambda run: run.pop("spec"), "spec: must be an object", ("/", *OF_THE_RUN)),
    "an agent that is a text": Broken(
        "runs", "migrate", spec(agents=["coder"]), "spec.agents[0]: must be an object (found 'coder')", OF_THE_RUN
    ),
    "a template that is a list": Broken(
        "runs", "migrate", first_agent(template={"spec": []}), "spec.agents[0].template.spec", (RUN, LOG)
    ),
    "a workspace that is a text": Broken(
        "runs", "migrate", first_agent(workspace="/x"), "spec.agents[0].workspace: must be an object (found '/x')", (RUN,)
    ),
    "an agent's status that is a number": Broken(
        "runs", "migrate", status(agents=[5]), "status.agents[0]: must be an object", (RUN, f"{RUN}/diff/coder")
    ),
    "a question without a type": Broken(
        "escalations", QUESTION, lambda found: found["spec"].pop("type"), "spec.type: this field is required", ("/inbox", RUN)
    ),
    "options that are a number": Broken(
        "escalations", QUESTION, spec(options=5), "spec.options: must be a list (found 5)", ("/inbox", RUN)
    ),
    "a report of no usage": Broken(
        "agentreports", "migrate-coder", status(usage=5), "status.usage: must be an object (found 5)", (RUN,)
    ),
    "a policy of many restarts": Broken("runpolicies", "careful", spec(restartBudget="many"), "spec.restartBudget", ("/policies",)),
    "a halt without a reason": Broken(
        "halts", "halt", lambda halt: halt["spec"].pop("reason"), "spec.reason: this field is required", ("/limits",)
    ),
    "a provider without budgets": Broken(
        "providers", "openai", spec(budgets=5), "spec.budgets: must be a list (found 5)", ("/limits",)
    ),
}


def written(broken: Broken) -> dict[str, list[JsonObject]]:
    """Return the objects of the stories, one of them broken, with a halt and a Provider."""
    found = recorded()
    meta = {"namespace": "team-a", "uid": "x", "resourceVersion": "1"}
    found["halts"] = [{"metadata": meta | {"name": "halt"}, "spec": {"by": "alice", "reason": "a leak"}}]
    found["providers"] = [{"metadata": meta | {"name": "openai"}, "spec": {}}]
    broken.change(next(obj for obj in found[broken.kind] if name_of(obj) == broken.name))
    return found


@pytest.mark.parametrize("case", CASES)
async def test_a_broken_object_breaks_no_page(case: str, caplog: pytest.LogCaptureFixture) -> None:
    """Every page of a list shows the others. A page that needs the object names the field, its value and the remedy."""
    broken = CASES[case]
    async with logged_in(written(broken)) as client:
        for path in PATHS:
            answer = await client.get(path)
            text = read(await answer.text()).text
            assert (answer.status, path in OF_THE_RUN) in ((200, False), (200, True), (400, True)), (path, text)
            assert broken.words in text or path not in broken.pages, (path, text)
            async with client.get(f"/live{path}") as stream:
                assert await stream.content.readuntil(b"\n\n")
    assert [record.exc_text for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_form_for_a_broken_run_changes_nothing_and_names_the_field() -> None:
    """The forms of the Run's pages say what the pages say."""
    async with logged_in(written(CASES["no agents"])) as client:
        [csrf] = set(re.findall(r'"X-CSRF-Token": "([0-9a-f]+)"', await (await client.get("/")).text()))
        for path in (f"{RUN}/pause", f"{RUN}/rerun", f"{RUN}/diff/coder"):
            answer = await client.post(path, data={"csrf": csrf, "uid": "u1"}, headers={"Sec-Fetch-Site": "same-origin"})
            assert answer.status in (400, 409)
            assert "spec.agents: must be a list (found 5)" in read(await answer.text()).text
