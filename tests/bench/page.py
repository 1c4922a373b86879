"""The committed figures: docs/performance.json, with the text of the page and the picture made from them.

scripts/run python -m tests.bench.page [--take FOLDER] [--take-latency FOLDER] [--check]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import click
from pydantic import TypeAdapter

from tests.bench.measured import Result
from tests.bench.openloop import tables
from tests.bench.openloop.results import OpenLoop
from tests.bench.table import report

DOCS = Path(__file__).parent.parent.parent / "docs"
RESULT, PAGE, PICTURE = DOCS / "performance.json", DOCS / "performance.md", DOCS / "performance.svg"
MADE, MADE_BY_LATENCY = "result.json", "openloop-*.json"
"""The result files that a run of the benchmark, and of the open loop, writes into its folder."""
START, LATENCY, END = "<!-- generated: figures -->", "<!-- generated: latency -->", "<!-- end of generated -->"
FOLDER = click.Path(exists=True, path_type=Path)


def read(path: Path) -> Result:
    """Read the results of a run of the benchmark."""
    return TypeAdapter(Result).validate_json(path.read_bytes())


def written(result: Result) -> str:
    """Return the text of a result file."""
    return json.dumps(asdict(result), indent=1) + "\n"


def told(result: Result) -> str:
    """Return all figures as Markdown, without those of the open loop."""
    return f"On {', '.join(f'{name}: {fact}' for name, fact in result.facts.items())}.\n\n{report(result.series)}"


def filled(page: str, parts: Mapping[str, str]) -> str:
    """Return the page with these texts, by their mark. Raises ValueError if it has no marks for one of them."""
    for mark, text in parts.items():
        head, start, rest = page.partition(mark)
        _, end, tail = rest.partition(END)
        if not (start and end):
            raise ValueError(f"the page has no {mark} ... {END}: put both where the figures belong")
        page = f"{head}{mark}\n\n{text}\n\n{END}{tail}"
    return page


def with_latency(result: Result, folder: Path) -> Result:
    """Return the result with the open loops of a folder; each replaces the one on the same kind of nodes."""
    found = {each.nodes: each for each in result.open_loop}
    for path in sorted(folder.glob(MADE_BY_LATENCY)):
        taken = TypeAdapter(OpenLoop).validate_json(path.read_bytes())
        found[taken.nodes] = taken
    return replace(result, open_loop=list(found.values()))


@click.command()
@click.option("--take", type=FOLDER, help="First take over the result of a run from its folder.")
@click.option("--take-latency", "latency", type=FOLDER, help="First take over the results of the open loop from their folder.")
@click.option("--check", is_flag=True, help="Only check whether the page matches the figures.")
def main(take: Path | None, latency: Path | None, *, check: bool) -> None:
    """Write the page's figures and the picture from docs/performance.json."""
    result = read(RESULT)
    if take:
        result = replace(read(take / MADE), open_loop=result.open_loop)
    if latency:
        result = with_latency(result, latency)
    if take or latency:
        RESULT.write_text(written(result))
    page = filled(PAGE.read_text(), {START: told(result), LATENCY: tables.report(result.open_loop)})
    if check:
        stale = page != PAGE.read_text()
        sys.exit("docs/performance.md is not what docs/performance.json says: run `make generate`" if stale else 0)
    from tests.bench.plot import draw  # matplotlib takes a second, which a check does not need

    PAGE.write_text(page)
    PICTURE.write_text(draw(result.series))


if __name__ == "__main__":
    main()
