"""The one way for a test to report that this machine lacks a requirement: a skip with the reason, and a failure in CI."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def cannot_run(reason: str) -> NoReturn:
    """Skip the calling test with a true reason; fail it in CI, which has to have everything."""
    if os.environ.get("CI"):
        pytest.fail(f"CI must run this: {reason}")
    pytest.skip(reason)
