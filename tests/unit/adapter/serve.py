"""`runwatchman adapter` whose registered commands are the scripts of failures.py."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

from controller.adapter.command import Command


def main() -> None:
    """Run the command line with a stub module in place of the one that reads an installer's file."""
    from tests.unit.adapter.failures import COMMANDS

    def load(_: Path | None) -> Mapping[str, Command]:
        return COMMANDS

    stub = ModuleType("controller.adapter.commands")
    stub.load = load  # type: ignore[attr-defined]  # what makes it a stub
    sys.modules[stub.__name__] = stub
    from controller.cli.adapter import adapter

    adapter()


if __name__ == "__main__":
    main()
