"""asyncpg, which comes with the extra `postgres`. Everything else of this plugin takes it from here."""

from __future__ import annotations

try:
    import asyncpg
except ModuleNotFoundError as error:
    words = "it needs asyncpg: pip install 'asyncpg>=0.31,<1' into the environment of the router"
    raise ModuleNotFoundError(words, name=error.name) from None

__all__ = ["asyncpg"]
