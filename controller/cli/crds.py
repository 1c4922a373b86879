"""`runwatchman crds`: writes, checks or prints the CustomResourceDefinitions."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path

import click

from controller.api.crd import build_crds, render


@click.command()
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write one file per CRD into this folder.",
)
@click.option(
    "--check",
    type=click.Path(file_okay=False, path_type=Path),
    help="Exit with 1 if this folder is not up to date.",
)
def crds(output: Path | None, check: Path | None) -> None:
    """Print the CRDs, generated from the API's models, ready for `kubectl apply -f -`."""
    files = {name: render(crd) for name, crd in build_crds().items()}
    if check:
        _check(files, check)
    elif output:
        output.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (output / name).write_text(text)
            click.echo(f"wrote {output / name}")
    else:
        click.echo("---\n".join(files.values()), nl=False)


def _check(files: dict[str, str], folder: Path) -> None:
    stale = False
    for name, text in files.items():
        path = folder / name
        there = path.read_text() if path.exists() else ""
        diff = difflib.unified_diff(there.splitlines(), text.splitlines(), str(path), "generated", lineterm="", n=1)
        for line in diff:
            stale = True
            click.echo(line)
    strangers = {path.name for path in folder.glob("*.yaml")} - set(files)
    for name in sorted(strangers):
        stale = True
        click.echo(f"{folder / name}: generated from no model; delete it")
    if stale:
        click.echo(f"{folder} is not up to date: run `make generate`", err=True)
        sys.exit(1)
