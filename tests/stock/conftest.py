"""The bench fixture: a fresh guest of each architecture to load stock modules into."""

from __future__ import annotations

from typing import Any

import pytest
from corpus import Bench


@pytest.fixture
def bench(guest: Any, arch: str) -> Bench:
    """A fresh guest with nothing loaded."""
    return Bench(guest, arch)
