"""A decision can be made again from its row in the ledger: the stored snapshot leads to the stored plan, byte for byte.

A row whose snapshot was cut or lost a secret says so by a mark. Only such a row may lead to another plan.
"""

from __future__ import annotations

import json
from dataclasses import fields, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.advice import AdviceState
from controller.api.base import JsonObject
from controller.api.llm_policy import LLMMode
from controller.api.names import RunKey
from controller.api.operator_state import AgentState, OperatorState
from controller.api.policy import RunPolicySpec
from controller.api.policy_defaults import PolicyDefaults
from controller.api.redaction import REDACTED, names_secret
from controller.api.resolved_policy import ResolvedPolicy
from controller.api.run import RunSpec
from controller.api.violations import Violation
from controller.cache.policy_file_watcher import PolicyFileWatcher
from controller.cache.run_cache import RunCache
from controller.kube.client import Client
from controller.ledger.bounds import CUT, text_of
from controller.ledger.entry import entry_of
from controller.ledger.tables import PLAN_BYTES, SNAPSHOT_BYTES, row_of
from controller.ledger.writer import _bounded
from controller.plan import Snapshot, plan
from controller.plan.plan_document import write_plan
from controller.plan.reasons import Reason
from controller.plan.snapshot import (
    ClaimFacts,
    ConsultationFacts,
    EscalationFacts,
    HaltFacts,
    PodEvents,
    PodFacts,
    ProviderFacts,
    Refusal,
    ReportFacts,
    RunFacts,
)
from controller.plan.snapshot_reader import read_snapshot
from controller.plan.snapshot_writer import write_snapshot
from controller.reconcile.observer import Observer
from controller.store.status_store import StatusStore
from tests.hostile import objects
from tests.model.bridge import Bridge, moment
from tests.model.checker import Search
from tests.model.configs import QUICK
from tests.model.world import Config
from tests.unit.plan.generated import situations
from tests.unit.plan.stories import CASES, NOW, document_of, snapshot_of
from tests.unit.test_hostile_objects import NoNodes

(NEW_RUN,) = [path for path in CASES if path.stem == "new-run-gets-pod"]
START = snapshot_of(NEW_RUN)
EVERY = 7
"""One of so many states of the model is written and read."""
STATES = 3_000
HOSTILE, SEED = 2_000, 22
MOMENTS = st.integers(0, 1_000_000).map(lambda seconds: NOW + timedelta(seconds=seconds, microseconds=seconds))
CHOSEN_WORDS = ("global-refactor-2026", "glpat-team", "auth", "secret", "token", "sk-migration-of-17")
"""Names that people choose and that look like secrets, or like the names of secrets."""
UID = "5f0c6f7e-2c8d-4a3b-9e51-7d1f0e6a9b42"


def row(snapshot: Snapshot, now: datetime) -> dict[str, str]:
    """Return the row of a pass with this snapshot, as the ledger's thread makes it."""
    decision = plan(snapshot, now)
    small, _ = _bounded(entry_of(snapshot, decision, decision.actions, "", now))
    found: dict[str, str] = row_of(small)
    return found


def again(stored: dict[str, str]) -> str:
    """Return the plan that follows from a row's snapshot, as a row has it."""
    return text_of(write_plan(plan(*read_snapshot(json.loads(stored["snapshot"])))), PLAN_BYTES)


def is_marked(stored: dict[str, str]) -> bool:
    """Whether a row says that its snapshot is not whole."""
    return CUT in stored["snapshot"] or REDACTED in stored["snapshot"]


def assert_lossless(snapshot: Snapshot, now: datetime) -> None:
    """The row has no mark, and its snapshot leads to its plan."""
    stored = row(snapshot, now)
    assert not is_marked(stored), stored["snapshot"]
    assert again(stored) == stored["plan"]


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_story(path: Path) -> None:
    """Every golden story has a row that can be decided again."""
    stored = row(*read_snapshot(document_of(path)))
    assert again(stored) == stored["plan"]


@given(situations(), MOMENTS)
def test_any_situation(snapshot: Snapshot, now: datetime) -> None:
    """Any mix of policy, state, pods and escalations has a row without a mark that leads to the same plan."""
    assert_lossless(snapshot, now)


@pytest.mark.parametrize("config", QUICK, ids=lambda config: config.name)
def test_the_states_of_the_model(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """The situations that the model of the cluster reaches do, too."""
    seen: list[tuple[Snapshot, datetime]] = []
    shipped = Bridge._plan

    def noted(bridge: Bridge, view: Any, now: int) -> Any:
        seen.append((bridge.snapshot(view), moment(now)))
        return shipped(bridge, view, now)

    monkeypatch.setattr(Bridge, "_plan", noted)
    Search(config).run(STATES)
    assert len(seen) > EVERY
    for snapshot, now in seen[::EVERY]:
        assert_lossless(snapshot, now)


async def test_hostile_objects() -> None:
    """A Run that cannot be read has a row that can be decided again, or one with a mark."""
    kept = RunCache(lambda _: None)
    shelves: dict[str, Any] = {"runs": kept.runs, "pods": kept.pods, "agentreports": kept.reports}
    shelves |= {"escalations": kept.escalations, "runpolicies": kept.policies}
    for each in objects(HOSTILE, SEED):
        try:
            shelves[each.resource].upsert(json.loads(each.data))
        except RecursionError:
            continue  # The decoder of the watches refuses it before it becomes an object.
    observer = Observer(cast(Client, NoNodes()), kept, StatusStore(cast(Client, None)), PolicyFileWatcher(None))
    found = [await observer.cached(RunKey(run.namespace, run.name, uid)) for uid, run in kept.runs.items.items()]
    rows = [row(seen.snapshot, NOW) for seen in found]
    whole = [stored for stored in rows if not is_marked(stored)]
    assert [again(stored) for stored in whole] == [stored["plan"] for stored in whole]
    assert len(whole) > len(rows) / 2, "most rows are marked: the test proves nothing"
    assert any(seen.snapshot.run.spec is None for seen in found), "no spec is refused: the test proves nothing"


def test_a_template_of_another_namespace() -> None:
    """Its violation depends on the Run's namespace."""
    document = document_of(NEW_RUN)
    template = {"metadata": {"namespace": "other"}, "spec": {"containers": [{"name": "a", "image": "x"}]}}
    document["run"] |= {"namespace": "mine", "spec": {"agents": [{"name": "coder", "template": template}]}}
    snapshot, now = read_snapshot(document)
    assert "mine" in plan(snapshot, now).verdict.message
    assert_lossless(snapshot, now)


@pytest.mark.parametrize(
    "run",
    [
        RunFacts("ns", "demo", UID, 1, None, (Violation("metadata.uid", f"'{UID}'", "cannot be read"),), unreadable="too deep"),
        RunFacts("ns", "demo", UID, 1, None, (Violation("spec.agents", "", "this field is required"),)),
        RunFacts("ns", "demo", UID, 0, None, gone=True),
    ],
    ids=["unreadable", "refused", "gone"],
)
def test_a_run_without_a_spec(run: RunFacts) -> None:
    """Its row keeps why, so that the same message is made again."""
    snapshot = Snapshot(run=run)
    assert_lossless(snapshot, NOW)
    assert read_snapshot(json.loads(row(snapshot, NOW)["snapshot"])) == (snapshot, NOW)


OF_RUNS: dict[str, Any] = {
    "generation": 7,
    "spec": None,
    "violations": (Violation("spec", "", "is wrong"),),
    "created_at": NOW,
    "refused_since": NOW,
}
FACTS: dict[str, Any] = {
    "run": replace(START.run, generation=7),
    "policy": ResolvedPolicy("strict", RunPolicySpec(restart_budget=1), "0a1b"),
    "state": OperatorState(run_uid="other"),
    "pods": (PodFacts("p", "u", "coder", 0, "r"),),
    "claims": (ClaimFacts("coder", "r"),),
    "refusals": (Refusal("coder", "quota"),),
    "pod_events": (PodEvents("u", unread="forbidden"),),
    "escalations": (EscalationFacts("e", "u", "r", "coder", 0),),
    "reports": (ReportFacts("coder", "r", 0, "u", 1, NOW, 60, NOW),),
    "consultations": (ConsultationFacts("coder", "0a1b"),),
    "mode": LLMMode.AUTO,
    "halt": HaltFacts("ada", "the model is down", NOW),
    "providers": (ProviderFacts("coder", "claude", admits=False, reason=Reason.PROVIDER_CLOSED, until=NOW, message="closed"),),
    "turn_at": NOW,
}
"""A value for each fact that differs from the one in `START`."""


def changed(facts: Any, name: str, known: dict[str, Any]) -> Any:
    """Return facts of which one has another value. A new one that is neither a flag nor a text needs a value above."""
    before = getattr(facts, name)
    value = known[name] if name in known else not before if isinstance(before, bool) else f"{before}x"
    assert isinstance(before, bool | str) or name in known, f"add a value of {name}"
    return replace(facts, **{name: value})


@pytest.mark.parametrize("name", [field.name for field in fields(Snapshot)])
def test_every_fact_is_written(name: str) -> None:
    """A fact that the document lacks would be lost for every replay."""
    start = replace(START, policy=None) if name.startswith("policy_") else START
    snapshot = changed(start, name, FACTS)
    assert snapshot != start
    assert written(snapshot) == snapshot


@pytest.mark.parametrize("name", [field.name for field in fields(RunFacts)])
def test_every_fact_of_the_run_is_written(name: str) -> None:
    """The same for those of the Run itself."""
    run = changed(START.run, name, OF_RUNS)
    assert run != START.run
    assert written(replace(START, run=run, state=None)).run == run


def written(snapshot: Snapshot) -> Snapshot:
    """Return a snapshot as it is read from a row."""
    return read_snapshot(json.loads(text_of(write_snapshot(snapshot, NOW), SNAPSHOT_BYTES)))[0]


def test_a_policy_keeps_its_digest() -> None:
    """It is that of the policy's own values, without the operator's defaults."""
    own = ResolvedPolicy.of("strict", RunPolicySpec(restart_budget=1))
    snapshot = replace(snapshot_of(NEW_RUN), policy=PolicyDefaults().complete(own))
    read = read_snapshot(json.loads(row(snapshot, NOW)["snapshot"]))[0]
    assert read == snapshot
    assert read.policy
    assert read.policy.digest == own.digest


@pytest.mark.parametrize("name", CHOSEN_WORDS)
def test_names_that_look_like_secrets(name: str) -> None:
    """Runs, agents and nodes may have any name. Decisions follow from names, and everybody may read them."""
    agent = name.replace("-", "")
    document = document_of(NEW_RUN)
    document["run"] |= {"name": name, "uid": UID}
    document["run"]["spec"] = {"agents": [{"name": agent, "image": "registry.example.com/team/agent@sha256:" + "0a1b" * 16}]}
    document["run"]["spec"]["restartedAt"] = {agent: "2026-01-01T00:00:00Z"}
    document["pods"] = [{"name": f"{name}-{agent}-r0", "uid": UID, "node": "ip-10-0-1-23.eu-central-1.compute.internal"}]
    assert_lossless(*read_snapshot(document))


@pytest.mark.parametrize("name", ["toolu_01A09q90qw90lq917835lq9XyZ", "2K7VgQpWmTzR4sYb8NcXdLhFjEa"])
def test_ids_of_questions_that_look_random(name: str) -> None:
    """An agent may take the ID of its tool call. The name of the escalation follows from it."""
    document = document_of(NEW_RUN)
    report = {
        "agent": "coder",
        "attempt": 0,
        "podUid": "p",
        "seq": 1,
        "intervalSeconds": 60,
        "questions": [{"id": name, "text": "?"}],
    }
    document["reports"] = [
        report | dict.fromkeys(("reportedAt", "activeAt"), NOW.isoformat()) | {"read": [name], "delivered": [name]}
    ]
    assert_lossless(*read_snapshot(document))


def test_a_token_as_the_id_of_a_question() -> None:
    """It is not written, and the row has a mark."""
    token = "ghp_" + "a1B2" * 9
    assert token not in text_of({"questions": [{"id": token, "text": "?"}]}, PLAN_BYTES)


def test_no_field_of_ours_is_named_like_a_secret() -> None:
    """A text in such a field would be removed, whatever it is."""
    models: tuple[Any, ...] = (RunSpec, RunPolicySpec, OperatorState, AgentState, AdviceState)
    texts = {name for model in models for name, about in _schema(model).items() if about.get("type") == "string"}
    assert not [name for name in texts if names_secret(name)]


def _schema(model: Any) -> JsonObject:
    """Return the properties of a model and of all models in it, by name."""
    schema = model.model_json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    return {name: about for part in parts for name, about in part.get("properties", {}).items()}


@pytest.mark.parametrize(
    "brief", ["push with ghp_" + "a1B2" * 9, "word " * 50_000], ids=["a secret in the brief", "a very long brief"]
)
def test_a_row_that_is_not_whole_says_so(brief: str) -> None:
    """The mark is in the snapshot's text, so that no reader has to know the limits of its writer."""
    snapshot = snapshot_of(NEW_RUN)
    assert snapshot.run.spec
    spec = snapshot.run.spec.model_copy(update={"brief": brief})
    assert is_marked(row(replace(snapshot, run=replace(snapshot.run, spec=spec)), NOW))
