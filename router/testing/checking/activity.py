"""One thing that a plugin was made to do while it lives, and what its code did meanwhile. Each has its own, so that no check sees what only another one asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from router.testing.checking.watch import Use

__all__ = ["Activity"]


@dataclass(frozen=True)
class Activity:
    """What came of it."""

    result: Any
    uses: list[Use]
    refusals: list[Use]  #: what it tried to reach
    printed: str
    logged: list[str]
    touched: list[str]  #: what it called to stop or change the loop, and where
    changed: list[str]  #: what of the process was another one afterwards
