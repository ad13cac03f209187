"""asyncpg, which comes with the extra `postgres`. Everything else of this plugin takes it from here."""

from __future__ import annotations

try:
    import asyncpg
except ModuleNotFoundError:
    raise ModuleNotFoundError("it needs asyncpg: pip install 'segment-router[postgres]'") from None

__all__ = ["asyncpg"]
