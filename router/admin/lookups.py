"""Who somebody is and where their events are: what the search box, the pages of people and groups, and the list of troubles tell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from router.admin.daemon_port import DaemonPort
from router.admin.places import places
from router.clock import to_iso
from router.event import parse_user, show_user_key
from router.source_activity import told as activity_told
from router.store import EventQuery

COUNTED = 500
"""Events of a person, the newest ones, whose states are counted."""
PAGE = 100
FEW = 20
"""Events that tell whether somebody without traits is a user, a visitor or both."""
OF_GROUP = 200
"""Events of a group, the newest ones, whose states are counted."""
KEPT = 20
"""What happened lately is good for this many times as long as it took to find, so that asking often costs at most a twentieth."""
REGULATIONS = 1_000
"""Newest regulations among which somebody is looked for."""


class Lookups:
    """The questions. Raises StoreError where the store cannot be read."""

    def __init__(self, daemon: DaemonPort) -> None:
        self._daemon, self._good_until = daemon, 0
        self._recent: dict[str, Any] = {"destinations": {}}

    async def person(self, key: str, before: int | None = None) -> dict[str, Any] | None:
        """Who a person is and where their events are; None where nothing is known. `key`: a user key. `before`: of the page of
        events, where to go on."""
        store, names = self._daemon.store, list(self._daemon.runners)
        who = {"user": show_user_key(key), **await self._privacy_of(key)}
        if who["suppressed_at"] or who["is_being_forgotten"]:
            return {**who, "known": True}
        profile = await store.lookups.profile(key)
        joined = (await store.people.joined([key]))[key] if key.startswith("u:") else []
        keys = [key, *joined]
        newest = await store.lookups.events_of(keys, names, None, COUNTED)
        shown = newest if before is None else await store.lookups.events_of(keys, names, before, PAGE)
        is_known = bool(newest["items"] or profile["groups"] or joined or profile["joined_to"])
        if not (is_known or profile["traits"] is not None or who["forgotten_at"]):
            return None
        lanes = await store.lookups.lanes(keys, names)
        return {
            **who,
            **profile,
            "known": True,
            "anonymous": [show_user_key(one) for one in joined],
            "counted": len(newest["items"]),
            "is_all": not (newest["gave_up"] or newest["next"]),
            "searched_to": newest["searched_to"],
            "destinations": await places(self._daemon, newest["items"], lanes),
            "events": shown["items"][:PAGE],
            "next": _next_page(shown),
        }

    async def group(self, group_id: str, after: str = "") -> dict[str, Any] | None:
        """What is known of a group, who belongs to it and where their events are; None where nothing is known."""
        store, names = self._daemon.store, list(self._daemon.runners)
        found = await store.lookups.group(group_id, names)
        if found is None:
            return None
        members = await store.lookups.members(group_id, after, PAGE)
        lanes = await store.lookups.lanes([one["key"] for one in members["members"]], names)
        newest = await store.queries.events(_of_group(group_id), names, None, OF_GROUP)
        calls = await store.queries.events(_of_group(group_id, "group"), names, None, 10)
        told_at = next((one["received_at"] for one in calls["items"]), found["since"])
        return {
            **found,
            **members,
            "held": lanes,
            "calls": calls["items"],
            "counted": len(newest["items"]),
            "searched_to": newest["searched_to"],
            "destinations": await places(
                self._daemon, newest["items"], _waiting_for(group_id, found["waits"], told_at)
            ),
        }

    async def find(self, word: str, *, with_traits: bool) -> dict[str, Any]:
        """What a word from the search box may be. Ids first, by their indexes; only where none is found, traits (`with_traits`) and
        the newest events are looked through, for people without traits and for names of events."""
        store = self._daemon.store
        found = await store.lookups.exact(word)
        if prefixed := _with_kind(word):
            found["people"] = [show_user_key(prefixed)] if await self.person(prefixed) else []
        told = {**found, "names": [], "is_capped": False, "word": word}
        if found["events"] or found["people"] or found["groups"]:
            return told
        if with_traits:
            told |= await store.lookups.by_trait(word)
            if told["people"] or told["groups"]:
                return told
        newest = await store.lookups.events_of([f"u:{word}", f"a:{word}"], list(self._daemon.runners), None, FEW)
        told["people"] = list(dict.fromkeys(event["user"] for event in newest["items"]))
        if not told["people"]:
            named = await store.queries.events(EventQuery(name=word), [], None, PAGE)
            told |= _named(word, named)
        return told

    async def recent(self) -> dict[str, Any]:
        """What happened lately at each destination, and what was discarded today. Asked for with every page."""
        began, names = self._daemon.now_ms, list(self._daemon.runners)
        if began >= self._good_until or list(self._recent["destinations"]) != names:
            self._recent = await self._daemon.store.lookups.recent(names)
            ended = self._daemon.now_ms
            self._good_until = ended + KEPT * (ended - began)
        return self._recent

    def sources(self) -> list[dict[str, Any]]:
        """The configured sources, and how much each sends."""
        return [
            {**source, **activity_told(self._daemon.activity_of(source["name"]), to_iso)}
            for source in self._daemon.describe_sources()
        ]

    async def _privacy_of(self, key: str) -> dict[str, Any]:
        """When a person was suppressed or forgotten, if they are. While they are being forgotten, nobody reads what is left of them."""
        people = self._daemon.store.people
        hashed = people.suppressions.hash_of(key).hex()
        theirs = [one for one in await people.newest(REGULATIONS) if hashed in one.hashes or key in one.keys]
        deleted = next((one for one in theirs if "DELETE" in one.kind), None)
        told: dict[str, Any] = {
            "suppressed_at": None,
            "forgotten_at": to_iso(deleted.created_at) if deleted else None,
            "is_being_forgotten": any(one.is_under_way and key in one.keys for one in theirs),
        }
        if key in people.suppressions:
            newest = next((one for one in theirs if one.kind.startswith("SUPPRESS")), None)
            told["suppressed_at"] = to_iso(newest.created_at if newest else self._daemon.started_ms)
        return told


def _waiting_for(
    group_id: str, waits: Mapping[str, Mapping[str, Any]], told_at: str | None
) -> dict[str, list[dict[str, Any]]]:
    """By destination what waits for a trait of a group, as `Lookups.lanes` tells it of a person: the events need not name the group.
    `told_at`: when its newest call came."""
    about = {"user": "", "group_id": group_id, "told": {"since": told_at}}
    return {name: [{**one, **about}] for name, one in waits.items()}


def _next_page(shown: Mapping[str, Any]) -> int | None:
    """Where the next page of events begins."""
    items = shown["items"]
    if len(items) > PAGE:
        return int(items[PAGE - 1]["position"])
    following: int | None = shown["next"]
    return following


def _of_group(group_id: str, type_: str | None = None) -> EventQuery:
    return EventQuery(group_id=group_id, type=type_)


def _with_kind(word: str) -> str | None:
    """The user key of a word that names its kind: `user:7`."""
    key = parse_user(word)
    return key if word.partition(":")[0] in ("user", "anonymous") and ":" in word and len(key) > 2 else None


def _named(word: str, found: Mapping[str, Any]) -> dict[str, Any]:
    """Events of this name."""
    if not found["items"]:
        return {"searched_to": found["searched_to"]}
    return {"names": [{"name": word, "events": len(found["items"])}], "is_capped": bool(found["next"])}
