"""`diff`: shows what changed in an agent's workspace since the commit that was cloned."""

from __future__ import annotations

import posixpath

import click

from controller.cli.rw import options
from controller.cli.rw.agent_choice import chosen, standing
from controller.cli.rw.objects import JsonObject
from controller.cli.rw.session import Session, with_kubectl_flags
from controller.cli.rw.shell_pod import mount_path, work_in
from controller.cli.rw.terminal_safe import clean
from controller.cli.rw.user_error import Problem
from controller.cli.rw.workspace_container import OwnPod, workspace_container

DIFF = """
set -e
base=$1; shift
objects=$(git rev-parse --git-path objects)
git rev-parse --quiet --verify "$base^{commit}" >/dev/null || { echo "fatal: there is no commit $base in $PWD" >&2; exit 128; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export GIT_OPTIONAL_LOCKS=0 GIT_ALTERNATE_OBJECT_DIRECTORIES="$(cd "$objects" && pwd)"
cp -p "$(git rev-parse --git-path index)" "$scratch/index" 2>/dev/null || :
export GIT_INDEX_FILE=$scratch/index GIT_OBJECT_DIRECTORY=$scratch/objects
mkdir "$GIT_OBJECT_DIRECTORY"
git -c core.fsmonitor=false -c advice.addEmbeddedRepo=false add --all
git --no-pager -c core.fsmonitor=false diff --no-ext-diff --no-textconv --cached "$base" "$@"
"""
"""Compares a commit with the files, also those that git does not know yet, and changes neither the index nor the repository.

The copy of the index keeps its time, by which git finds files that have changed in the same moment (gitformat-index, racy).
"""


@click.command(cls=options.WithCommand)
@options.workspace_of_an_agent
@click.option("--base", metavar="REVISION", help="Commit to compare with; default: the one that was cloned.")
@with_kubectl_flags
def diff(
    session: Session, name: str, agent: str | None, base: str | None, image: str | None, timeout: str, command: tuple[str, ...]
) -> None:
    """Show the changes in an agent's workspace since the cloned commit, committed or not. Words after -- are those of `git diff`.

    AGENT may be omitted if the Run has only one. In a pipe the output is git's own, as `git apply` reads it.
    """
    run = session.run(name)
    its = chosen(run, agent)
    since = base or _cloned(run, its)
    words = work_in(_directory(its), ("sh", "-c", DIFF, "sh", since, *command))
    with workspace_container(session, run, its, OwnPod(image, timeout)) as container:
        call = container.exec_words(words, terminal=False)
        if session.width() is None:  # in a pipe or a file
            raise click.exceptions.Exit(session.kubectl.hand_over(*call))
        changes = session.kubectl.text(*call)
    if changes:
        click.echo_via_pager(clean(changes.removesuffix("\n")))


def _cloned(run: JsonObject, agent: JsonObject) -> str:
    """Return the commit that was cloned into the workspace. Raises Problem if it is unknown."""
    found: str | None = (standing(run, agent["name"]).get("source") or {}).get("revision")
    if found is None:
        remedy = "name a commit to compare with by --base; for a workspace with a source the operator records it"
        raise Problem(f"no commit is on record from which the work of agent {agent['name']} began", remedy)
    return found


def _directory(agent: JsonObject) -> str:
    git = ((agent.get("workspace") or {}).get("source") or {}).get("git") or {}
    return posixpath.normpath(posixpath.join(mount_path(agent), git.get("directory", ".")))
