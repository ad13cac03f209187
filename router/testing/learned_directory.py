"""A directory of users and groups in memory, which learns from calls by the rules of the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from router.directory import facts
from router.event import Call
from router.store import DirectorySnapshot, GroupProfile, IsRefused, Membership, none_refused
from router.store.folding import Traits, fold


class LearnedDirectory:
    """Who is in which group, from the calls so far. Implements `folding.View`, and the directory port of delivery."""

    def __init__(self) -> None:
        self._people: dict[str, Mapping[str, Any]] = {}
        self._companies: dict[str, GroupProfile] = {}
        self._memberships: dict[str, list[Membership]] = {}
        self._links: dict[str, list[tuple[int, str]]] = {}

    def learn(self, pos: int, call: Call) -> None:
        """Take in what a call tells."""
        told = facts(call)
        if told is not None:
            fold(self, pos, told)

    # ------------------------------------------------------------ what delivery asks

    async def known(
        self, asks: Sequence[tuple[str, int]], group_ids: Sequence[str], is_refused: IsRefused = none_refused
    ) -> DirectorySnapshot:
        """All of it."""
        return self.snapshot()

    def snapshot(self) -> DirectorySnapshot:
        """All that is known now."""
        return DirectorySnapshot(
            people=dict(self._people),
            companies=dict(self._companies),
            memberships={key: list(rows) for key, rows in self._memberships.items()},
            links={key: list(rows) for key, rows in self._links.items()},
        )

    async def denied(self, asks: Sequence[tuple[str, int]]) -> dict[tuple[str, int], frozenset[str]]:
        """Nobody has withdrawn anything."""
        return {}

    async def withdrawals(self, after: int, upto: int, limit: int) -> list[tuple[int, str]]:
        """See `denied`."""
        return []

    # ------------------------------------------------------------ what folding asks

    def person(self, user_key: str) -> Traits | None:
        """See `folding.View`, as for what follows."""
        found = self._people.get(user_key)
        return None if found is None else dict(found)

    def put_person(self, user_key: str, traits: Traits) -> None:
        self._people[user_key] = traits

    def company(self, group_id: str) -> tuple[Traits, dict[str, int]] | None:
        found = self._companies.get(group_id)
        return None if found is None else (dict(found.traits), dict(found.since))

    def put_company(self, group_id: str, traits: Traits, since: Mapping[str, int]) -> None:
        self._companies[group_id] = GroupProfile(traits, since)

    def membership(self, user_key: str) -> tuple[str, int] | None:
        rows = self._memberships.get(user_key)
        return (rows[-1].group_id, rows[-1].call_pos) if rows else None

    def put_membership(self, user_key: str, pos: int, group_id: str, call_pos: int) -> None:
        self._memberships.setdefault(user_key, []).append(Membership(pos, group_id, call_pos))

    def link(self, anonymous_key: str) -> str | None:
        rows = self._links.get(anonymous_key)
        return rows[-1][1] if rows else None

    def put_link(self, anonymous_key: str, pos: int, user_key: str) -> None:
        self._links.setdefault(anonymous_key, []).append((pos, user_key))

    def tell_consent(self, user_key: str, pos: int, told: Mapping[str, bool]) -> None:
        """Consent plays no part here."""

    def take_over_consent(self, from_key: str, user_key: str, pos: int) -> None:
        """See `tell_consent`."""
