"""Commands that any process takes, and the owner of the destination carries out.

A command is taken under the epoch of its owner. Its effect and its answer are one commit, which compares that epoch. So once there is
another epoch, a command that is still `taken` has had no effect, and whoever owns the destination by then takes it up again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from router.store.postgres.database import Connection, Database
from router.store.rows import PART, AskedCommand, CommandRow, Unit

FRESH = "interval '1 hour'"
"""Older commands are not begun any more: whoever asked has long gone."""
KEPT = "interval '1 day'"

OF_DESTINATIONS = (
    "UPDATE command c SET state = 'taken', epoch = u.epoch, tries = c.tries + 1 FROM unit u WHERE c.part = 0 AND c.state IN ('asked', 'taken')"
    f" AND c.asked_at > clock_timestamp() - {FRESH} AND u.part = 0 AND u.destination = c.destination AND u.shard = c.shard AND u.owner = $1"
    " AND (c.state = 'asked' OR c.epoch < u.epoch) AND NOT c.id = ANY($2::bigint[])"
    " RETURNING c.id, c.destination, c.text, c.epoch, c.answer, c.tries, c.shard"
)
OF_NODE = (
    f"UPDATE command SET state = 'taken', tries = tries + 1 WHERE node = $3 AND state IN ('asked', 'taken') AND asked_at > clock_timestamp() - {FRESH}"
    " AND NOT id = ANY($2::bigint[]) RETURNING id, destination, text, epoch, answer, tries, shard"
)
"""A node has one process: what was taken and is not on the list of what that does, its former process took."""
TAKE = f"WITH a AS ({OF_DESTINATIONS}), b AS ({OF_NODE}) TABLE a UNION ALL TABLE b"
CLOSE = "UPDATE command SET state = $2, answer = $3, text = '' WHERE id = $1 AND state = 'taken' AND epoch = $4"
WITHDRAW = "UPDATE command SET state = 'withdrawn', text = '' WHERE id = $1 AND state = 'asked' RETURNING true"


class PostgresCommands:
    """Implements `ports.Commands`. `me`: this process, `node`: that it is of."""

    def __init__(self, database: Database, me: UUID, node: UUID | None = None) -> None:
        self._database, self._me, self._node = database, me, node

    async def ask(self, unit: Unit, text: bytes) -> int:
        """Record a command. Durable on return. Raises StoreError."""
        sql = "INSERT INTO command (part, destination, shard, text) VALUES ($1, $2, $3, $4) RETURNING id"
        return int(await self._database.write(_value, sql, *unit, text))

    async def ask_node(self, node: str, text: bytes) -> int:
        """Record a command to a node. Durable on return. Raises StoreError."""
        sql = "INSERT INTO command (part, destination, text, node) VALUES ($1, '', $2, $3) RETURNING id"
        return int(await self._database.write(_value, sql, PART, text, UUID(node)))

    async def take(self, busy: Collection[int]) -> list[AskedCommand]:
        """Those of destinations that this process owns, and those to its node, but for these, which it carries out already. Raises
        StoreError."""
        return await self._database.write(_take, self._me, list(busy), self._node)

    async def close(self, asked: AskedCommand, state: str, answer: bytes) -> None:
        """It is done or refused, and this is the answer; unless a commit has said so, or another owner has taken it. Raises StoreError."""
        await self._database.write(_value, CLOSE, asked.id, state, answer, asked.epoch)

    async def withdraw(self, command: int) -> bool:
        """Let nobody take it any more. False: somebody has. Raises StoreError."""
        return bool(await self._database.write(_value, WITHDRAW, command))

    async def find(self, command: int) -> CommandRow | None:
        """How far it is. Raises StoreError."""
        return await self._database.ask(_find, command)


async def write_answers(connection: Connection, answers: Mapping[int, tuple[bytes, bool]], epoch: int) -> None:
    """In the commit that has their effect: what these commands came to."""
    await connection.execute(
        "UPDATE command c SET answer = n.answer, state = CASE WHEN n.is_all THEN 'done' ELSE c.state END,"
        " text = CASE WHEN n.is_all THEN '' ELSE c.text END FROM unnest($1::bigint[], $2::bytea[], $3::boolean[]) AS n (id, answer, is_all)"
        " WHERE c.id = n.id AND c.state = 'taken' AND c.epoch = $4",
        list(answers), [answer for answer, _ in answers.values()], [is_all for _, is_all in answers.values()], epoch,
    )  # fmt: skip


async def trim(connection: Connection) -> int:
    """Drop what is older than a day. Returns how many that were."""
    told = await connection.execute(f"DELETE FROM command WHERE asked_at < clock_timestamp() - {KEPT}")
    return int(told.rpartition(" ")[2])


async def _take(connection: Connection, me: UUID, busy: list[int], node: UUID | None) -> list[AskedCommand]:
    return [AskedCommand(*row) for row in await connection.fetch(TAKE, me, busy, node)]


async def _value(connection: Connection, sql: str, *args: object) -> Any:
    return await connection.fetchval(sql, *args)


async def _find(connection: Connection, command: int) -> CommandRow | None:
    row = await connection.fetchrow("SELECT id, destination, state, answer FROM command WHERE id = $1", command)
    return None if row is None else CommandRow(*row)
