"""Many rows in one statement: the columns travel as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from router.store.postgres.database import Connection


class Table:
    """Rows of a destination. `key`: what tells them apart beside that; `columns`: name and type of each, the key first."""

    def __init__(self, name: str, key: Sequence[str], columns: Mapping[str, str]) -> None:
        self.name, self._key, self._columns = name, key, columns

    @cached_property
    def _put(self) -> str:
        names = ", ".join(self._columns)
        arrays = ", ".join(f"${n}::{type_}[]" for n, type_ in enumerate(self._columns.values(), 2))
        changed = ", ".join(f"{name} = excluded.{name}" for name in self._columns if name not in self._key)
        key = ", ".join(("part", "destination", *self._key))
        return (
            f"INSERT INTO {self.name} (part, destination, {names}) SELECT 0, $1, * FROM unnest({arrays})"
            f" ON CONFLICT ({key}) DO UPDATE SET {changed}"
        )

    async def put(self, connection: Connection, destination: str, rows: Iterable[Sequence[Any]]) -> None:
        """Insert these, or replace those that are there. Of two with one key the last one counts."""
        by_key = {tuple(row[: len(self._key)]): row for row in rows}
        if by_key:
            columns = [list(column) for column in zip(*by_key.values(), strict=True)]
            await connection.execute(self._put, destination, *columns)

    async def drop(self, connection: Connection, destination: str, keys: Sequence[Any]) -> None:
        """Delete those that have one of these as their key, which is one column."""
        if keys:
            column = self._key[0]
            sql = f"DELETE FROM {self.name} WHERE part = 0 AND destination = $1 AND {column} = ANY($2::{self._columns[column]}[])"
            await connection.execute(sql, destination, list(keys))


def words(text: str) -> str:
    """A text as PostgreSQL can hold it: somebody's words may have a NUL character."""
    return text.replace("\x00", "\ufffd")
