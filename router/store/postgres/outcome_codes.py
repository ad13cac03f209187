"""Outcome (state, reason) <-> small number. Numbers are given out in a transaction of their own, before a commit needs them."""

from __future__ import annotations

from collections.abc import Iterable

from router.store.postgres.database import Connection
from router.store.postgres.rows_written import words

MOST = 65_000
"""Distinct reasons; "other" stands for further ones."""

Outcome = tuple[str, str]


class OutcomeCodes:
    """Those that this process has met."""

    def __init__(self) -> None:
        self._codes: dict[Outcome, int] = {}

    def clear(self) -> None:
        """Read them anew."""
        self._codes.clear()

    async def of(self, connection: Connection, outcomes: Iterable[Outcome]) -> dict[Outcome, int]:
        """The number of each of these."""
        wanted = set(outcomes)
        found = {outcome: self._codes[outcome] for outcome in wanted & self._codes.keys()}
        if new := {outcome: (outcome[0], words(outcome[1])) for outcome in wanted - found.keys()}:
            given = await self._give_out(connection, new)
            self._codes |= given
            found |= given
        return found

    async def _give_out(self, connection: Connection, new: dict[Outcome, Outcome]) -> dict[Outcome, int]:
        known = {
            (state, reason): code
            for state, reason, code in await connection.fetch("SELECT state, reason, code FROM code")
        }
        given = {}
        for outcome, stored in new.items():
            if stored not in known and len(known) >= MOST:
                stored = (stored[0], "other")
            if stored not in known:
                known[stored] = await self._number(connection, stored)
            given[outcome] = known[stored]
        return given

    @staticmethod
    async def _number(connection: Connection, outcome: Outcome) -> int:
        await connection.execute("INSERT INTO code (state, reason) VALUES ($1, $2) ON CONFLICT DO NOTHING", *outcome)
        code: int = await connection.fetchval("SELECT code FROM code WHERE state = $1 AND reason = $2", *outcome)
        return code
