"""The layout of the package: few units, few edges between them, no cycle, names that occur once or twice."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2] / "controller"
MAX_ROOT_MODULES, MAX_UNITS, MAX_EDGES, MAX_SAME_NAME = 5, 26, 90, 2
BANNED = re.compile(r"_?(told|said|heard|tell(_\w+)?|learn_\w+|let_go|anew|again|bury|settle)")
"""Verbs of speech and other metaphors, as names for data flow."""


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    """The package's imports, including those for types."""
    return grimp.build_graph("controller", cache_dir=None)


def unit_of(module: str) -> str:
    """Return the unit of a module: the top-level module or folder of the package."""
    return module.split(".")[1] if "." in module else ""


def edges(graph: grimp.ImportGraph) -> set[tuple[str, str]]:
    """Return the imports between units; the package itself has only the version."""
    found = {(unit_of(a), unit_of(b)) for a in graph.modules for b in graph.find_modules_directly_imported_by(a)}
    return {(a, b) for a, b in found if a != b and a and b}


def test_the_package_has_few_modules_at_its_root() -> None:
    """A newcomer sees folders, each with a subject."""
    assert len(list(ROOT.glob("*.py"))) <= MAX_ROOT_MODULES


def test_units_have_few_edges_and_no_cycle(graph: grimp.ImportGraph) -> None:
    """Each unit can be read with only those below it."""
    found = edges(graph)
    assert len({unit_of(module) for module in graph.modules} - {""}) <= MAX_UNITS
    assert len(found) <= MAX_EDGES
    below: dict[str, set[str]] = {}
    for importer, imported in found:
        below.setdefault(importer, set()).add(imported)
    TopologicalSorter(below).prepare()  # Raises CycleError.


def test_no_name_of_a_module_occurs_more_than_twice() -> None:
    """A file is found by its name."""
    names = Counter(path.name for path in ROOT.rglob("*.py") if path.name not in ("__init__.py", "__main__.py"))
    assert [name for name, count in names.items() if count > MAX_SAME_NAME] == []


def test_no_name_is_a_verb_of_saying() -> None:
    """Variables and functions are named after their content or effect."""
    wrong = [f"{path}: {name}" for path in ROOT.rglob("*.py") for name in bound_names(path) if BANNED.fullmatch(name)]
    assert wrong == []


def bound_names(path: Path) -> Iterator[str]:
    """Yield each name that a module binds: variables, arguments, attributes, functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()) | ast.arg(arg=name):
                yield name
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
