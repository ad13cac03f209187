"""What the worker of a destination reads of the store: whom an event concerns, and what waits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from router.store.rows import (
    DeadLetterFilter,
    DeadRow,
    DirectorySnapshot,
    DirectoryUpdate,
    IsRefused,
    LaneRow,
    LogRow,
    Miscounted,
    ParkedRow,
    ReplayRow,
    Slice,
    none_refused,
)


class Directory(Protocol):
    """Who belongs to which group, as of a position."""

    async def known(
        self, asks: Sequence[tuple[str, int]], group_ids: Sequence[str], is_refused: IsRefused = none_refused
    ) -> DirectorySnapshot:
        """What the directory says of each (user key, position): the membership as of the position, the one as of the position
        before, and the first one after it whose call is not refused (`is_refused` of its position); for an anonymous key also the link as of the
        position and the first one after it, with the users they lead to, looked up in the same way. And the traits of these
        users, of the groups found, and of `group_ids`. The cost does not depend on how many groups or links a user has."""
        ...

    async def denied(self, asks: Sequence[tuple[str, int]]) -> dict[tuple[str, int], frozenset[str]]:
        """For each (user key, position) the categories of consent that the user denies by now, if the newest of these denials stands
        behind the position. Empty where consent is not followed."""
        ...

    async def withdrawals(self, after: int, upto: int, limit: int) -> list[tuple[int, str]]:
        """Users whose newest denial of a category stands behind a position and up to another one: (position, user key)."""
        ...


class Lanes(Protocol):
    """The blocked users of a destination, and their parked events."""

    async def load(self, user_keys: Sequence[str]) -> dict[str, LaneRow]:
        """The rows of those of these users who have one."""
        ...

    async def has_any(self) -> bool:
        """Whether any lane has a row."""
        ...

    async def parked(self, wants: Sequence[tuple[str, str, int]], most: Slice) -> list[tuple[list[ParkedRow], bool]]:
        """For each (user key, queue, place): the rows of that queue behind that place, in order, at least one if there is any; and
        whether there may be more. Where the first ones take `most.bytes_in_all`, the others are left out."""
        ...

    async def due(self, mode: str, now_ms: int, limit: int) -> list[str]:
        """User keys of lanes of this mode whose time has come, longest due first."""
        ...

    async def next_due(self, mode: str, after_ms: int) -> int | None:
        """When the next lane of this mode is due, later than this."""
        ...

    async def held_since(self, before_ms: int, limit: int) -> list[str]:
        """User keys of lanes that hold something since before an instant, longest first."""
        ...

    async def openings(self) -> list[tuple[str, str]]:
        """Needs whose lanes were being opened when the last owner ended, each with the last lane done."""
        ...

    async def stuck(self, after: str, limit: int) -> list[str]:
        """User keys, behind this one, of lanes that wait for nothing and are never due."""
        ...

    async def miscounted(self, after: str, limit: int) -> tuple[dict[str, Miscounted], str | None]:
        """Of the next users with a lane or with parked rows, at most `limit`, those whose lane is missing or does not say how many rows
        there are; and the last user looked at, None for the last of all."""
        ...

    async def last_place(self) -> int:
        """The highest place that was given to what a timer returned or a replay feeds, of rows and letters of all shards that are left."""
        ...


class KeyedState(Protocol):
    """What plugins remember of a destination, and their timers."""

    async def load(self, state_keys: Sequence[str]) -> dict[str, bytes]:
        """The values of those of these keys that have one, as JSON."""
        ...

    async def due_timers(self, now_ms: int, limit: int) -> list[tuple[str, int, str]]:
        """Timers whose time has come: (state key, due, user key)."""
        ...

    async def next_timer(self, after_ms: int) -> int | None:
        """When the next timer is due, later than this."""
        ...


class DeadLetters(Protocol):
    """The dead letters of a destination."""

    async def page(self, which: DeadLetterFilter, after: int, limit: int) -> list[DeadRow]:
        """Letters behind a position, ascending; at most `limit` and about 1 MB, at least one if there is any."""
        ...

    async def count(self, which: DeadLetterFilter) -> int:
        """How many there are of this kind."""
        ...

    async def oldest(self, limit: int) -> list[tuple[int, int, int]]:
        """Those that died first: (position, when, bytes)."""
        ...


class Replays(Protocol):
    """Sending again what a destination is done with."""

    async def newest(self) -> ReplayRow | None:
        """The newest replay."""
        ...

    async def settled(
        self, after: int, last: int, types: Sequence[str], limit: int
    ) -> tuple[list[LogRow], dict[int, DeadRow], frozenset[int], int]:
        """Retained events of these types in a span that have no parked row, up to a count and about a megabyte, the dead letters among
        them, the positions that were settled late or sent again before, and how far the log was looked through."""
        ...

    async def tally(self, after: int, last: int) -> tuple[dict[str, int], int]:
        """How many retained events of a span without a parked row came to each state, "" for those from before the destination
        began; and how far it has counted. How many events it looks at is bounded."""
        ...

    async def filtered(self, positions: Sequence[int]) -> frozenset[int]:
        """Those of these settled events that were filtered."""
        ...

    async def teach(self, updates: Sequence[tuple[int, DirectoryUpdate]]) -> None:
        """Tell the directory what calls at these positions say, which it was not told when they were accepted: memberships and
        links as of the position, and traits that are not known yet. Durable on return."""
        ...
