"""Pure: the command that compares an agent's workspace with the commit that was cloned."""

from __future__ import annotations

import posixpath

from controller.cli.rw.agent_choice import standing
from controller.cli.rw.objects import JsonObject
from controller.cli.rw.shell_pod import mount_path, work_in
from controller.cli.rw.user_error import Problem

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


def cloned(run: JsonObject, agent: str) -> str:
    """Return the commit that was cloned into an agent's workspace, empty if none is on record."""
    found: str = (standing(run, agent).get("source") or {}).get("revision") or ""
    return found


def base_of(run: JsonObject, agent: JsonObject) -> str:
    """Return the commit that was cloned into an agent's workspace. Raises Problem if none is on record."""
    if found := cloned(run, agent["name"]):
        return found
    remedy = "name a commit to compare with by --base; for a workspace with a source the operator records it"
    raise Problem(f"no commit is on record from which the work of agent {agent['name']} began", remedy)


def diff_words(agent: JsonObject, base: str, *more: str) -> tuple[str, ...]:
    """Return the words that show the changes since a commit, in the agent's container. `more` are words of `git diff`."""
    git = ((agent.get("workspace") or {}).get("source") or {}).get("git") or {}
    directory = posixpath.normpath(posixpath.join(mount_path(agent), git.get("directory", ".")))
    return work_in(directory, ("sh", "-c", DIFF, "sh", base, *more))
