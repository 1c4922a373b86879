"""The reporter as a process, with an API server that misbehaves."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from controller.reporter.report_schedule import BURST
from tests.support import PATIENCE, await_that
from tests.unit.reporter.conftest import ROOT, Reporting

QUESTION = '{"type":"question","id":"q1","text":"Ship it?","options":["yes"]}'
RESULT = '{"type":"result","outcome":"Completed","summary":"done"}'


def test_a_silent_agent_costs_no_write_before_its_first_beat(reporting: Reporting) -> None:
    """A silent agent that ends soon has a termination message, and no AgentReport."""
    reporting.start()
    last = json.loads(reporting.end())
    assert (last["attempt"], last["podUID"], last["questions"]) == (3, "pod-uid", [])
    assert reporting.server.writes() == []


def test_an_idle_agent_beats(reporting: Reporting) -> None:
    """An idle agent gets one report per interval, with a rising number and a growing age."""
    reporting.start(RUNWATCHMAN_REPORT_INTERVAL_SECONDS="1")
    first = reporting.await_status(lambda status: status.get("seq"), "no beat")["seq"]
    found = reporting.await_status(lambda status: status["seq"] > first + 1, "no more beats")
    assert found["intervalSeconds"] == 1
    assert found["sources"] == ["Events", "Workspace"]
    assert "progressAgeSeconds" not in found
    assert reporting.server.report
    assert reporting.server.report["metadata"]["ownerReferences"][0]["uid"] == "run-uid"
    assert "blockOwnerDeletion" not in reporting.server.report["metadata"]["ownerReferences"][0]


def test_a_question_goes_out_and_its_answer_comes_in(reporting: Reporting) -> None:
    """A question from `rw` is reported at once; its answer is delivered while `rw` waits, acknowledged, printed and marked as
    read.
    """
    reporting.start()
    asked = subprocess.Popen(
        [str(reporting.folder / "bin/rw"), "ask", "--id", "q1", "Ship it?", "yes"], env=reporting._env, stdout=subprocess.PIPE
    )
    reporting.await_status(lambda status: status.get("questions"), "the question is not reported")
    reporting.server.deliver("q1", 'yes,\nwith "quotes" \N{SNOWMAN}')
    printed, _ = asked.communicate(timeout=PATIENCE)
    assert printed.decode() == 'yes,\nwith "quotes" \N{SNOWMAN}\n'
    assert json.loads((reporting.folder / "answers/q1.json").read_text())["by"] == "alice"
    found = reporting.await_status(lambda status: status.get("read") == ["q1"], "the answer is not reported as read")
    assert (found["questions"], found["delivered"]) == ([], ["q1"])


def test_what_former_attempts_left_is_there_before_the_agent_starts(reporting: Reporting) -> None:
    """Answers that came meanwhile are ready, read IDs are known, and the earlier attempt's report is replaced as a whole."""
    spec = {"runUID": "run-uid", "deliveries": [{"questionID": "new", "answer": "go"}, {"questionID": "../x", "answer": "no"}]}
    former = {"attempt": 2, "podUID": "other", "seq": 99_999_999, "read": ["old"], "result": {"outcome": "Failed"}}
    reporting.server.put({"spec": spec, "status": former})
    reporting.start()
    assert (reporting.folder / "answers/new.txt").read_text() == "go"
    assert (reporting.folder / "answers/.read").read_text() == "old\n"
    found = reporting.await_status(lambda status: status.get("attempt") == 3, "the delivery is not acknowledged")
    assert (found["delivered"], found["read"], found["podUID"]) == (["new"], ["old"], "pod-uid")
    assert "result" not in found
    assert sorted(path.name for path in reporting.folder.glob("answers/*")) == [".read", "new.json", "new.txt"]


def test_a_restarted_reporter_goes_on_counting(reporting: Reporting) -> None:
    """A reporter that crashed continues its numbering, and knows from the files which events were reported."""
    reporting.server.put({"spec": {"runUID": "run-uid"}, "status": {"attempt": 3, "podUID": "pod-uid", "seq": 99_999_999}})
    reporting.start()
    reporting.say(QUESTION)
    assert reporting.await_status(lambda status: status.get("questions"), "no report")["seq"] == 100_000_000


@pytest.mark.parametrize("trouble", [500, 403, 401, 429, "hang"])
def test_the_last_word_never_waits_for_the_api_server(reporting: Reporting, trouble: int | str) -> None:
    """TERM ends the reporter with exit code 0 and the last report in the termination message, for any fault of the API server."""
    reporting.start()
    reporting.server.trouble = trouble
    reporting.say(QUESTION)
    reporting.say(RESULT[:-1])  # the last event: its newline is missing
    with (reporting.folder / "out/events.jsonl").open("rb+") as file:
        file.seek(-2, 2)
        file.write(b'"}')
    last = json.loads(reporting.end())
    assert last["result"]["outcome"] == "Completed"
    assert [asked["id"] for asked in last["questions"]] == ["q1"]


def test_the_last_word_reaches_the_api_server_too(reporting: Reporting) -> None:
    """A result in the last moment is in the AgentReport when the pod is deleted."""
    reporting.start()
    reporting.say(RESULT)
    last = json.loads(reporting.end())
    assert reporting.server.status["result"]["outcome"] == "Completed"
    assert reporting.server.status["seq"] >= last["seq"]


def test_an_outage_loses_nothing_and_ends_in_one_write(reporting: Reporting) -> None:
    """While the API server refuses, the newest state is kept; when it is back one write contains all of it."""
    reporting.start()
    reporting.server.trouble = 503
    reporting.say(QUESTION)
    await_that(lambda: len(reporting.server.requests) > 1, "it did not even try")
    reporting.say('{"type":"progress","message":"meanwhile"}')
    reporting.say(RESULT)
    reporting.server.requests.clear()
    reporting.server.trouble = None
    found = reporting.await_status(lambda status: status.get("result"), "nothing came")
    assert (found["message"], len(found["questions"])) == ("meanwhile", 1)
    assert [request.split()[0] for request in reporting.server.writes()] == ["POST", "PATCH"]


def test_a_renewed_token_is_used(reporting: Reporting) -> None:
    """After its token is revoked the reporter reads the file again, and the report is written."""
    reporting.start()
    reporting.server.token = "other"  # noqa: S105  # of a test
    reporting.say(QUESTION)
    await_that(lambda: len(reporting.server.requests) > 1, "it did not try with the old token")
    reporting.renew_token("other")
    reporting.await_status(lambda status: status.get("questions"), "the new token is not used")


def test_another_runs_report_is_left_alone_until_it_is_gone(reporting: Reporting) -> None:
    """The reporter does not write to another Run's object of the same name; when it is deleted, the reporter creates its own."""
    namesake = {"spec": {"runUID": "another"}, "status": {"seq": 1}}
    reporting.server.put(namesake)
    reporting.start()
    reporting.say(QUESTION)
    seen = len(reporting.server.requests)
    await_that(lambda: len(reporting.server.requests) > seen + 1, "it does not look again")
    assert reporting.server.writes() == []
    reporting.server.put(None)
    assert reporting.await_status(lambda status: status.get("questions"), "it created none of its own")["attempt"] == 3


def test_a_later_attempts_report_is_left_alone(reporting: Reporting) -> None:
    """An old pod that lingers does not overwrite its successor's report."""
    reporting.server.put({"spec": {"runUID": "run-uid"}, "status": {"attempt": 4}})
    reporting.start()
    reporting.say(RESULT)
    reporting.end()
    assert reporting.server.writes() == []


def test_a_change_meanwhile_is_no_harm(reporting: Reporting) -> None:
    """After a concurrent write of the operator the next report detects the conflict, and is written."""
    reporting.start()
    reporting.say('{"type":"park"}')
    reporting.await_status(lambda status: status.get("parked"), "no report")
    assert reporting.server.report
    reporting.server.put({**reporting.server.report, "metadata": {}})
    reporting.say(RESULT)
    reporting.await_status(lambda status: status.get("result"), "no second report")


def test_a_flood_of_news_is_a_bounded_number_of_writes(reporting: Reporting) -> None:
    """An agent that changes its result constantly causes few writes, and its last result is not lost."""
    reporting.start()
    number = 0

    def say_more_until(writes: int) -> bool:
        nonlocal number
        number += 1
        reporting.say(json.dumps({"type": "result", "outcome": "Failed", "summary": str(number)}))
        return len(reporting.server.writes()) >= writes

    await_that(lambda: say_more_until(4), "its updates are not reported")
    for _ in range(3000):
        say_more_until(0)
    assert json.loads(reporting.end())["result"]["summary"] == str(number)
    assert len(reporting.server.writes()) <= BURST + 4


def test_the_probe_and_the_help(reporting: Reporting) -> None:
    """`--ready` fails until all files are installed; unknown options and a missing environment are usage errors with a message."""
    assert reporting.run("reporter", "--ready").wait(PATIENCE) == 1
    reporting.start()
    assert reporting.run("reporter", "--ready").wait(PATIENCE) == 0
    command = [sys.executable, "-m", "controller", "reporter"]
    for arguments, env, code, said in (
        (["--help"], reporting._env, 0, "usage"),
        (["--nonsense"], reporting._env, 2, "usage"),
        ([], {"PATH": ""}, 2, "RUNWATCHMAN_RUN"),
    ):
        done = subprocess.run([*command, *arguments], env=env, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == code
        assert said in done.stdout + done.stderr


def test_nothing_heavy_is_imported() -> None:
    """Modules that would not fit into 25 MiB are not loaded: no click, pydantic or dataclasses, from the entry point on."""
    script = "import sys; sys.argv = ['runwatchman', 'reporter', '--help']\nfrom controller.__main__ import main\ntry: main()\n"
    script += "except SystemExit: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "controller.reporter.reporter" in loaded
    assert not loaded & {"click", "pydantic", "dataclasses", "asyncio", "importlib.metadata", "inspect", "yaml"}
