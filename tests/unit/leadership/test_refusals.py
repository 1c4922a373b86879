"""Options that an operator with shards refuses at start."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from controller.cli import main

FILE = "sqlite:////data/a.db"


@pytest.mark.parametrize("option", ["--store", "--ledger"])
def test_a_file_is_refused_where_several_write(option: str) -> None:
    """A store or a ledger in a file has one writer; the message names the option and the remedy."""
    done = CliRunner().invoke(main, ["operator", "--shards", "2", option, FILE])
    assert done.exit_code == 2
    assert f"{option} is an SQLite file, which has one writer" in done.output
    assert "--shards 1" in done.output


@pytest.mark.parametrize("number", ["0", "33"])
def test_the_number_of_shards_has_bounds(number: str) -> None:
    """Less than one shard makes no sense, and each additional one costs a check of every event."""
    done = CliRunner().invoke(main, ["operator", "--shards", number])
    assert done.exit_code == 2
    assert "--shards" in done.output
