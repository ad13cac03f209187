"""Keyed state of a plugin: read from the store, kept while it is in use, handed to hooks as copies."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec

from router.deliver.commit.unit_of_work import UnitOfWork
from router.plugin import MAX_STATE_BYTES, MAX_STATE_DEPTH, JsonTooLarge, json_within
from router.store import KeyedState

MAX_KEPT, MAX_KEPT_BYTES = 10_000, 8_000_000
"""What may be kept in memory of what is stored."""


class PluginState:
    """The state keys in use at one destination."""

    def __init__(self, stored: KeyedState, work: UnitOfWork) -> None:
        self._stored, self._work = stored, work
        self._values: dict[str, bytes | None] = {}  # as JSON: each hook gets a copy that it may change in place
        self._bytes = 0

    async def load(self, keys: Iterable[str]) -> None:
        """Read those keys that are not in memory."""
        if len(self._values) > MAX_KEPT or self._bytes > MAX_KEPT_BYTES:
            # Only what is stored may be forgotten: the store would answer with something older.
            self._values = {key: value for key, value in self._values.items() if self._work.is_state_open(key)}
            self._bytes = sum(len(value or b"") for value in self._values.values())
        missing = [key for key in keys if key not in self._values]
        if missing:
            loaded = await self._stored.load(missing)
            for key in missing:
                self.put(key, loaded.get(key))

    def get(self, key: str | None) -> Any:
        """A copy of the state of a key; None where there is none."""
        encoded = self._values.get(key) if key is not None else None
        return None if encoded is None else msgspec.json.decode(encoded)

    def put(self, key: str, value: bytes | None) -> None:
        """The state of a key from now on, as JSON."""
        self._bytes += len(value or b"") - len(self._values.get(key) or b"")
        self._values[key] = value


def encode_state(value: Any) -> bytes | None:
    """The state as JSON, None for none. Raises ValueError or TypeError for what cannot be kept; no more of it is encoded than may be."""
    if value is None:
        return None
    try:
        encoded = json_within(value, MAX_STATE_BYTES)
    except JsonTooLarge:
        raise ValueError(f"it is larger than {MAX_STATE_BYTES:,} bytes") from None
    except RecursionError:
        raise ValueError(f"it is nested more than {MAX_STATE_DEPTH} levels deep, or in itself") from None
    if encoded.count(b"[") + encoded.count(b"{") > MAX_STATE_DEPTH and _is_too_deep(value):
        raise ValueError(f"it is nested more than {MAX_STATE_DEPTH} levels deep")
    msgspec.json.decode(encoded)  # what cannot be read again is no state
    return encoded


def _is_too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_STATE_DEPTH + 1):
        level = [inner for outer in level for inner in _inside(outer)]
    return bool(level)


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list | tuple) else ()


def encode_timer(wake: tuple[datetime | None] | None, user_key: str) -> tuple[int, str] | None:
    """(due in ms, user key) of a timer that a hook set; None where it set none or cleared it."""
    if wake is None or wake[0] is None:
        return None
    return int(wake[0].timestamp() * 1000), user_key
