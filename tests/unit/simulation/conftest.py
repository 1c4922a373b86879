"""The ledger of simulated Runs, which takes some seconds to make."""

from __future__ import annotations

import pytest

from controller.ledger.reading import Row
from tests.unit.simulation.simulated_ledger import POLICY, TRUTH, simulated_rows


@pytest.fixture(scope="session")
def ledger() -> list[Row]:
    """Return the rows of 250 Runs."""
    return simulated_rows(TRUTH, 250, POLICY)
