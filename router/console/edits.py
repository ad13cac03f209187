"""Changes of config.toml that wait for somebody's yes, and the secrets that were typed for them. In memory only, for half an hour."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from router.config import Proposal

T = TypeVar("T")
Later = Callable[[float, Callable[[], None]], object]

KEPT_MS = 30 * 60_000
"""So long a change and a typed secret wait."""

MOST = 100
"""Changes, and as many forms with secrets, that wait. The oldest one goes first."""


class Saved(NamedTuple):
    """What came of a yes. `code`: saved, conflict, not_writable, refused (nothing was written), taken_back (after a refused reload),
    failed (after a reload that failed half-way) or kept (one of these two, but it could not be taken back)."""

    code: str
    problems: list[str]


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
    saved: Saved | None = None  #: what came of the last yes, where that was not "saved"


SECRET_ONLY = "secret"
"""The mark of a change that leaves config.toml as it is."""


def _mark_of(edit: Edit) -> str:
    """The end of its id: of the file as it would be. So its page can tell whether it was written, also after a restart."""
    written = hashlib.sha256(edit.proposal.text.encode()).hexdigest()
    return SECRET_ONLY if written == edit.read_hash else mark_of(written)


def mark_of(file_hash: str) -> str:
    """The same of a file that has this hash."""
    return file_hash[:16]


class _Typed(NamedTuple):
    """The secrets that were typed into a form, and when each was."""

    session: str
    secrets: dict[str, tuple[int, str]]

    @property
    def at_ms(self) -> int:
        """When the oldest of them was typed."""
        return min(at for at, _ in self.secrets.values())


class Edits:
    """What waits, by ids that nobody can guess.

    Args:
        later: calls a function in so many seconds.
    """

    def __init__(self, now_ms: Callable[[], int], later: Later) -> None:
        self.writing = asyncio.Lock()  #: held while one of them is written and put in force
        self._now_ms, self._later = now_ms, later
        self._edits: OrderedDict[str, Edit] = OrderedDict()
        self._typed: OrderedDict[str, _Typed] = OrderedDict()
        self._will_let_go = False

    def propose(self, session: str, edit: Edit, draft: str = "") -> str:
        """Keep a change; returns its id. `draft`: the id of its typed secrets, which are kept no longer than they were to be."""
        self._let_go()
        typed = self._typed.pop(draft, None)
        at = typed.at_ms if typed is not None and edit.proposal.secrets else self._now_ms()
        return self._keep(self._edits, edit._replace(session=session, at_ms=at), f".{_mark_of(edit)}")

    def edit(self, id: str, session: str) -> Edit | None:
        """The change of this id, if it is this browser's and not too old."""
        self._let_go()
        edit = self._edits.get(id)
        return edit if edit and edit.session == session else None

    def drop(self, id: str) -> None:
        """Nobody wants it any more."""
        self._edits.pop(id, None)

    def note(self, id: str, saved: Saved) -> None:
        """Somebody said yes, and this came of it. What was written waits no more."""
        edit = self._edits.pop(id, None)
        if edit is not None and saved.code != "saved":
            self._edits[id] = edit._replace(saved=saved)

    def type(self, id: str, session: str, typed: Mapping[str, str]) -> tuple[str, dict[str, str]]:
        """Keep the secrets that were typed into a form, by the name of their field, with those that were typed into it before.
        Returns the id for its next round and all of them. They are never sent to a browser."""
        self._let_go()
        before, now = self._typed.pop(id, None), self._now_ms()
        own = before.secrets if before and before.session == session else {}
        found = _Typed(session, {**own, **{name: (now, secret) for name, secret in typed.items()}})
        if not found.secrets:
            return "", {}
        return self._keep(self._typed, found), {name: secret for name, (_, secret) in found.secrets.items()}

    def _keep(self, where: OrderedDict[str, T], what: T, mark: str = "") -> str:
        id = secrets.token_urlsafe(18) + mark
        where[id] = what
        while len(where) > MOST:
            where.popitem(last=False)
        self._look_again()
        return id

    def _look_again(self) -> None:
        """Let go of what is left when it is too old, whether anybody opens a page by then or not."""
        waiting = [edit.at_ms for edit in self._edits.values()] + [typed.at_ms for typed in self._typed.values()]
        if waiting and not self._will_let_go:
            self._will_let_go = True
            self._later(max(0, min(waiting) + KEPT_MS - self._now_ms()) / 1000, self._at_the_end)

    def _at_the_end(self) -> None:
        self._will_let_go = False
        self._let_go()
        self._look_again()

    def _let_go(self) -> None:
        """Forget what is too old."""
        since = self._now_ms() - KEPT_MS
        for id in [id for id, edit in self._edits.items() if edit.at_ms <= since]:
            del self._edits[id]
        for id, typed in list(self._typed.items()):
            fresh = {name: one for name, one in typed.secrets.items() if one[0] > since}
            if fresh:
                self._typed[id] = typed._replace(secrets=fresh)
            else:
                del self._typed[id]
