"""asyncpg, which comes with the extra `postgres`. Everything else of this plugin takes it from here."""

from __future__ import annotations

import sys

try:
    import asyncpg
except ModuleNotFoundError as error:
    words = f"it needs asyncpg: {sys.executable} -m pip install 'asyncpg>=0.31,<1'"
    raise ModuleNotFoundError(words, name=error.name) from None

__all__ = ["asyncpg"]
