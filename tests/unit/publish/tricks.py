"""Tricks in an agent's workspace that a publication must neither execute nor follow."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.unit.publish.conftest import commit
from tests.unit.source.conftest import PASSWORD, git


@dataclass(frozen=True)
class Place:
    """Where a trick is played."""

    root: Path
    """The workspace."""
    canary: Path
    """A program that leaves a trace and its environment when it is executed."""

    def write(self, path: str, text: str = "x\n") -> Path:
        """Write a file of the workspace."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)
        return self.root / path

    def configure(self, *pairs: tuple[str, str], folder: str = ".") -> None:
        """Set keys of a repository's own configuration."""
        for key, value in pairs:
            git(self.root / folder, "config", key, value)

    def repository(self, path: str) -> None:
        """Make a repository with a commit and a monitor of files."""
        (self.root / path).mkdir(parents=True, exist_ok=True)
        git(self.root / path, "init", "--quiet")
        self.write(f"{path}/inner")
        commit(self.root / path)
        self.configure(("core.fsmonitor", str(self.canary)), folder=path)


@dataclass(frozen=True)
class Trick:
    """One trick, the paths that are published because of it, and the ones that are reported as left out."""

    play: Callable[[Place], object]
    published: dict[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    history: str = ""
    """Why the agent's commits are not kept."""


def hooks(place: Place) -> None:
    """Every hook of git."""
    names = "pre-commit commit-msg post-commit pre-push post-checkout post-index-change reference-transaction pre-auto-gc"
    for name in (*names.split(), "fsmonitor-watchman"):
        shutil.copy(place.canary, place.root / ".git/hooks" / name)


def monitor(place: Place) -> None:
    """A program that git asks for changed files, and a folder of hooks."""
    place.configure(("core.fsmonitor", str(place.canary)), ("core.hooksPath", str(place.canary.parent)))


def programs(place: Place) -> None:
    """Keys of the configuration that name programs."""
    keys = (
        "core.sshCommand core.askPass core.gitProxy core.pager core.editor gpg.program credential.helper diff.external "
        "uploadpack.packObjectsHook core.alternateRefsCommand ssh.variant sequence.editor pager.push alias.push "
        "remote.origin.uploadpack remote.origin.receivepack remote.origin.vcs"
    )
    place.configure(*((key, str(place.canary)) for key in keys.split()), ("http.proxy", "http://127.0.0.1:9"))


def filters(place: Place) -> None:
    """Drivers for the contents of files."""
    program = str(place.canary)
    place.configure(("filter.evil.clean", program), ("filter.evil.smudge", program), ("filter.evil.required", "true"))
    place.write(".gitattributes", "* filter=evil diff=evil merge=evil\nwindows.txt text eol=crlf\n")
    place.configure(("diff.evil.textconv", program), ("diff.evil.command", program), ("merge.evil.driver", program))


def long_filter(place: Place) -> None:
    """A filter that stays alive, by the repository's own attributes."""
    place.configure(("filter.evil.process", str(place.canary)))
    place.write(".git/info/attributes", "* filter=evil working-tree-encoding=UTF-7\n")


def included(place: Place) -> None:
    """Configuration in other files."""
    place.write("evil.config", f"[core]\n\tfsmonitor = {place.canary}\n\thooksPath = /\n")
    place.configure(("include.path", "../evil.config"), ("includeIf.onbranch:**.path", "../evil.config"))
    place.configure(("extensions.worktreeConfig", "true"))
    place.write(".git/config.worktree", f"[core]\n\tfsmonitor = {place.canary}\n")


def elsewhere(place: Place) -> None:
    """Files that lead git to other folders."""
    place.configure(("core.worktree", "/etc"))
    place.write(".git/commondir", "/etc\n")
    place.write(".git/gitdir", "/etc\n")


def rewritten_urls(place: Place) -> None:
    """Another server for the same URL."""
    place.configure(("url.https://evil.example/.insteadOf", "https://"), ("url.ext::evil.pushInsteadOf", "https://"))
    place.configure(
        ("remote.origin.pushurl", f"ext::{place.canary}"), ("protocol.ext.allow", "always"), ("push.default", "matching")
    )


def gitmodules(place: Place) -> None:
    """A submodule whose update is a program."""
    place.write(
        ".gitmodules", f'[submodule "library"]\n\tpath = library\n\turl = ext::{place.canary}\n\tupdate = !{place.canary}\n'
    )


def cloned_submodule(place: Place) -> None:
    """The submodule as a repository with a monitor, and another commit."""
    place.repository("library")


def nested(place: Place) -> None:
    """A repository among the files."""
    place.repository("nested")


def nested_twice(place: Place) -> None:
    """A repository in a repository, and one in a folder."""
    for name in ("a", "a/b", "c d/e"):
        place.repository(name)


def nested_elsewhere(place: Place) -> None:
    """A folder that names a repository outside of the workspace."""
    (outside := place.root.parent / "outside").mkdir()
    git(outside, "init", "--quiet")
    git(outside, "config", "core.fsmonitor", str(place.canary))
    place.write("nested/.git", f"gitdir: {outside}/.git\n")
    place.write("nested/file")
    place.write("linked/file")
    (place.root / "linked/.git").symlink_to(outside / ".git")


def nested_pipes(place: Place) -> None:
    """A repository whose files never end."""
    for name in ("nested/.git/objects", "nested/.git/refs"):
        (place.root / name).mkdir(parents=True)
    os.mkfifo(place.root / "nested/.git/HEAD")
    os.mkfifo(place.root / "nested/.git/config")
    (place.root / "other").mkdir()
    os.mkfifo(place.root / "other/.git")


def bare(place: Place) -> None:
    """A repository without a work tree among the files."""
    git(place.root, "init", "--quiet", "--bare", "--template=", "bare")
    place.write("bare/config", f"[core]\n\tbare = true\n\tfsmonitor = {place.canary}\n")


def replaced(place: Place) -> None:
    """Another content for the cloned commit."""
    tree = git(place.root, "write-tree")
    git(place.root, "replace", "HEAD", git(place.root, "commit-tree", "-m", "false", tree))
    place.write(".git/info/grafts", f"{git(place.root, 'rev-parse', 'HEAD')}\n")
    place.write(".git/shallow", f"{git(place.root, 'rev-parse', 'HEAD')}\n")


def indexes(place: Place) -> None:
    """Files of the object store that say what it has."""
    for name in (
        "info/commit-graph",
        "pack/multi-pack-index",
        "info/packs",
        "pack/pack-x.bitmap",
        "pack/pack-x.idx",
        "pack/pack-x.pack",
    ):
        place.write(f".git/objects/{name}", "garbage\n")
    place.write(".git/objects/info/alternates", "/etc\n../../../outside\n")
    place.write(".git/objects/00/not-an-object", "garbage\n")
    unused = next(name for name in map("{:02x}".format, range(256)) if not (place.root / ".git/objects" / name).exists())
    (place.root / ".git/objects" / unused).symlink_to("/etc")


def flags(place: Place) -> None:
    """Bits of the agent's index that hide changes."""
    git(place.root, "update-index", "--skip-worktree", "file")
    git(place.root, "update-index", "--assume-unchanged", "src/program")
    place.configure(("core.sparseCheckout", "true"), ("core.ignoreStat", "true"), ("core.fileMode", "false"))
    place.write(".git/info/sparse-checkout", "/nothing\n")
    place.write("file")
    place.write("src/program")


def broken_index(place: Place) -> None:
    """An index that git cannot read."""
    place.write(".git/index", "garbage\n")


def excludes(place: Place) -> None:
    """Files that the agent's git does not show."""
    place.write(".git/info/exclude", "*\n")
    place.configure(("core.excludesFile", str(place.write(".git/excluded", "*\n"))))


def links(place: Place) -> None:
    """Symlinks to a file, a Secret, a folder, themselves and nothing."""
    scratch = place.root.parent / "scratch/source/secret"
    for name, target in {
        "a": "/etc/passwd",
        "b": f"{scratch}/password",
        "c": "/etc",
        "d": "d",
        "e": "nowhere",
        "f": str(scratch),
    }.items():
        (place.root / name).symlink_to(target)


def folder_becomes_link(place: Place) -> None:
    """A symlink in place of a folder with files, to a folder with the same files."""
    (place.root / "src").rename(place.root.parent / "outside")
    (place.root / "src").symlink_to(place.root.parent / "outside")


def linked_rules(place: Place) -> None:
    """Symlinks in place of the files that git reads."""
    for name, text in ((".gitattributes", f"* filter={PASSWORD}\n"), (".gitignore", "x\n"), (".gitmodules", "[submodule]\n")):
        (place.root.parent / name).write_text(text)
        (place.root / name).unlink()
        (place.root / name).symlink_to(place.root.parent / name)


def almost_git(place: Place) -> None:
    """Names that other systems take for .git."""
    for name in ALMOST_GIT:
        place.write(f"{name}/config")


ALMOST_GIT = (".GIT", ".gIt", "git~1", "GIT~1", ".git ", ".git.", ".git::$INDEX_ALLOCATION", ".g\u200cit", "\u202e.git", "sub/.Git")


def control_characters(place: Place) -> None:
    """Names that break lists and terminals."""
    for name in ("a\nb", "tab\there", "\x1b[2Jescape", "bell\a", "delete\x7f"):
        place.write(name)


def odd_names(place: Place) -> None:
    """Names that a careless script takes for options, patterns, commands or assignments."""
    for name in ODD:
        place.write(name)
    (Path(os.fsdecode(os.fsencode(place.root) + b"/latin\xe9"))).write_text("x\n")


ODD = (
    *(
        "-x",
        "--checkpoint=1",
        "--checkpoint-action=exec=canary",
        ":x",
        ":!y",
        ":(top)z",
        "*",
        "[a",
        "a*b?",
        '"quoted"',
        "'",
        " space ",
        "#c",
        "!d",
    ),
    *(
        "$(canary)",
        "`canary`",
        ";canary",
        "|canary",
        "&canary",
        "lists=x",
        "%s%n",
        "back\\slash",
        "\\101",
        "é",
        "-/-x",
        "$(id)/x",
        "C:",
        "con",
    ),
)


def collisions(place: Place) -> None:
    """Names that are one on other systems."""
    for name in ("FILE", "File", "Src/program", "e\u0301", "\u00e9"):
        place.write(name)


def special_files(place: Place) -> None:
    """Files that are none; one takes a tracked file's place."""
    os.mkfifo(place.root / "pipe")
    (place.root / "file").unlink()
    os.mkfifo(place.root / "file")
    (place.root / "ignored.log").parent.mkdir(exist_ok=True)
    os.mkfifo(place.root / "ignored.log")
    where = os.getcwd()
    os.chdir(place.root)  # the name of a socket is short
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind("socket")
    finally:
        os.chdir(where)


def closed(place: Place) -> None:
    """Files and folders that cannot be read; some are tracked."""
    place.write("closed").chmod(0)
    place.write("folder/inner")
    place.write("ignored.log").chmod(0)
    for name in ("folder", "src", "file"):
        (place.root / name).chmod(0)


def large(place: Place) -> None:
    """Files above the limit; one is tracked, and one is ignored."""
    for name in ("huge", "big", "build/huge"):
        place.write(name)
        os.truncate(place.root / name, (100 << 20) + 1)
    place.write("just")
    os.truncate(place.root / "just", 1 << 20)


def hard_links(place: Place) -> None:
    """Two names of one file."""
    os.link(place.root / "file", place.root / "same")


def keywords(place: Place) -> None:
    """Attributes that git itself follows: they are undone as a commit undoes them."""
    place.write(".gitattributes", "windows.txt text eol=crlf\n*.id ident\n*.u16 text working-tree-encoding=UTF-16\n*.txt text\n")
    place.write("a.id", "$Id: 0123456789 $\n")
    (place.root / "b.u16").write_bytes("ü\n".encode("utf-16"))
    (place.root / "c.txt").write_bytes(b"one\r\n")


def ignored(place: Place) -> None:
    """Files that .gitignore names, and a tracked one that it names, too."""
    for name in ("a.log", "build/program", "deep/b.log", "kept.log"):
        place.write(name)
    place.write("deep/.gitignore", "secret\n")
    place.write("deep/secret")
    place.repository("build/nested")


def our_own(place: Place) -> None:
    """Folders that are not the repository's; deeper ones with the same names are."""
    for name in (".runwatchman/token", ".runwatchman-clone/tree", "lost+found/1", "deep/.runwatchman/x"):
        place.write(name)


def deep(place: Place) -> None:
    """Paths that are longer than the system's limit."""
    where = os.getcwd()
    os.chdir(place.root)
    try:
        for _ in range(45):
            os.mkdir("d" * 99)
            os.chdir("d" * 99)
        Path("file").touch()
    finally:
        os.chdir(where)


def swapped(place: Place) -> None:
    """A folder in place of a file, and a file in place of a folder."""
    (place.root / "file").unlink()
    place.write("file/inner")
    shutil.rmtree(place.root / "src")
    place.write("src")


def submodule_removed(place: Place) -> None:
    """The submodule's folder is gone."""
    (place.root / "library").rmdir()


def submodule_filled(place: Place) -> None:
    """Files in the submodule's folder."""
    place.write("library/vendored")


def submodule_becomes_file(place: Place) -> None:
    """A file in place of the submodule."""
    (place.root / "library").rmdir()
    place.write("library")


def tracked_nested(place: Place) -> None:
    """A repository made in a folder with tracked files."""
    place.write("src/new")
    git(place.root / "src", "init", "--quiet")
    place.configure(("core.fsmonitor", str(place.canary)), folder="src")


def branch_name(place: Place) -> None:
    """A branch whose name is a command."""
    git(place.root, "checkout", "--quiet", "-b", "$(canary)'\"`canary`")


def linked_worktree(place: Place) -> None:
    """A second work tree of the repository, in the workspace."""
    git(place.root, "worktree", "add", "--quiet", "second")


def executables(place: Place) -> None:
    """Modes: only the owner's x counts."""
    place.write("program").chmod(0o4755)
    place.write("plain").chmod(0o666)


TRICKS = [
    Trick(hooks),
    Trick(monitor),
    Trick(programs),
    Trick(filters, {".gitattributes": "M"}),
    Trick(long_filter),
    Trick(included, {"evil.config": "A"}),
    Trick(elsewhere),
    Trick(rewritten_urls),
    Trick(gitmodules, {".gitmodules": "M"}),
    Trick(cloned_submodule),
    Trick(nested, left_out=("nested (repository)",)),
    Trick(nested_twice, left_out=("a (repository)", "c d/e (repository)")),
    Trick(nested_elsewhere, left_out=("linked (repository)", "nested (repository)")),
    Trick(nested_pipes, left_out=("nested (repository)", "other (repository)")),
    Trick(tracked_nested, {"src/new": "A"}, ("src/.git (repository)",)),
    Trick(bare, {"bare/HEAD": "A", "bare/config": "A"}),
    Trick(linked_worktree, left_out=("second (repository)",)),
    Trick(replaced),
    Trick(indexes),
    Trick(flags, {"file": "M", "src/program": "M"}),
    Trick(broken_index),
    Trick(excludes),
    Trick(links, dict.fromkeys("abcdef", "A")),
    Trick(folder_becomes_link, {"src": "A", "src/program": "D"}),
    Trick(linked_rules, {".gitattributes": "T", ".gitignore": "T", "windows.txt": "M"}, (".gitmodules (name that git refuses)",)),
    Trick(
        almost_git,
        left_out=tuple(f"{name}/config (name that git refuses)" for name in ALMOST_GIT),
    ),
    Trick(
        control_characters,
        left_out=tuple(f"{name} (control character)" for name in ("a?b", "tab?here", "?[2Jescape", "bell?", "delete?")),
    ),
    Trick(odd_names, dict.fromkeys((*ODD, "latin\udce9"), "A")),
    Trick(collisions, dict.fromkeys(("FILE", "File", "Src/program", "e\u0301", "\u00e9"), "A")),
    Trick(special_files, {"file": "D"}, ("file (pipe)", "pipe (pipe)", "socket (socket)")),
    Trick(closed, left_out=("closed (unreadable)", "file (unreadable)", "folder (unreadable)", "src (unreadable)")),
    Trick(large, {"just": "A"}, ("big (more than 100 MiB)", "huge (more than 100 MiB)")),
    Trick(hard_links, {"same": "A"}),
    Trick(keywords, {".gitattributes": "M", "a.id": "A", "b.u16": "A", "c.txt": "A"}),
    Trick(ignored, {"kept.log": "M", "deep/.gitignore": "A"}),
    Trick(our_own, {"deep/.runwatchman/x": "A"}),
    Trick(deep, left_out=("ddd...",)),
    Trick(swapped, {"file": "D", "file/inner": "A", "src": "A", "src/program": "D"}),
    Trick(submodule_removed, {"library": "D"}),
    Trick(submodule_filled),
    Trick(submodule_becomes_file, {"library": "T"}),
    Trick(branch_name),
    Trick(executables, {"program": "A", "plain": "A"}),
]
