"""The rows of the directory as folding sees them: loaded in one trip, changed in memory, stored in one trip. The head row is held
meanwhile, so nobody else changes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from router.store import preferences
from router.store.folding import Traits
from router.store.postgres.database import Connection
from router.store.postgres.trait_hashes import trait_hash
from router.store.preferences import Preferences
from router.store.rows import NO_GROUP, DirectoryUpdate

_decode = msgspec.json.decode
_encode = msgspec.json.encode

LOAD = """
WITH linked AS (
  SELECT k.key, l.pos, l.user_key FROM unnest($1::text[]) AS k (key) CROSS JOIN LATERAL (
    SELECT pos, user_key FROM link WHERE part = 0 AND anonymous_key = k.key ORDER BY pos DESC LIMIT 1) l
), keys AS (SELECT unnest($1::text[]) COLLATE "C" AS key UNION SELECT user_key FROM linked)
SELECT 'link' AS kind, key, user_key AS word, pos, 0::bigint AS call_pos, NULL::bytea AS traits, NULL::bytea AS since FROM linked
UNION ALL
SELECT 'membership', k.key, m.group_id, m.pos, m.call_pos, NULL, NULL FROM keys k CROSS JOIN LATERAL (
  SELECT group_id, pos, call_pos FROM membership WHERE part = 0 AND user_key = k.key ORDER BY pos DESC LIMIT 1) m
UNION ALL
SELECT 'person', p.user_key, '', 0, 0, p.traits, NULL FROM person p WHERE p.part = 0 AND p.user_key IN (SELECT key FROM keys)
UNION ALL
SELECT 'company', c.group_id, '', 0, 0, c.traits, c.since FROM company c WHERE c.part = 0 AND c.group_id = ANY($2::text[])
UNION ALL
SELECT 'consent', c.user_key, '', 0, 0, c.categories, NULL FROM consent c WHERE $3 AND c.part = 0 AND c.user_key IN (SELECT key FROM keys)
"""
STORE = """
WITH people AS (
  INSERT INTO person SELECT 0, * FROM unnest($1::text[], $2::bytea[], $3::bigint[])
  ON CONFLICT (part, user_key) DO UPDATE SET traits = excluded.traits, email = excluded.email
), companies AS (
  INSERT INTO company SELECT 0, * FROM unnest($4::text[], $5::bytea[], $6::bytea[], $7::bigint[])
  ON CONFLICT (part, group_id) DO UPDATE SET traits = excluded.traits, since = excluded.since, name = excluded.name
), memberships AS (
  INSERT INTO membership SELECT 0, * FROM unnest($8::text[], $9::bigint[], $10::text[], $11::bigint[])
  ON CONFLICT (part, user_key, pos) DO UPDATE SET group_id = excluded.group_id, call_pos = excluded.call_pos
), consents AS (
  INSERT INTO consent SELECT 0, * FROM unnest($12::text[], $13::bytea[], $14::bigint[])
  ON CONFLICT (part, user_key) DO UPDATE SET categories = excluded.categories, denied_at = excluded.denied_at
)
INSERT INTO link SELECT 0, * FROM unnest($15::text[], $16::bigint[], $17::text[])
ON CONFLICT (part, anonymous_key, pos) DO UPDATE SET user_key = excluded.user_key
"""


class LoadedDirectory:
    """Implements `folding.View`."""

    def __init__(self) -> None:
        self._people: dict[str, Traits] = {}
        self._companies: dict[str, tuple[Traits, dict[str, int]]] = {}
        self._memberships: dict[str, tuple[int, str, int]] = {}  #: the newest: (position, group, position of the call)
        self._links: dict[str, tuple[int, str]] = {}
        self._consents: dict[str, Preferences] = {}
        self._new_people: set[str] = set()
        self._new_companies: set[str] = set()
        self._new_memberships: dict[tuple[str, int], tuple[str, int]] = {}
        self._new_links: dict[tuple[str, int], str] = {}
        self._new_consents: set[str] = set()

    async def load(self, connection: Connection, updates: Iterable[DirectoryUpdate]) -> None:
        """Read the rows that these may ask for."""
        keys: set[str] = set()
        groups: set[str] = set()
        follows = False
        for update in updates:
            keys.update((update.user_key, *(update.link or ()), *((update.former,) if update.former else ())))
            keys.update(update.preferences_of)
            groups.update((update.group_id,) if update.group_id is not None else ())
            follows = follows or update.follows_consent or bool(update.preferences)
        rows = await connection.fetch(LOAD, list(keys), list(groups), follows)
        for kind, key, word, pos, call_pos, traits, since in rows:
            if kind == "link":
                self._links[key] = (pos, word)
            elif kind == "membership":
                self._memberships[key] = (pos, word, call_pos)
            elif kind == "person":
                self._people[key] = _decode(traits)
            elif kind == "consent":
                self._consents[key] = preferences.decode(traits)
            else:
                self._companies[key] = (_decode(traits), _decode(since))

    async def store(self, connection: Connection) -> None:
        """Write what has changed."""
        people = {key: self._people[key] for key in self._new_people}
        consents = {key: self._consents[key] for key in self._new_consents}
        companies = {id: self._companies[id] for id in self._new_companies}
        memberships = [(key, pos, group, call) for (key, pos), (group, call) in self._new_memberships.items()]
        links = [(key, pos, user) for (key, pos), user in self._new_links.items()]
        await connection.execute(
            STORE,
            list(people),
            [_encode(traits) for traits in people.values()],
            [trait_hash(traits.get("email")) for traits in people.values()],
            list(companies),
            [_encode(traits) for traits, _ in companies.values()],
            [_encode(since) for _, since in companies.values()],
            [trait_hash(traits.get("name")) for traits, _ in companies.values()],
            *([row[n] for row in memberships] for n in range(4)),
            list(consents),
            [preferences.encode(row) for row in consents.values()],
            [preferences.denied_at(row) for row in consents.values()],
            *([row[n] for row in links] for n in range(3)),
        )

    # ------------------------------------------------------------ what folding asks

    def person(self, user_key: str) -> Traits | None:
        """Merged traits of a user."""
        return self._people.get(user_key)

    def put_person(self, user_key: str, traits: Traits) -> None:
        """Replace them."""
        self._people[user_key] = traits
        self._new_people.add(user_key)

    def company(self, group_id: str) -> tuple[Traits, dict[str, int]] | None:
        """Merged traits of a group, and the position of the call that first told each."""
        found = self._companies.get(group_id)
        return None if found is None else (dict(found[0]), dict(found[1]))

    def put_company(self, group_id: str, traits: Traits, since: Mapping[str, int]) -> None:
        """Replace them."""
        self._companies[group_id] = traits, dict(since)
        self._new_companies.add(group_id)

    def membership(self, user_key: str) -> tuple[str, int] | None:
        """The newest membership of a user; None where that group was forgotten."""
        found = self._memberships.get(user_key)
        return None if found is None or found[1] == NO_GROUP else found[1:]

    def put_membership(self, user_key: str, pos: int, group_id: str, call_pos: int) -> None:
        """Add one that begins at a position."""
        if pos >= self._memberships.get(user_key, (0,))[0]:
            self._memberships[user_key] = (pos, group_id, call_pos)
        self._new_memberships[user_key, pos] = (group_id, call_pos)

    def link(self, anonymous_key: str) -> str | None:
        """The user an anonymousId was linked to last."""
        found = self._links.get(anonymous_key)
        return None if found is None else found[1]

    def put_link(self, anonymous_key: str, pos: int, user_key: str) -> None:
        """Add a link that begins at a position."""
        if pos >= self._links.get(anonymous_key, (0,))[0]:
            self._links[anonymous_key] = (pos, user_key)
        self._new_links[anonymous_key, pos] = user_key

    def tell_consent(self, user_key: str, pos: int, told: Mapping[str, bool]) -> None:
        """A user's preferences as of a position."""
        self._put_consent(user_key, preferences.told(self._consents.get(user_key, {}), pos, told))

    def take_over_consent(self, from_key: str, user_key: str, pos: int) -> None:
        """A user takes over the preferences of a key, as of a position."""
        theirs, own = self._consents.get(from_key, {}), self._consents.get(user_key, {})
        self._put_consent(user_key, preferences.taken_over(theirs, own, pos))

    def _put_consent(self, user_key: str, row: Preferences | None) -> None:
        if row is not None:
            self._consents[user_key] = row
            self._new_consents.add(user_key)
