"""The single file of `kubectl rw`: every command works in it by a Python that has no package installed."""

from __future__ import annotations

import json
import os
import re
import subprocess
from http import HTTPStatus
from pathlib import Path

import pytest

from controller.cli.rw import LAZY
from controller.cli.rw.objects import JsonObject
from tests.single_file import BARE_PYTHON, build, run
from tests.unit.rw.fake import FakeKubectl
from tests.unit.rw.one_run import RUN, kubectl_with_one_run
from tests.unit.rw.stories import NAMES, Story, story
from tests.web_page import Tab

pytestmark = pytest.mark.timeout(300)

LIMIT_BYTES = 5_000_000
"""Maximum size of a file: the compiled part of pydantic for four versions of Python is most of it."""

DEPTH = 6000
"""Levels of an object that Python's json cannot decode."""

POSIX_ONLY = ("fcntl", "grp", "pwd", "resource", "termios", "tty", "readline", "curses", "syslog", "pty")
AS_ON_WINDOWS = f"import sys; sys.modules.update(dict.fromkeys({POSIX_ONLY})); "
AS_OLD = "import sys; sys.version_info = (3, 10, 13); "
AS_OTHER_USER = "import os; os.geteuid = lambda: 4711; "
AS_OTHER_PYTHON = "import importlib.machinery as m; m.EXTENSION_SUFFIXES[:] = ['.cpython-399-x86_64-linux-gnu.so']; "
START = "import runpy, sys; del sys.argv[0]; sys.path.insert(0, sys.argv[0]); runpy.run_path(sys.argv[0], run_name='__main__')"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file for this machine."""
    return build(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The user's cache."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def kubectl(tmp_path: Path) -> FakeKubectl:
    """A kubectl with one Run and one question."""
    return kubectl_with_one_run(tmp_path)


def recorded(told: Story, path: Path) -> FakeKubectl:
    """Return a kubectl that answers with a story's objects."""
    around = told.around
    meta: JsonObject = {"namespace": "default", "uid": "u"} | told.run["metadata"]
    found = FakeKubectl(path)
    found.answers(
        ("get runs*", {**told.run, "metadata": meta}, "", 0),
        ("get runpolicies*", around.policy or {}, "", 0),
        ("get pods*", {"items": list(around.pods)}, "", 0),
        ("get events*", {"items": list(around.events)}, "", 0),
        ("get escalations*", {"items": list(around.escalations)}, "", 0),
        ("get agentreports*", {"items": list(around.reports)}, "", 0),
        ("get*", {"items": []}, "", 0),
    )
    return found


def timeless(text: str) -> str:
    """Return a text without the digits of ages, which differ from one call to the next."""
    return re.sub(r"\d+", "0", text)


def test_it_is_small(program: Path) -> None:
    """A download of a few megabytes, where pip installs 50 packages."""
    assert 0 < program.stat().st_size < LIMIT_BYTES


@pytest.mark.parametrize("name", sorted(LAZY))
def test_every_command_is_in_it(program: Path, cache: Path, name: str) -> None:
    """Each command's module and what it imports are in the file."""
    done = run(program, cache, name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: kubectl rw {name} ")


@pytest.mark.parametrize("command", ["explain", "describe", "explain -o json", "explain -o yaml"])
@pytest.mark.parametrize("name", NAMES)
def test_explain_and_describe(program: Path, cache: Path, tmp_path: Path, name: str, command: str) -> None:
    """On recorded objects they print what they print when installed: the plan is replayed by the same models."""
    kubectl, run_name = recorded(story(name), tmp_path / "kubectl"), story(name).run["metadata"]["name"]
    verb, *options = command.split()
    done = run(program, cache, verb, run_name, *options, KUBECTL=str(kubectl.path))
    installed = kubectl.run(verb, run_name, *options)
    assert (done.returncode, installed.exit_code, timeless(done.stdout)) == (0, 0, timeless(installed.stdout))


@pytest.mark.parametrize(
    "args",
    [("get",), ("get", "-A"), ("inbox",), ("inbox", "q"), ("answer", "q", "yes"), ("pause", "hello"), ("--version",)],
    ids=" ".join,
)
def test_other_commands(program: Path, cache: Path, kubectl: FakeKubectl, args: tuple[str, ...]) -> None:
    """What the others print is the same, too."""
    done, installed = run(program, cache, *args, KUBECTL=str(kubectl.path)), kubectl.run(*args)
    assert (done.returncode, installed.exit_code, timeless(done.stdout)) == (0, 0, timeless(installed.stdout))


def test_an_object_that_is_nested_too_deeply(program: Path, cache: Path, kubectl: FakeKubectl) -> None:
    """The rare module that needs the compiled orjson finds it."""
    deep = json.dumps(RUN)[:-1] + ', "x": ' + '{"a":' * DEPTH + "1" + "}" * DEPTH + "}"
    kubectl.answers(("get runs*", deep, "", 0), ("get*", {"items": []}, "", 0))
    done = run(program, cache, "describe", "hello", KUBECTL=str(kubectl.path))
    assert (done.returncode, done.stderr.count("Error")) == (0, 0), done.stderr
    assert "Name:       hello" in done.stdout


def test_it_completes_under_the_name_that_kubectl_looks_for(program: Path, cache: Path, kubectl: FakeKubectl) -> None:
    """A link named kubectl_complete-rw is all that kubectl's own completion needs."""
    (link := program.with_name("kubectl_complete-rw")).symlink_to(program)
    assert run(link, cache, "describe", "he", KUBECTL=str(kubectl.path)).stdout == "hello\n:4\n"


def test_it_unpacks_once(program: Path, tmp_path: Path) -> None:
    """The second call finds the first one's folder, which nobody else may read or change."""
    assert run(program, tmp_path / "cache", "--help").returncode == 0
    (folder,) = (tmp_path / "cache").glob("*/*")
    before = folder.stat().st_ino
    assert run(program, tmp_path / "cache", "--help").returncode == 0
    assert [found.stat().st_ino for found in (tmp_path / "cache").glob("*/*")] == [before]
    assert (folder.stat().st_mode & 0o077, folder.stat().st_uid) == (0, os.geteuid())


def test_a_cache_that_cannot_be_written(program: Path, tmp_path: Path, kubectl: FakeKubectl) -> None:
    """It works from a temporary folder, which is removed."""
    (temporary := tmp_path / "temporary").mkdir()
    done = run(program, Path("/dev/null/cache"), "explain", "hello", KUBECTL=str(kubectl.path), TMPDIR=str(temporary))
    assert (done.returncode, list(temporary.iterdir())) == (0, []), done.stderr


def test_a_folder_of_another_user_is_not_used(program: Path, tmp_path: Path) -> None:
    """Under sudo, code that another user could have changed is not run."""
    assert run(program, tmp_path, "--help").returncode == 0
    (folder,) = tmp_path.glob("*/*")
    (folder / "click/__init__.py").write_text("raise SystemExit('changed')")
    assert "changed" in run(program, tmp_path, "--help").stderr
    done = run(program, tmp_path, "--help", python=(*BARE_PYTHON, "-c", AS_OTHER_USER + START))
    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.glob("*/*")) == [folder]


def test_an_old_python_is_refused_in_words(program: Path, cache: Path) -> None:
    """The first lines of the file run on each Python 3, and say which one is needed."""
    done = run(program, cache, "get", python=(*BARE_PYTHON, "-c", AS_OLD + START))
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert done.stderr.startswith("error: kubectl-rw: it needs Python 3.11 or newer")


def test_a_python_without_compiled_parts(program: Path, tmp_path: Path, kubectl: FakeKubectl) -> None:
    """Commands without the plan work on another interpreter; the others name those that they work on."""
    python = (*BARE_PYTHON, "-c", AS_OTHER_PYTHON + START)
    assert run(program, tmp_path, "get", python=python, KUBECTL=str(kubectl.path)).returncode == 0
    done = run(program, tmp_path, "explain", "hello", python=python, KUBECTL=str(kubectl.path))
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
    assert "needs CPython 3.11 to 3.14" in done.stderr


@pytest.mark.parametrize("args", [("get",), ("explain", "hello"), ("describe", "hello"), ("inbox", "q")], ids=" ".join)
def test_no_module_that_windows_lacks(program: Path, cache: Path, kubectl: FakeKubectl, args: tuple[str, ...]) -> None:
    """The commands import nothing that only POSIX has."""
    done = run(program, cache, *args, python=(*BARE_PYTHON, "-c", AS_ON_WINDOWS + START), KUBECTL=str(kubectl.path))
    assert done.returncode == 0, done.stderr


PROXY = '#!/bin/sh\ncase "$*" in\nproxy*) echo "Starting to serve on x"; exec sleep 600;;\n*) echo default;;\nesac\n'
"""A kubectl whose proxy reaches no API server."""


def test_the_page_is_served(program: Path, cache: Path, tmp_path: Path) -> None:
    """The server, the templates and the static files are in the file, and need no compiled part but those for the Python."""
    (kubectl := tmp_path / "kubectl").write_text(PROXY)
    kubectl.chmod(0o755)
    env = {"PATH": os.defpath, "HOME": "/nonexistent", "XDG_CACHE_HOME": str(cache), "KUBECTL": str(kubectl)}
    command = [*BARE_PYTHON, str(program), "web", "--no-browser"]
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port, _, path = process.stdout.readline().removeprefix("http://127.0.0.1:").strip().partition("/")
            tab = Tab(int(port))
            assert tab.get(f"/{path}").code == HTTPStatus.OK
            answer = tab.get("/")
        finally:
            process.terminate()
    assert (answer.code, "the API server cannot be reached" in answer.text) == (502, True)
    (style,) = re.findall(r'"(/static/\w+/page\.css)"', answer.text)
    assert style
