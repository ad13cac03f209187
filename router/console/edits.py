"""Changes of config.toml that wait for somebody's yes, and the secrets that were typed for them. In memory only, for a while."""

from __future__ import annotations

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from router.config import Proposal

T = TypeVar("T")

KEPT_MS = 30 * 60_000
"""So long a change and a typed secret wait."""

MOST = 100
"""Changes, and as many forms with secrets, that wait. The oldest one goes first."""


class Edit(NamedTuple):
    """A change that was checked and shown."""

    session: str  #: of the browser that may say yes
    at_ms: int
    destination: str
    action: str  #: changed, added or removed
    read_hash: str  #: of the config.toml that it was made from
    proposal: Proposal
    keys: tuple[str, ...]  #: what it changes, without values
    shared: tuple[str, ...] = ()  #: other keys that get one of the secrets, too


class Edits:
    """What waits, by ids that nobody can guess."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self.writing = asyncio.Lock()  #: held while one of them is written and put in force
        self._now_ms = now_ms
        self._edits: OrderedDict[str, Edit] = OrderedDict()
        self._typed: OrderedDict[str, tuple[str, int, dict[str, str]]] = OrderedDict()  #: session, instant, secrets

    def propose(self, session: str, edit: Edit) -> str:
        """Keep a change; returns its id."""
        self._let_go()
        return _keep(self._edits, edit._replace(session=session, at_ms=self._now_ms()))

    def edit(self, id: str, session: str) -> Edit | None:
        """The change of this id, if it is this browser's and not too old."""
        self._let_go()
        edit = self._edits.get(id)
        return edit if edit and edit.session == session else None

    def drop(self, id: str) -> None:
        """It was written, or nobody wants it any more."""
        self._edits.pop(id, None)

    def type(self, id: str, session: str, typed: Mapping[str, str]) -> tuple[str, dict[str, str]]:
        """Keep the secrets that were typed into a form, by the name of their field, with those that were typed into it before.
        Returns the id for its next round and all of them. They are never sent to a browser."""
        self._let_go()
        before = self._typed.pop(id, None)
        all_typed = {**(before[2] if before and before[0] == session else {}), **typed}
        if not all_typed:
            return "", {}
        return _keep(self._typed, (session, self._now_ms(), all_typed)), all_typed

    def _let_go(self) -> None:
        """Forget what is too old."""
        since = self._now_ms() - KEPT_MS
        for id in [id for id, edit in self._edits.items() if edit.at_ms < since]:
            del self._edits[id]
        for id in [id for id, (_, at, _) in self._typed.items() if at < since]:
            del self._typed[id]


def _keep(where: OrderedDict[str, T], what: T) -> str:
    id = secrets.token_urlsafe(18)
    where[id] = what
    while len(where) > MOST:
        where.popitem(last=False)
    return id
