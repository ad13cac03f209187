"""What a word from the search box may be: an event, a person, a group, a discarded call; and, where that is allowed, a trait. All by
indexes."""

from __future__ import annotations

from typing import Any

import msgspec

from router.clock import to_iso
from router.event import show_user_key
from router.store.postgres.block_reads import Blocks
from router.store.postgres.database import Connection
from router.store.postgres.queries.calls import names_of
from router.store.postgres.queries.message import find
from router.store.postgres.queries.profile import known_of
from router.store.postgres.trait_hashes import folded, trait_hash

MOST = 20
"""Of each kind that are shown."""

_json = msgspec.json.decode


async def exact(connection: Connection, blocks: Blocks, word: str) -> dict[str, Any]:
    """What has exactly this id; `since`: the oldest event that the log has."""
    found = await find(connection, blocks, word, None)
    keys = [f"u:{word}", f"a:{word}"]
    known = await known_of(connection, keys)
    is_group = await connection.fetchval("SELECT true FROM company WHERE part = 0 AND group_id = $1", word)
    names = await names_of(connection, [word] if is_group else [])
    discarded = await connection.fetchrow(
        "SELECT at, source, code, message FROM discard WHERE message_id = $1 ORDER BY id DESC LIMIT 1", word
    )
    oldest = await blocks.page(connection, 0, 1, 1)
    return {
        "events": [{"message_id": word, "source": found.source}] if found else [],
        "people": [show_user_key(key) for key in keys if key in known],
        "groups": [{"id": word, "name": name} for name in names.values()],
        "discarded": {**discarded, "at": to_iso(discarded["at"])} if discarded else None,
        "since": to_iso(oldest[0].received_at) if oldest else None,
    }


async def by_trait(connection: Connection, word: str) -> dict[str, Any]:
    """People with this e-mail address, and groups of this name."""
    people = await connection.fetch(
        "SELECT user_key, traits FROM person WHERE part = 0 AND email = $1 ORDER BY user_key LIMIT $2",
        trait_hash(word),
        MOST,
    )
    groups = await connection.fetch(
        "SELECT group_id, traits FROM company WHERE part = 0 AND name = $1 ORDER BY group_id LIMIT $2",
        trait_hash(word),
        MOST,
    )
    addresses = [(key, _json(traits).get("email")) for key, traits in people]
    names = [(id, _json(traits).get("name")) for id, traits in groups]
    return {
        "people": [show_user_key(key) for key, address in addresses if folded(address) == folded(word)],
        "groups": [{"id": id, "name": name} for id, name in names if folded(name) == folded(word)],
    }
