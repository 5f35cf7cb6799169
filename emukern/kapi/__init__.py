"""What modules call, one file per kernel header, each full of @export functions."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module


@cache
def import_all() -> None:
    """Import every file of this package, so that all its exports are registered."""
    for found in pkgutil.iter_modules(__path__):
        import_module(f"{__name__}.{found.name}")
