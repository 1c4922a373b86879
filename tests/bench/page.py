"""The committed figures: docs/performance.json, with the text of the page and the picture made from them.

scripts/run python -m tests.bench.page [--take FOLDER | --check]
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import click
from pydantic import TypeAdapter

from tests.bench.measured import Result
from tests.bench.table import report

DOCS = Path(__file__).parent.parent.parent / "docs"
RESULT, PAGE, PICTURE = DOCS / "performance.json", DOCS / "performance.md", DOCS / "performance.svg"
MADE = "result.json"
"""The result file that a run of the benchmark writes into its folder."""
START, END = "<!-- generated: figures -->", "<!-- end of generated -->"


def read(path: Path) -> Result:
    """Read the results of a run of the benchmark."""
    return TypeAdapter(Result).validate_json(path.read_bytes())


def told(result: Result) -> str:
    """Return all figures as Markdown."""
    return f"On {', '.join(f'{name}: {fact}' for name, fact in result.facts.items())}.\n\n{report(result.series)}"


def filled(page: str, result: Result) -> str:
    """Return the page with these figures in it. Raises ValueError if it has no marks for them."""
    head, start, rest = page.partition(START)
    _, end, tail = rest.partition(END)
    if not (start and end):
        raise ValueError(f"the page has no {START} ... {END}: put both where the figures belong")
    return f"{head}{START}\n\n{told(result)}\n\n{END}{tail}"


@click.command()
@click.option("--take", type=click.Path(exists=True, path_type=Path), help="First take over the result of a run from its folder.")
@click.option("--check", is_flag=True, help="Only check whether the page matches the figures.")
def main(take: Path | None, *, check: bool) -> None:
    """Write the page's figures and the picture from docs/performance.json."""
    if take:
        shutil.copy(take / MADE, RESULT)
    result = read(RESULT)
    page = filled(PAGE.read_text(), result)
    if check:
        stale = page != PAGE.read_text()
        sys.exit("docs/performance.md is not what docs/performance.json says: run `make generate`" if stale else 0)
    from tests.bench.plot import draw  # matplotlib takes a second, which a check does not need

    PAGE.write_text(page)
    PICTURE.write_text(draw(result.series))


if __name__ == "__main__":
    main()
