"""What an operator wants to be sent again."""

from __future__ import annotations

import msgspec

from router.store import DeadLetterFilter
from router.vocabulary import FOREVER_MS


class ReplayOrder(msgspec.Struct, frozen=True):
    """What is to be sent again: the event at a position, dead letters, or what was accepted in a time."""

    pos: int | None = None
    user_key: str = ""  #: of that event
    letters: DeadLetterFilter | None = None
    since_ms: int = 0
    until_ms: int = FOREVER_MS
    count_only: bool = False
    filtered: bool = False  #: of that time only what was filtered
