"""One contract for every store, with real Runs on a real API server and a real PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.api.base import JsonObject, dump
from controller.api.names import ANNOTATION_STATE
from controller.api.operator_state import SCHEMA_VERSION
from controller.kube.client import Client
from controller.kube.errors import Conflict, NotFound, Unavailable
from controller.kube.resources import RUNS
from controller.store import KnownRun, Loaded
from controller.store.garbage_collection import collect
from tests.cluster import Cluster
from tests.cluster.releases import is_before
from tests.stores import STARTED, Bench, Change, save, state_of, status_of
from tests.support import run_of

KINDS = ("status", "annotations", "sqlite", "postgresql")


@pytest.fixture(params=KINDS)
async def bench(request: pytest.FixtureRequest, client: Client, tmp_path: Path) -> AsyncIterator[Bench]:
    """Each store in turn, open."""
    kind = request.param
    name = f"sqlite:///{tmp_path}/states.db" if kind == "sqlite" else kind
    if kind == "postgresql":
        name = request.getfixturevalue("postgres").database()
    made = Bench(kind, name, client)
    await made.store.open()
    yield made
    await made.store.close()


@pytest.fixture
async def run(client: Client, namespace: str) -> JsonObject:
    """A Run as users apply it."""
    return await client.create(RUNS, namespace, run_of("demo"))


async def test_a_new_run_has_no_state(bench: Bench, run: JsonObject) -> None:
    """Without a save and a start there is neither a state nor a refusal."""
    assert await bench.store.load(run, live=True) == await bench.store.load(run, live=False) == Loaded()


async def test_what_is_saved_is_found_again(bench: Bench, run: JsonObject) -> None:
    """State and status are written together, the store is named, and a restarted operator finds both."""
    state = state_of(run, 2, last_restart_at=None)
    written, loaded = await bench.store.commit(run, Loaded(), state, status_of(state))
    assert written["status"]["storeID"] == bench.store.id
    assert written["status"]["phase"] == "Running"
    assert loaded.state == state
    assert not loaded.pending
    assert loaded == await bench.store.load(written, live=True) == await bench.store.load(written, live=False)
    assert loaded == await bench.load_anew(run)


async def test_a_status_alone_leaves_the_state(bench: Bench, run: JsonObject) -> None:
    """A status without a state is one write over the same version of the Run; the state stays unchanged."""
    run = await save(bench.store, run, 1)
    loaded = await bench.store.load(run, live=True)
    status = status_of(state_of(run, 1)) | {"message": "all is well"}
    written, after = await bench.store.commit(run, loaded, None, status)
    assert written["status"]["message"] == "all is well"
    assert after.state == state_of(run, 1)
    assert (await bench.load_anew(run)).state == state_of(run, 1)


async def test_the_later_of_two_saves_is_a_conflict(bench: Bench, run: JsonObject) -> None:
    """Two operators read the same version: the first one wins, and its write stays."""
    run = await save(bench.store, run, 1)
    other = bench.again()
    await other.open()
    both = await bench.store.load(run, live=True), await other.load(run, live=True)
    first, second = state_of(run, 2), state_of(run, 3)
    await bench.store.commit(run, both[0], first, status_of(first))
    with pytest.raises(Conflict):
        await other.commit(run, both[1], second, status_of(second))
    assert (await other.load(await bench.fresh(run), live=True)).state == first
    await other.close()


async def test_two_first_saves_are_a_conflict(bench: Bench, run: JsonObject) -> None:
    """The first save of a Run is a compare-and-swap too."""
    first, second = state_of(run, 0), state_of(run, 1)
    await bench.store.commit(run, Loaded(), first, status_of(first))
    with pytest.raises(Conflict):
        await bench.store.commit(run, Loaded(), second, status_of(second))
    assert (await bench.load_anew(run)).state == first


async def test_a_run_that_changed_meanwhile_is_a_conflict(bench: Bench, run: JsonObject) -> None:
    """After any change of the Run since it was read, the status is not overwritten, and the next pass continues from the saved
    state.
    """
    run = await save(bench.store, run)
    loaded = await bench.store.load(run, live=True)
    meta = run["metadata"]
    await bench.client.merge_patch(RUNS, meta["namespace"], meta["name"], {"metadata": {"labels": {"touched-by": "human"}}})
    state = state_of(run, 1)
    with pytest.raises(Conflict):
        await bench.store.commit(run, loaded, state, status_of(state))
    now = await bench.fresh(run)
    assert now["status"]["agents"][0]["attempt"] == 0
    again = await bench.store.load(now, live=True)
    assert not again.refusal
    written, after = await bench.store.commit(now, again, state, status_of(state))
    assert (written["status"]["agents"][0]["attempt"], after.pending) == (1, False)


async def test_a_save_that_was_cut_off_is_pending(bench: Bench, run: JsonObject, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the process ends between the state and the status, the next pass has to save again before any effect."""
    if bench.kind == "status":
        return  # One write cannot be cut in two.
    run = await save(bench.store, run)

    async def dies(*_: object, **__: object) -> JsonObject:
        raise Unavailable("PUT", 0, "ClientError", "no answer")

    state = state_of(run, 1)
    with monkeypatch.context() as patched:
        patched.setattr(bench.client, "replace", dies)
        with pytest.raises(Unavailable):
            await bench.store.commit(run, await bench.store.load(run, live=True), state, status_of(state))
    loaded = await bench.load_anew(run)
    assert (loaded.state, loaded.pending) == (state, True)
    _, after = await bench.store.commit(await bench.fresh(run), loaded, state, status_of(state))
    assert not after.pending
    assert not (await bench.load_anew(run)).pending


def with_attempt(number: int) -> Change:
    return lambda raw: {**raw, "agents": {"coder": {**raw["agents"]["coder"], "attempt": number}}}


DAMAGES: dict[str, tuple[Change | None, str]] = {
    "erased": (None, "is missing"),
    "renamed": (lambda raw: {**raw, "agents": {"coder": {"attempt": 2, "restartz": 2}}}, "restarts is missing"),
    "newer": (lambda raw: {**raw, "schemaVersion": 3}, "schemaVersion is 3, written by a newer runwatchman"),
    "of another Run": (lambda raw: {**raw, "runUID": "other"}, "belongs to the Run with UID 'other'"),
    "rolled back": (with_attempt(1), "the store was rolled back"),
    "no number": (lambda raw: {**raw, "pausedSeconds": "7"}, "pausedSeconds cannot be read"),
    "no JSON": (lambda _: "{broken", "is not JSON"),
    "no object": (lambda _: "[1, 2]", "is not a JSON object"),
}


@pytest.mark.parametrize("damage", DAMAGES)
async def test_doubtful_states_are_refused_and_stay_refused(bench: Bench, run: JsonObject, damage: str) -> None:
    """A Run that has started is refused if its state is lost, foreign, newer, older or broken, also after that was written."""
    change, says = DAMAGES[damage]
    if bench.kind == "status" and damage in ("no JSON", "no object"):
        return  # The API server's schema accepts an object only.
    run = await save(bench.store, run, 2)
    await bench.damage(run, change)
    loaded = await bench.load_anew(run)
    assert says in loaded.refusal
    assert loaded.state is None
    blocked = {"phase": "Blocked", "message": loaded.refusal[:1000], "restarts": 0, "agents": []}
    written, _ = await bench.store.commit(await bench.fresh(run), loaded, None, blocked)
    assert written["status"]["phase"] == "Blocked"
    assert written["status"]["startTime"] == STARTED
    assert says in (await bench.load_anew(run)).refusal


def from_a_newer_version(raw: JsonObject, form: int) -> JsonObject:
    """Return a record with an additional field in it and in its agent, which requires a reader of at least this form."""
    return {**raw, "schemaVersion": form, "newA": 1, "agents": {"coder": {**raw["agents"]["coder"], "newB": ["b"]}}}


async def stored(bench: Bench, run: JsonObject) -> JsonObject:
    """Return the stored record, without the store's code."""
    found: list[JsonObject] = []

    def look(raw: JsonObject) -> JsonObject:
        found.append(raw)
        return raw

    await bench.damage(run, look)
    return found[0]


async def test_fields_that_may_be_left_unread_come_back(bench: Bench, run: JsonObject) -> None:
    """After a rollback the older operator continues with the fields that it knows, and its own save loses none of the others."""
    run = await save(bench.store, run, 2)
    await bench.damage(run, lambda raw: from_a_newer_version(raw, 1))
    loaded = await bench.load_anew(run)
    assert loaded.state
    coder = loaded.state.agents["coder"]
    state = loaded.state.model_copy(update={"agents": {"coder": coder.model_copy(update={"attempt": 3, "restarts": 3})}})
    await bench.store.commit(await bench.fresh(run), loaded, state, status_of(state))
    found = await stored(bench, run)
    assert found == from_a_newer_version(dump(state_of(run, 3, pod_uid="pod-2")), 1)


async def test_a_record_that_must_be_understood_is_kept_whole(bench: Bench, run: JsonObject) -> None:
    """The older operator refuses it, writes that, and has changed nothing in it when the newer one returns."""
    run = await save(bench.store, run, 2)
    await bench.damage(run, lambda raw: from_a_newer_version(raw, SCHEMA_VERSION + 1))
    loaded = await bench.load_anew(run)
    assert "written by a newer runwatchman" in loaded.refusal
    await bench.store.commit(await bench.fresh(run), loaded, None, {"phase": "Blocked", "restarts": 0, "agents": []})
    assert await stored(bench, run) == from_a_newer_version(dump(state_of(run, 2)), SCHEMA_VERSION + 1)


async def test_an_older_save_is_refused_even_at_the_same_attempt(bench: Bench, run: JsonObject) -> None:
    """A backup from before the last save may lack a decision that no attempt shows, for example to stop."""
    if bench.kind == "status":
        return  # Its state and status are one object.
    run = await save(bench.store, run)
    older = (await bench.fresh(run))["metadata"].get("annotations", {})
    run = await save(bench.store, run)
    if bench.sql:
        from controller.store.sql.database import Database  # as a restore of a dump does

        database = Database(bench.name)
        await database.run(lambda connection: connection.exec_driver_sql("UPDATE operator_run_states SET version = 1"))
        await database.close()
    else:
        body = {"metadata": {"annotations": {ANNOTATION_STATE: older[ANNOTATION_STATE]}}}
        await bench.client.merge_patch(RUNS, run["metadata"]["namespace"], "demo", body)
    assert "save 1 of 2" in (await bench.load_anew(run)).refusal


async def test_a_state_copied_to_another_run_counts_for_nothing(bench: Bench, run: JsonObject, namespace: str) -> None:
    """A Run that was copied with its annotations, or whose row was copied, starts as a new Run."""
    run = await save(bench.store, run, 2)
    annotations = {"annotations": (await bench.fresh(run))["metadata"].get("annotations", {})}
    copy = await bench.client.create(RUNS, namespace, run_of("copy") | {"metadata": {"name": "copy", **annotations}})
    loaded = await bench.store.load(copy, live=True)
    assert (loaded.state, loaded.refusal) == (None, "")
    copy = await save(bench.store, copy)
    assert (await bench.load_anew(copy)).state == state_of(copy)


async def test_another_stores_run_is_refused_and_keeps_its_store(bench: Bench, run: JsonObject) -> None:
    """The refusal names both stores and the remedy; writing it does not make the Run ours."""
    state = state_of(run)
    body = {**run, "status": status_of(state) | {"storeID": "sql-other"}}
    run = await bench.client.replace(RUNS, run["metadata"]["namespace"], "demo", body, subresource="status")
    loaded = await bench.store.load(run, live=True)
    for words in ("StoreMismatch", "'sql-other'", f"'{bench.store.id}'", "store migrate"):
        assert words in loaded.refusal
    written, _ = await bench.store.commit(run, loaded, None, {"phase": "Blocked"})
    assert written["status"]["storeID"] == "sql-other"
    assert (await bench.store.load(written, live=True)).refusal == loaded.refusal


async def test_an_empty_store_is_no_fresh_start(bench: Bench, run: JsonObject, client: Client, tmp_path: Path) -> None:
    """If Runs have started and the database is new, it has another ID, so they are refused instead of started a second time."""
    run = await save(bench.store, run)
    empty = Bench("sqlite", f"sqlite:///{tmp_path}/empty.db", client)
    await empty.store.open()
    assert "StoreMismatch" in (await empty.store.load(run, live=True)).refusal
    await empty.store.close()


async def test_a_run_that_is_gone_cannot_be_saved(bench: Bench, run: JsonObject, client: Client, namespace: str) -> None:
    """The error is NotFound (before 1.34 also Conflict, for a StorageError), or Conflict with the UID of a Run of the same name.

    That Run starts without a state.
    """
    loaded = await bench.store.load(run, live=True)
    await client.delete(RUNS, namespace, "demo", uid=run["metadata"]["uid"])
    state = state_of(run)
    with pytest.raises((NotFound, Conflict) if is_before("1.34") else NotFound):
        await bench.store.commit(run, loaded, state, status_of(state))
    again = await client.create(RUNS, namespace, run_of("demo"))
    with pytest.raises(Conflict):
        await bench.store.commit(run, await bench.store.load(run, live=True), state, status_of(state))
    assert await bench.store.load(again, live=True) == Loaded()


async def test_what_is_kept_of_vanished_runs_is_collected(bench: Bench, run: JsonObject, client: Client, namespace: str) -> None:
    """A Run that was deleted without an operator is removed; an existing one is not, even if no cache has it yet."""
    there = await save(bench.store, await client.create(RUNS, namespace, run_of("there")))
    run = await save(bench.store, run)
    uid = run["metadata"]["uid"]
    if bench.store.detached:
        assert KnownRun(uid, namespace, "demo") in await bench.store.known()
    await client.delete(RUNS, namespace, "demo", uid=uid)
    await client.create(RUNS, namespace, run_of("demo"))
    assert await collect(bench.store, client, set(), ["elsewhere"]) == 0
    assert await collect(bench.store, client, set()) == (1 if bench.store.detached else 0)
    assert uid not in {known.uid for known in await bench.store.known()}
    assert (await bench.load_anew(there)).state == state_of(there)


async def test_kubectl_replace_erases_the_annotation(api_cluster: Cluster, client: Client, run: JsonObject, namespace: str) -> None:
    """Replacing a Run from its manifest drops our annotation; the Run is refused, not started again."""
    import yaml

    bench = Bench("annotations", "annotations", client)
    run = await save(bench.store, run)
    api_cluster.kubectl("-n", namespace, "replace", "-f", "-", stdin=yaml.safe_dump(run_of("demo")))
    assert f"{ANNOTATION_STATE}] is missing" in (await bench.load_anew(run)).refusal
