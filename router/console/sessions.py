"""Who is logged in, and the token that each form of theirs carries."""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable

IDLE_MS = 12 * 3600 * 1000
"""A session ends when it was not used for so long."""

MOST = 1_000
"""Sessions that are kept; the one that was used longest ago ends first."""

MOST_FAILURES, FAILURES_MS = 10, 60_000
"""So many wrong tokens are answered in this time; then nobody can log in until it is over."""


class Sessions:
    """The sessions of this process. They are in memory only, so a restart logs everybody out."""

    def __init__(self, token: str | None, now_ms: Callable[[], int]) -> None:
        """`token`: the admin token; None where everybody who reaches the listener may look."""
        self._token, self._now_ms = token, now_ms
        self._key = secrets.token_bytes(32)
        self._used: OrderedDict[str, int] = OrderedDict()  # id: ms of the last use
        self._failures: list[int] = []

    @property
    def are_needed(self) -> bool:
        """Whether somebody must log in to see anything."""
        return self._token is not None

    def log_in(self, token: str) -> str | None:
        """A new session id for the admin token; None for a wrong one, or while too many were wrong."""
        now = self._now_ms()
        self._failures = [at for at in self._failures if now - at < FAILURES_MS]
        if self.is_locked or self._token is None:
            return None
        if not hmac.compare_digest(token.encode("utf-8", "surrogatepass"), self._token.encode()):
            self._failures.append(now)
            return None
        return self._begin(now)

    @property
    def is_locked(self) -> bool:
        """Whether too many wrong tokens were given a moment ago."""
        now = self._now_ms()
        return sum(now - at < FAILURES_MS for at in self._failures) >= MOST_FAILURES

    def log_out(self, id: str) -> None:
        """End a session."""
        self._used.pop(id, None)

    def is_known(self, id: str) -> bool:
        """Whether this session is logged in. A page that refreshes by itself asks so: that is no use of it."""
        used = self._used.get(id)
        return used is not None and self._now_ms() - used <= IDLE_MS

    def is_open(self, id: str | None) -> bool:
        """The same for what somebody asks for: the session counts as used now."""
        if id is None or not self.is_known(id):
            self.log_out(id or "")
            return False
        self._used[id] = self._now_ms()
        self._used.move_to_end(id)
        return True

    @staticmethod
    def new_visitor() -> str:
        """An id for somebody who need not log in: it only ties forms to their browser."""
        return secrets.token_urlsafe(24)

    def form_token(self, id: str) -> str:
        """What a form of this session must carry."""
        return hmac.new(self._key, id.encode(), "sha256").hexdigest()

    def is_form_token(self, id: str, token: str) -> bool:
        """Whether a form carries the token of this session."""
        return hmac.compare_digest(self.form_token(id).encode(), token.encode("utf-8", "surrogatepass"))

    def _begin(self, now: int) -> str:
        id = secrets.token_urlsafe(24)
        self._used[id] = now
        while len(self._used) > MOST:
            self._used.popitem(last=False)
        return id
