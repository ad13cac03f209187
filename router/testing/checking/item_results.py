"""The results of single items in a vendor's answer, of which one is left out or made a failure.

They are found by their number: as many as items were sent, in a list, in an object whose keys are values of the request, or in several
lists of the same names and lengths as those of the request.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Callable, Iterator

import msgspec

from router.plugin import JSON
from router.testing.replies import Received, Reply

__all__ = ["Change", "ItemResults", "made_bad", "without"]

_TELLING = {
    "ok", "success", "succeeded", "accepted", "status", "statuscode", "code", "error", "errors", "errorcode", "errormessage", "failed", "rejected",
}  # fmt: skip
"""Names of fields that tell success from failure, in lower case, without _ and -."""
Change = Callable[[list[JSON], int], list[JSON]]
"""What becomes of the results, and the number of the one that is another one."""


class ItemResults:
    """The results in an answer to a request of n items."""

    def __init__(self, seen: Received, reply: Reply, n: int) -> None:
        self._fields, self._reply, self._n = _fields(seen.body), reply, n
        self._sent = {text for _, text in self._fields}
        self._lists = _lists(seen.body)
        try:
            self._told: JSON = msgspec.json.decode(reply.content())
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._told = None

    def at(self, at: int) -> bytes:
        """What is said of this one, as JSON."""
        return msgspec.json.encode([(keys[at : at + 1], results[at]) for keys, results in self._found(self._told)])

    def is_told(self) -> bool:
        """Whether they tell success from failure: by a field whose name says so, or all in one word, such as "ok"."""
        return any(self._tells(results) for _, results in self._found(self._told))

    def changed(self, at: int, change: Change) -> Reply | None:
        """The answer with this one changed; None where nothing of it can be."""
        other = self._changed(self._told, at, change)
        return None if other == self._told else dataclasses.replace(self._reply, json=other, body=b"")

    def denied(self) -> Reply | None:
        """The answer with the opposite of what it says of the whole request, such as "ok": true; None where it says nothing of it."""
        told = self._told if isinstance(self._told, dict) else {}
        denied: dict[str, JSON] = {
            name: not value for name, value in told.items() if isinstance(value, bool) and _is_telling(name)
        }
        return dataclasses.replace(self._reply, json={**told, **denied}, body=b"") if denied else None

    def _found(self, value: JSON) -> Iterator[tuple[list[str], list[JSON]]]:
        """Lists of results, with the ids by which they are given."""
        if isinstance(value, list) and len(value) == self._n:
            yield [], value
        elif isinstance(value, dict) and self._is_by_id(value):
            yield list(value), list(value.values())
        elif isinstance(value, dict) and self._is_by_list(value):
            yield [], [result for name in self._lists for result in value[name]]
        elif isinstance(value, dict):
            for inner in value.values():
                yield from self._found(inner)

    def _changed(self, value: JSON, at: int, change: Change) -> JSON:
        if isinstance(value, list) and len(value) == self._n:
            return change(value, at)
        if not isinstance(value, dict):
            return value
        if self._is_by_list(value):
            return {**value, **self._changed_in_its_list(value, at, change)}
        if not self._is_by_id(value):
            return {key: self._changed(inner, at, change) for key, inner in value.items()}
        results = change(list(value.values()), at)
        keys = list(value) if len(results) == self._n else without(list(value), at)
        return dict(zip(keys, results, strict=True))

    def _changed_in_its_list(self, value: dict[str, JSON], at: int, change: Change) -> dict[str, JSON]:
        """Results of one list are alike, those of two need not be."""
        for name, length in self._lists.items():
            if at < length:
                return {name: change(value[name], at)}
            at -= length
        return {}

    def _tells(self, results: list[JSON]) -> bool:
        are_one_word = not isinstance(results[0], dict | list) and all(result == results[0] for result in results)
        return are_one_word or any(
            _is_telling(name) and (name, str(value)) not in self._fields  # else it is an echo
            for result in results
            for name, value in _inner(result)
        )

    def _is_by_id(self, value: dict[str, JSON]) -> bool:
        return len(value) == self._n and self._sent.issuperset(value)

    def _is_by_list(self, value: dict[str, JSON]) -> bool:
        """Whether it has a list for each one of the request."""
        if len(self._lists) < 2 or sum(self._lists.values()) != self._n:
            return False
        told = {name: value.get(name) for name in self._lists}
        return all(isinstance(results, list) and len(results) == self._lists[name] for name, results in told.items())


def _lists(body: bytes) -> dict[str, int]:
    """The names and lengths of the lists in a request, in their order, without the empty ones."""
    try:
        sent = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    fields = sent.items() if isinstance(sent, dict) else ()
    return {name: len(value) for name, value in fields if isinstance(value, list) and value}


def _fields(body: bytes) -> set[tuple[str, str]]:
    """The values in a request, as text, each with the name of its field: of JSON, and of JSON lines; else its words, without a name."""
    for parts in ([body], body.splitlines()):
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
            return set(_texts([msgspec.json.decode(part) for part in parts]))
    return {("", word) for word in re.findall(r"[\w.:@-]+", body.decode("utf-8", "replace"))}


def _texts(value: JSON, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner, name)
    elif value is not None:
        yield name, str(value)


def _is_telling(name: str) -> bool:
    return re.sub("[_-]", "", name).lower() in _TELLING


def _inner(value: JSON) -> Iterator[tuple[str, JSON]]:
    """The fields of a result, however deep."""
    for name, inner in value.items() if isinstance(value, dict) else ():
        yield name, inner
        yield from _inner(inner)


def without(results: list[JSON], at: int) -> list[JSON]:
    """All but this one."""
    return results[:at] + results[at + 1 :]


def made_bad(results: list[JSON], at: int) -> list[JSON]:
    """Each value that all results share is turned to its opposite in this one; ids differ, so they stay."""
    return [*results[:at], _bad(results[at], without(results, at)), *results[at + 1 :]]


def _bad(value: JSON, others: list[JSON]) -> JSON:
    if isinstance(value, dict) and value:
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
    if isinstance(value, list):
        return [] if value else ["failed"]
    return {"message": "failed"} if isinstance(value, dict) else "failed"
