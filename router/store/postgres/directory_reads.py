"""Look-ups in the directory, as of a position: each by index, all of one question in a few trips."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from router.store.folding import fold_late
from router.store.postgres import regulation_rows
from router.store.postgres.database import Connection, snapshot
from router.store.postgres.directory_view import LoadedDirectory
from router.store.rows import MOST_REFUSED, DirectorySnapshot, DirectoryUpdate, GroupProfile, IsRefused, Membership

_json = msgspec.json.decode

LINKS = (
    "SELECT a.key, a.pos, l.pos, l.user_key FROM unnest($1::text[], $2::bigint[]) AS a (key, pos) CROSS JOIN LATERAL ("
    "(SELECT pos, user_key FROM link WHERE part = 0 AND anonymous_key = a.key AND pos <= a.pos ORDER BY pos DESC LIMIT 1)"
    " UNION ALL "
    "(SELECT pos, user_key FROM link WHERE part = 0 AND anonymous_key = a.key AND pos > a.pos ORDER BY pos LIMIT 1)) l"
)
"""The link as of a position, and the first one after it."""
MEMBERSHIPS = (
    "SELECT a.key, a.pos, m.pos, m.group_id, m.call_pos FROM unnest($1::text[], $2::bigint[]) AS a (key, pos) CROSS JOIN LATERAL ("
    "(SELECT pos, group_id, call_pos FROM membership WHERE part = 0 AND user_key = a.key AND pos <= a.pos ORDER BY pos DESC LIMIT 2)"
    " UNION ALL "
    "(SELECT pos, group_id, call_pos FROM membership WHERE part = 0 AND user_key = a.key AND pos > a.pos ORDER BY pos LIMIT 1)) m"
)
"""The memberships as of a position and before, and the first one after it."""
LATER_MEMBERSHIPS = (
    "SELECT a.key, a.pos, m.pos, m.group_id, m.call_pos FROM unnest($1::text[], $2::bigint[]) AS a (key, pos) CROSS JOIN LATERAL ("
    "(SELECT pos, group_id, call_pos FROM membership WHERE part = 0 AND user_key = a.key AND pos > a.pos ORDER BY pos LIMIT $3)"
    " UNION "
    "(SELECT pos, group_id, call_pos FROM membership WHERE part = 0 AND user_key = a.key AND pos > a.pos ORDER BY pos DESC LIMIT 1)) m"
    " ORDER BY m.pos"
)
"""The memberships after a position: the first ones, and the newest of all."""


async def known(
    connection: Connection, asks: Sequence[tuple[str, int]], group_ids: Sequence[str], is_refused: IsRefused
) -> DirectorySnapshot:
    """Look up each (user key, position); users reached by a link, and groups reached by a membership, with them."""
    async with snapshot(connection):
        links, linked = await _links(connection, [ask for ask in asks if ask[0].startswith("a:")])
        every = sorted({*asks, *linked})
        memberships, groups = await _memberships(connection, every, is_refused)
        found = DirectorySnapshot({}, {}, memberships, links)
        if every:
            keys = list(dict.fromkeys(key for key, _ in every))
            sql = "SELECT user_key, traits FROM person WHERE part = 0 AND user_key = ANY($1::text[])"
            found.people |= {key: _json(traits) for key, traits in await connection.fetch(sql, keys)}
        if wanted := sorted({*groups, *group_ids}):
            sql = "SELECT group_id, traits, since FROM company WHERE part = 0 AND group_id = ANY($1::text[])"
            for group_id, traits, since in await connection.fetch(sql, wanted):
                found.companies[group_id] = GroupProfile(_json(traits), _json(since))
        return found


async def _links(
    connection: Connection, asks: Sequence[tuple[str, int]]
) -> tuple[dict[str, list[tuple[int, str]]], set[tuple[str, int]]]:
    """The links of each, and the users these lead to, to be asked for at the same position."""
    if not asks:
        return {}, set()
    found: dict[str, dict[int, str]] = {}
    linked: set[tuple[str, int]] = set()
    for key, asked, pos, user_key in await connection.fetch(LINKS, *_columns(asks)):
        found.setdefault(key, {})[pos] = user_key
        linked.add((user_key, asked))
    return {key: sorted(rows.items()) for key, rows in found.items()}, linked


async def _memberships(
    connection: Connection, asks: Sequence[tuple[str, int]], is_refused: IsRefused
) -> tuple[dict[str, list[Membership]], set[str]]:
    """For each the memberships as of then and as of the position before, and the first one after it that counts; and the groups of
    those that may count for an event."""
    if not asks:
        return {}, set()
    upto_ask: dict[tuple[str, int], list[Membership]] = {}
    after_ask: dict[tuple[str, int], Membership] = {}
    for key, asked, *rest in await connection.fetch(MEMBERSHIPS, *_columns(asks)):
        one = Membership(*rest)
        if one.pos <= asked:
            upto_ask.setdefault((key, asked), []).append(one)
        else:
            after_ask[key, asked] = one
    after_ask = await _counting(connection, after_ask, is_refused)
    found: dict[str, dict[int, Membership]] = {}
    groups: set[str] = set()
    for key, asked in {**upto_ask, **after_ask}:
        upto = sorted(upto_ask.get((key, asked), ()), key=lambda one: one.pos)
        after = after_ask.get((key, asked))
        count = upto[-1:] + ([after] if after else [])
        groups.update(one.group_id for one in count)
        before = upto[:-1] if upto and upto[-1].pos == asked else []
        found.setdefault(key, {}).update((one.pos, one) for one in before + count)
    return {key: [rows[pos] for pos in sorted(rows)] for key, rows in found.items()}, groups


async def _counting(
    connection: Connection, first: dict[tuple[str, int], Membership], is_refused: IsRefused
) -> dict[tuple[str, int], Membership]:
    """The first membership after each position that counts. `first`: the first of all. Few of them do not count, so these are looked up
    again: the positions of all refused calls would be sent with each look-up otherwise."""
    found = {ask: one for ask, one in first.items() if one.counts(is_refused)}
    again = [ask for ask in first if ask not in found]
    if again:
        for key, asked, *rest in await connection.fetch(LATER_MEMBERSHIPS, *_columns(again), MOST_REFUSED):
            one = Membership(*rest)
            if (key, asked) not in found and one.counts(is_refused):
                found[key, asked] = one
    return found


def _columns(asks: Iterable[tuple[str, int]]) -> tuple[list[str], list[int]]:
    return [key for key, _ in asks], [pos for _, pos in asks]


async def teach(connection: Connection, updates: Sequence[tuple[int, DirectoryUpdate]]) -> None:
    """Fold what calls say that were accepted before, inside a transaction that holds the head row."""
    view = LoadedDirectory()
    await view.load(connection, [update for _, update in updates])
    bounds = {key: one.bound for one in await regulation_rows.under_way(connection) for key in one.keys}
    for pos, update in updates:
        keys = (update.user_key, *(() if update.group_id is None else (f"g:{update.group_id}",)))
        if pos > max(bounds.get(key, -1) for key in keys):  # else it is being forgotten
            fold_late(view, pos, update)
    await view.store(connection)


async def joined(connection: Connection, user_keys: Iterable[str]) -> dict[str, list[str]]:
    """The anonymous keys that the directory has joined to each of these."""
    found: dict[str, list[str]] = {key: [] for key in user_keys}
    rows = await connection.fetch(
        "SELECT DISTINCT user_key, anonymous_key FROM link WHERE part = 0 AND user_key = ANY($1::text[]) ORDER BY anonymous_key",
        list(found),
    )
    for user_key, anonymous_key in rows:
        found[user_key].append(anonymous_key)
    return found
