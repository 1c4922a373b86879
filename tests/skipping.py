"""The one way for a test to say that this machine lacks what it needs: skipped with the reason, and a failure in CI."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def cannot_run(reason: str) -> NoReturn:
    """Skip the test that asks, truthfully; in CI, which has to have everything, fail it."""
    if os.environ.get("CI"):
        pytest.fail(f"CI must run this: {reason}")
    pytest.skip(reason)
