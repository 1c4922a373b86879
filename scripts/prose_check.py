"""Measure prose: how many sentences begin with a headless clause, and how often words occur that slow a reader down.

    scripts/run python scripts/prose_check.py [--list] PATH...

It reads Markdown, and in Python the docstrings and the strings beneath constants. It exits with 1 where a path is over a limit;
`--list` shows the sentences. It cannot judge clarity: read each page aloud once.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

MAX_HEADLESS = 0.02
"""Share of sentences."""
MAX_IDIOMS = 2.0
"""Words in a thousand."""
MIN_WORDS = 4
"""A shorter text is a label."""

HEADLESS = re.compile(r"(What|Who|Whoever|Whatever|Whose|Whom|Of|That|So|Nor|By then)\b")
IDIOM = re.compile(
    r"\b(told|tells?|anew|beside|lest|amid|whoever|whatever|for want of|of which|by then|be it|in hand|to be had|lets? go"
    r"|none of its|news|is no\b|are no\b|is none\b)\b",
    re.IGNORECASE,
)
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
Place = tuple[Path, int]


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, and the file and line where its text begins."""

    place: Place
    text: str

    @property
    def headless(self) -> bool:
        """Whether it begins with a clause in place of its subject."""
        return bool(HEADLESS.match(self.text))

    @property
    def idioms(self) -> list[str]:
        """The words in it that an engineer of the field would not use."""
        return IDIOM.findall(self.text)


def sentences(path: Path) -> Iterator[Sentence]:
    """Yield the sentences of a file; code, tables and headings of Markdown are left out."""
    for line, text in _markdown(path) if path.suffix == ".md" else _docstrings(path):
        plain = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
        plain = re.sub(r"`[^`]*`", "CODE", plain)
        plain = re.sub(r"^\|.*$|^#.*$", "", plain, flags=re.MULTILINE)
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", plain)
        for found in re.split(r"(?<=[.!?:;])\s+", plain):
            if len(found.split()) >= MIN_WORDS:
                yield Sentence((path, line), found)


def _markdown(path: Path) -> Iterator[tuple[int, str]]:
    yield 1, path.read_text()


def _docstrings(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, DOCUMENTED) and (text := ast.get_docstring(node)):
            yield node.body[0].lineno, text
        for child in node.body[1:] if isinstance(node, ast.Module | ast.ClassDef) else ():
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant) and isinstance(child.value.value, str):
                yield child.lineno, child.value.value


def _files(path: Path) -> list[Path]:
    return sorted(found for suffix in ("*.py", "*.md") for found in path.rglob(suffix)) if path.is_dir() else [path]


@click.command()
@click.option("--list", "show", is_flag=True, help="Show the sentences that count against a path.")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
def main(paths: tuple[Path, ...], *, show: bool) -> None:
    """Measure the prose of each path."""
    sys.exit(any([_over(path, show=show) for path in paths]))  # noqa: C419  # each is measured


def _over(path: Path, *, show: bool) -> bool:
    found = [sentence for file in _files(path) for sentence in sentences(file)]
    words = sum(len(sentence.text.split()) for sentence in found)
    headless = sum(sentence.headless for sentence in found) / max(1, len(found))
    idioms = 1000 * sum(len(sentence.idioms) for sentence in found) / max(1, words)
    over = headless > MAX_HEADLESS or idioms > MAX_IDIOMS
    for sentence in found if show else ():
        if sentence.headless or sentence.idioms:
            file, line = sentence.place
            click.echo(f"{file}:{line}: {' '.join(sentence.text.split())}")
    click.echo(f"{path}: {len(found)} sentences, headless {headless:.1%}, idioms {idioms:.1f} in 1,000 words{'  OVER' * over}")
    return over


if __name__ == "__main__":
    main()
