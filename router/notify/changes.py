"""What has changed against what was told. Pure.

A cause is a code and a subject. Its beginning is told once, and so is its end. Each of the two is told at most once a minute for one
cause: what comes and goes more often is told as it stands when the minute is over.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

import msgspec

from router.explain.troubles import Trouble

AGAIN_MS = 60_000
"""Between two beginnings, or two ends, of one cause."""
EVERY = "*"

Cause = tuple[str, str]
"""(code, subject)"""
Kind = Literal["began", "recovered"]


class Told(msgspec.Struct, frozen=True):
    """A trouble that whoever listens knows of. It is stored, so it holds no words of a vendor."""

    code: str
    subject: str
    at: int  #: when it began, or was seen first (ms)


class Change(msgspec.Struct, frozen=True):
    """What is to be told of one cause."""

    kind: Kind
    code: str
    subject: str
    at: int  #: when the trouble began, or was seen first (ms)
    trouble: Trouble | None = None  #: of one that began

    @property
    def cause(self) -> Cause:
        """Whose change it is."""
        return self.code, self.subject


class Announced:
    """What was told, and when the last of each kind was."""

    def __init__(self, told: Sequence[Told] = ()) -> None:
        self.told: dict[Cause, Told] = {(one.code, one.subject): one for one in told}
        self._last: dict[tuple[Kind, Cause], int] = {}

    def changes(
        self,
        troubles: Sequence[Trouble],
        now_ms: int,
        codes: Collection[str] = (EVERY,),
        starting: Collection[str] = (),
    ) -> list[Change]:
        """What is to be told now.

        Args:
            codes: those to be told of; `*` for all. What was told before is told of to its end.
            starting: subjects of which it is not known yet how they are: nothing of them is over.
        """
        there = {(one.code, one.subject): one for one in troubles}
        began = [
            Change("began", *cause, now_ms, one)
            for cause, one in there.items()
            if cause not in self.told and (EVERY in codes or one.code in codes)
        ]
        over = [
            Change("recovered", *cause, one.at)
            for cause, one in self.told.items()
            if cause not in there and one.subject not in starting
        ]
        return [change for change in (*began, *over) if self._may_be_told(change, now_ms)]

    def was_told(self, changes: Sequence[Change], now_ms: int) -> None:
        """Whoever listens knows of these."""
        for change in changes:
            self._last[change.kind, change.cause] = now_ms
            if change.kind == "began":
                self.told[change.cause] = Told(change.code, change.subject, change.at)
            else:
                self.told.pop(change.cause, None)
        self._last = {key: at for key, at in self._last.items() if now_ms - at < AGAIN_MS}

    def _may_be_told(self, change: Change, now_ms: int) -> bool:
        last = self._last.get((change.kind, change.cause))
        return last is None or now_ms - last >= AGAIN_MS


def stored(told: Mapping[Cause, Told]) -> bytes:
    """What was told, to be kept over a restart."""
    return msgspec.json.encode(list(told.values()))


def read_stored(text: bytes | None) -> list[Told]:
    """The same, read again. What cannot be read was never told."""
    try:
        return msgspec.json.decode(text or b"[]", type=list[Told])
    except msgspec.DecodeError:
        return []
