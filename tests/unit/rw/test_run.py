"""`kubectl rw run`: the Run for a command line, as the operator accepts it, and what is checked before it is created."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from controller import __version__
from controller.api.checks import check_run, parse_run_spec
from controller.cli.rw import rw
from controller.cli.rw.agent_clis import CLIS, REGISTRY
from controller.cli.rw.objects import JsonObject
from tests.unit.rw.fake import FakeKubectl

ROOT = Path(__file__).parents[3]
CODEX = f"{REGISTRY}/codex-agent:{__version__}"
KEPT: JsonObject = {"workspace": {}}
MISSING = 'Error from server (NotFound): secrets "openai" not found'
FORBIDDEN = 'Error from server (Forbidden): secrets "openai" is forbidden: User "bob" cannot get resource "secrets" in API group ""'


@pytest.fixture
def echo(tmp_path: Path) -> Path:
    """The place of a kubectl that does not exist: nothing that is only printed needs one."""
    return tmp_path / "absent/kubectl"


def typed(kubectl: Path, *args: str, stdin: str = "") -> Result:
    """Type `kubectl rw run fix` with arguments, as a dry run."""
    env = {"KUBECTL": str(kubectl)}
    return CliRunner().invoke(rw, ["run", "fix", "--dry-run", "-o", "json", *args], input=stdin, env=env, prog_name="kubectl rw")


def secret(name: str) -> JsonObject:
    """Return the source of an environment that --secret names."""
    return {"secretRef": {"name": name}}


@pytest.mark.parametrize(
    ("args", "agent", "brief"),
    [
        (("--agent", "codex", "Fix it"), {"image": CODEX, "command": ["rw", "exec", "codex"], **KEPT}, "Fix it"),
        (
            ("--agent", "codex", "--secret", "openai", "Fix it", "--", "-m", "gpt-5.1-codex", "--", "x"),
            {
                "image": CODEX,
                "command": ["rw", "exec", "codex", "-m", "gpt-5.1-codex", "--", "x"],
                "envFrom": [secret("openai")],
                **KEPT,
            },
            "Fix it",
        ),
        (
            ("Fix it", "--agent", "claude", "--image", "mine:1", "--secret", "a", "--secret", "b", "--env-from", "cm/c"),
            {
                "image": "mine:1",
                "command": ["rw", "exec", "claude"],
                "envFrom": [secret("a"), secret("b"), {"configMapRef": {"name": "c"}}],
                **KEPT,
            },
            "Fix it",
        ),
        (
            ("--agent=codex", "--image=mine:1", "--workspace=50Gi", "--brief=Fix it"),
            {"image": "mine:1", "command": ["rw", "exec", "codex"], "workspace": {"size": "50Gi"}},
            "Fix it",
        ),
        (
            ("--image", "busybox", "--", "echo", "--agent", "codex"),
            {"image": "busybox", "command": ["echo", "--agent", "codex"]},
            None,
        ),
        (("--image", "mine:1", "Fix it"), {"image": "mine:1"}, "Fix it"),
        (("--image=mine:1", "--workspace", "Fix it"), {"image": "mine:1", **KEPT}, "Fix it"),
        (("--image=mine:1", "--workspace", "5Gi", "Fix it"), {"image": "mine:1", "workspace": {"size": "5Gi"}}, "Fix it"),
        (("--image=mine:1", "--dry-run", "client", "Fix it"), {"image": "mine:1"}, "Fix it"),
    ],
    ids=["codex", "options", "claude", "other image", "command", "brief", "workspace", "size", "client"],
)
def test_a_command_line_is_a_run(echo: Path, args: tuple[str, ...], agent: JsonObject, brief: str | None) -> None:
    """The words after -- are the CLI's options, or the command of an image; the operator accepts the spec."""
    run = json.loads(typed(echo, *args).stdout)
    assert run["spec"] == {"agents": [{"name": "coder", **agent}], **({"brief": brief} if brief else {})}
    assert check_run(parse_run_spec(run)) == ()


@pytest.mark.parametrize(
    ("args", "git"),
    [
        (("https://git.example/a/b.git",), {"url": "https://git.example/a/b.git"}),
        (("https://git.example/a/b@v1",), {"url": "https://git.example/a/b", "revision": "v1"}),
        (("https://git.example/a/b@fix/x", "--workspace=5Gi"), {"url": "https://git.example/a/b", "revision": "fix/x"}),
        (("git@git.example:a/b.git", "--repo-secret=key"), {"url": "git@git.example:a/b.git", "secretName": "key"}),
        (("git@git.example:a/b@v1", "--repo-secret=k"), {"url": "git@git.example:a/b", "revision": "v1", "secretName": "k"}),
        (
            ("ssh://git@git.example/a@v1", "--repo-secret=k"),
            {"url": "ssh://git@git.example/a", "revision": "v1", "secretName": "k"},
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_repository_is_the_source_of_the_workspace(echo: Path, args: tuple[str, ...], git: JsonObject) -> None:
    """The revision follows the last @ of the path; the @ of a user is none. The operator accepts the spec."""
    run = json.loads(typed(echo, "--agent", "codex", "Fix it", "--repo", *args).stdout)
    assert run["spec"]["agents"][0]["workspace"]["source"] == {"git": git}
    assert check_run(parse_run_spec(run)) == ()


@pytest.mark.parametrize(
    ("repo", "words"),
    [("https://git.example/a", "--type=kubernetes.io/basic-auth"), ("git@git.example:a", "--type=kubernetes.io/ssh-auth")],
)
def test_a_missing_credential_of_a_repository(tmp_path: Path, repo: str, words: str) -> None:
    """The error has the command for a Secret of the type that the URL needs."""
    kubectl = FakeKubectl(tmp_path / "kubectl")
    kubectl.answers(("get secret*", "", MISSING, 1))
    done = kubectl.run("run", "fix", "--agent", "codex", "--repo", repo, "--repo-secret", "clone", "Fix it")
    assert done.stderr.startswith("error: no Secret clone in this namespace; create it: kubectl create secret generic clone")
    assert words in done.stderr


@pytest.mark.parametrize(
    ("args", "tasks"),
    [
        (("--verify", "pytest -q"), {"verify": {"command": ["/bin/sh", "-c", "pytest -q"]}}),
        (
            ("--verify=make test", "--verify-image=tools:1"),
            {"verify": {"image": "tools:1", "command": ["/bin/sh", "-c", "make test"]}},
        ),
        (("--repo=https://git.example/a", "--publish=agents/{run}"), {"publish": {"git": {"branch": "agents/{run}"}}}),
        (
            ("--repo=https://git.example/a", "--publish=b", "--publish-secret=push", "--verify=true"),
            {"verify": {"command": ["/bin/sh", "-c", "true"]}, "publish": {"git": {"branch": "b", "secretName": "push"}}},
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
@pytest.mark.parametrize("agent", [("--agent", "codex", "Fix it"), ("--image", "mine:1")], ids=["codex", "an image"])
def test_what_follows_the_work(echo: Path, agent: tuple[str, ...], args: tuple[str, ...], tasks: JsonObject) -> None:
    """A command that verifies it, and a branch. Both keep the workspace, and the operator accepts the spec."""
    run = json.loads(typed(echo, *agent, *args).stdout)
    found = run["spec"]["agents"][0]
    assert {key: found.get(key) for key in ("verify", "publish")} == {"verify": None, "publish": None} | tasks
    assert "workspace" in found
    assert check_run(parse_run_spec(run)) == ()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--verify", " "), "--verify has no command; give what checks the work"),
        (("--verify-image", "t"), "--verify-image t is for a verification; name its command with --verify COMMAND"),
        (("--publish", "b"), "--publish b needs a repository; name it with --repo URL"),
        (("--publish-secret", "s"), "--publish-secret s is for a branch; name it with --publish BRANCH"),
    ],
)
def test_what_follows_the_work_is_incomplete(echo: Path, args: tuple[str, ...], words: str) -> None:
    """Each error names the option that is missing."""
    done = typed(echo, "--agent", "codex", "Fix it", *args)
    assert (done.exit_code, words in done.stderr) == (1, True)


def test_a_missing_credential_that_may_push(tmp_path: Path) -> None:
    """The error has the command for a Secret of the type that the URL needs."""
    kubectl = FakeKubectl(tmp_path / "kubectl")
    kubectl.answers(("get secret*", "", MISSING, 1))
    done = kubectl.run("run", "fix", "--agent", "codex", "--repo=git@g.example:a", "--publish=b", "--publish-secret=push", "Fix it")
    assert done.stderr.startswith(
        "error: no Secret push in this namespace; create it: kubectl create secret generic push --type=kubernetes.io/ssh-auth"
    )


@pytest.mark.parametrize("given", ["argument", "stdin", "file", "file on stdin"])
def test_a_prompt_from_anywhere(echo: Path, tmp_path: Path, given: str) -> None:
    """A prompt is an argument, a file, or stdin by either of the two."""
    (path := tmp_path / "prompt.md").write_text("Fix it.\nThen test.\n")
    args = {
        "argument": (path.read_text(),),
        "stdin": ("-",),
        "file": ("--brief-file", str(path)),
        "file on stdin": ("--brief-file", "-"),
    }
    done = typed(echo, "--agent", "codex", *args[given], stdin=path.read_text())
    assert json.loads(done.stdout)["spec"]["brief"] == "Fix it.\nThen test.\n"


def test_a_printed_run_needs_no_cluster(echo: Path) -> None:
    """As YAML, JSON or a name. The namespace is in it if the user named one: that of the context is on the cluster's side."""
    as_json = typed(echo, "--image", "x", "-n", "team", "--", "echo", "1", "größe")
    assert json.loads(as_json.stdout)["metadata"] == {"name": "fix", "namespace": "team"}
    as_yaml = typed(echo, "--image", "x", "-n", "team", "-o", "yaml", "--", "echo", "1", "größe")
    assert yaml.safe_load(as_yaml.stdout) == json.loads(as_json.stdout)
    assert "größe" in as_yaml.stdout
    assert typed(echo, "--image", "x", "-o", "name").stdout == "run.runwatchman.dev/fix\n"
    assert "namespace" not in typed(echo, "--image", "x").stdout


def test_a_name_that_ends_with_a_hyphen_is_completed(echo: Path) -> None:
    """As with generateName: each call gives another Run, so that a script need not invent names."""
    args = ["run", "fix-", "--dry-run", "-o", "json", "--agent", "codex", "Fix it"]
    names = {json.loads(CliRunner().invoke(rw, args, env={"KUBECTL": str(echo)}).stdout)["metadata"]["name"] for _ in range(2)}
    assert len(names) == 2
    assert all(re.fullmatch("fix-[0-9a-f]{6}", name) for name in names)


@pytest.mark.parametrize("cli", CLIS)
def test_each_cli_has_its_image(cli: str) -> None:
    """The names are those of the recipes, and the registry is that of the chart's image."""
    assert (ROOT / f"images/{cli}-agent/Containerfile").exists()
    assert f"repository: {REGISTRY}/runwatchman\n" in (ROOT / "charts/runwatchman/values.yaml").read_text()


def test_a_missing_secret_is_reported_before_the_run_is_created(tmp_path: Path) -> None:
    """The agent would wait for it: the error has the command that creates it, with the CLI's own variable."""
    kubectl = FakeKubectl(tmp_path / "kubectl")
    kubectl.answers(("get secret*", "", MISSING, 1))
    done = kubectl.run("run", "fix", "--agent", "codex", "--secret", "openai", "-n", "team", "Fix it")
    remedy = "kubectl create secret generic openai --from-literal=OPENAI_API_KEY=... -n team"
    assert (done.exit_code, done.stderr) == (1, f"error: no Secret openai in namespace team; create it: {remedy}\n")
    assert [call.split()[0] for call in kubectl.calls()] == ["get"]


def test_who_may_not_read_secrets_may_name_one(tmp_path: Path) -> None:
    """The right to create Runs is enough; nothing is then known about the Secret."""
    kubectl = FakeKubectl(tmp_path / "kubectl")
    kubectl.answers(("get secret*", "", FORBIDDEN, 1), ("create*", "", "", 0))
    done = kubectl.run("run", "fix", "--agent", "codex", "--secret", "openai", "Fix it")
    assert (done.exit_code, done.stdout) == (0, "run fix created\n")
    assert "gets no key" not in done.stderr


def test_a_run_without_a_key_is_created_with_a_hint(tmp_path: Path) -> None:
    """A policy may have the key, so it is no error."""
    kubectl = FakeKubectl(tmp_path / "kubectl")
    kubectl.answers(("create*", "", "", 0))
    done = kubectl.run("run", "fix", "--agent", "codex", "Fix it")
    assert (done.exit_code, done.stdout) == (0, "run fix created\n")
    assert done.stderr.startswith("codex gets no key from this Run: name its Secret with --secret")
