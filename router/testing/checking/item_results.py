"""The results of single items in a vendor's answer, of which one is left out or made a failure.

They are found by their number: as many as items were sent, in a list, or in an object whose keys are ids of the request.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import msgspec

from router.plugin import JSON
from router.testing.replies import Received, Reply

__all__ = ["Change", "ItemResults", "made_bad", "without"]

_TELLING = {"ok", "success", "succeeded", "status", "error", "errors", "failed"}
Change = Callable[[list[JSON], int], list[JSON]]
"""What becomes of the results, and the number of the one that is another one."""


class ItemResults:
    """The results in an answer to a request of n items."""

    def __init__(self, seen: Received, reply: Reply, n: int) -> None:
        self._sent, self._reply, self._n = seen.body.decode("utf-8", "replace"), reply, n
        try:
            self._told: JSON = msgspec.json.decode(reply.content())
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._told = None

    def at(self, at: int) -> bytes:
        """What is said of this one, as JSON."""
        return msgspec.json.encode([results[at] for results in self._found(self._told)])

    def is_told(self) -> bool:
        """Whether they have a field whose name says that it tells success from failure."""
        return any(_tells(entry) for results in self._found(self._told) for entry in results)

    def changed(self, at: int, change: Change) -> Reply | None:
        """The answer with this one changed; None where nothing of it can be."""
        other = self._changed(self._told, at, change)
        return None if other == self._told else dataclasses.replace(self._reply, json=other, body=b"")

    def _found(self, value: JSON) -> Iterator[list[JSON]]:
        if isinstance(value, list) and len(value) == self._n:
            yield value
        elif isinstance(value, dict) and self._is_by_id(value):
            yield [[key, result] for key, result in value.items()]
        elif isinstance(value, dict):
            for inner in value.values():
                yield from self._found(inner)

    def _changed(self, value: JSON, at: int, change: Change) -> JSON:
        if isinstance(value, list) and len(value) == self._n:
            return change(value, at)
        if not isinstance(value, dict):
            return value
        if not self._is_by_id(value):
            return {key: self._changed(inner, at, change) for key, inner in value.items()}
        results = change(list(value.values()), at)
        keys = list(value) if len(results) == self._n else without(list(value), at)
        return dict(zip(keys, results, strict=True))

    def _is_by_id(self, value: dict[str, JSON]) -> bool:
        return len(value) == self._n and all(key in self._sent for key in value)


def _tells(entry: JSON) -> bool:
    return isinstance(entry, dict) and not _TELLING.isdisjoint(str(key).lower() for key in entry)


def without(results: list[JSON], at: int) -> list[JSON]:
    """All but this one."""
    return results[:at] + results[at + 1 :]


def made_bad(results: list[JSON], at: int) -> list[JSON]:
    """This one has the opposite of everything that all of them have: so its id, which they do not share, stays."""
    return [*results[:at], _bad(results[at], without(results, at)), *results[at + 1 :]]


def _bad(value: JSON, others: list[JSON]) -> JSON:
    if isinstance(value, dict):
        return {
            key: _bad(inner, [other[key] for other in others if isinstance(other, dict) and key in other])
            for key, inner in value.items()
        }
    return _opposite(value) if all(other == value for other in others) else value


def _opposite(value: JSON) -> JSON:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return 422 if 200 <= value < 300 else -1
    return "failed" if value is None or isinstance(value, str) else value
