"""Time spent in sessions and modules, estimated from when calls happened. Pure: a session and a call give the next session.

The vendor gets no page views and no heartbeats from us, so time is what lies between calls: a session is what one anonymousId
sends without a longer break, and a module lasts from its first call to the first call of another one.

Instants and spans are whole milliseconds, instants since 1970. Two clocks are in play: `at` is the sender's own, right for
durations; `received` is the router's, right for "nothing came for so long".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from router.plugin import JSON

MAX_TEXT = 255
"""The longest id and module name; what is longer is refused or cut before it gets here."""

SANE_MS = 1 << 48
"""No instant of a call is further from 1970 than this; a state that says so is not ours."""


@dataclass(frozen=True)
class Call:
    """The facts of one call that matter for a session."""

    user: str
    account: str | None
    at: int
    received: int
    module: str | None = None


@dataclass(frozen=True)
class Session:
    """An open session, in the shape in which it is kept as keyed state."""

    user: str
    account: str | None
    first: int
    last: int
    module: str | None
    begun: int  #: when the open module began; nothing where none is open
    seen: int  #: when the router last got a call of it


@dataclass(frozen=True)
class Ended:
    """A line to send: something of this user ended."""

    action: str
    user: str
    account: str | None
    at: int
    fields: Mapping[str, JSON] = field(default_factory=dict)


def follow(session: Session | None, call: Call, timeout_ms: int) -> tuple[Session, list[Ended]]:
    """The session after this call, and what the call ended, in the order in which it is sent."""
    ended: list[Ended] = []
    if session is not None and is_over(session, call, timeout_ms):
        ended, session = close(session), None
    if session is None:
        return Session(call.user, call.account, call.at, call.at, call.module, call.at, call.received), ended
    session = replace(session, account=session.account or call.account, seen=max(session.seen, call.received))
    if call.at < session.last:  # out of order: which module was open then is not known any more
        begins_earlier = 0 < session.first - call.at < timeout_ms
        return replace(session, first=call.at) if begins_earlier else session, ended
    if call.module and call.module != session.module:
        ended += end_module(session, call.at)
        session = replace(session, module=call.module, begun=call.at)
    return replace(session, last=call.at), ended


def is_over(session: Session, call: Call, timeout_ms: int) -> bool:
    """Whether this call belongs to another session: after a break, of another user or another account.

    A break on the router's clock counts too. The timer ends a session then, but this call may come before the timer's turn;
    whichever is first, also after a crash, the same lines go out.
    """
    return (
        call.at - session.last >= timeout_ms
        or call.received - session.seen >= timeout_ms
        or call.user != session.user
        or bool(call.account and session.account and call.account != session.account)
    )


def close(session: Session) -> list[Ended]:
    """What is sent when a session ends: after its last call there is nothing that could be counted."""
    spent: dict[str, JSON] = {"active_duration": session.last - session.first}
    sync = Ended("sessionSync", session.user, session.account, session.last, spent)
    return [*end_module(session, session.last), sync]


def end_module(session: Session, at: int) -> list[Ended]:
    """The end of the open module at this instant, if one is open."""
    if session.module is None:
        return []
    spent: dict[str, JSON] = {"module": session.module, "time_spent": at - session.begun}
    return [Ended("moduleEnd", session.user, session.account, at, spent)]


def to_state(session: Session) -> JSON:
    """The session as keyed state: with texts of at most MAX_TEXT characters, about 5 KB at the very most."""
    return asdict(session)


def from_state(state: JSON) -> Session | None:
    """The open session of a keyed state; None where there is none, or nothing that `to_state` could have written."""
    if not isinstance(state, dict):
        return None
    kept: dict[str, Any] = {name: state.get(name) for name in Session.__annotations__}
    optional = [kept[name] for name in ("account", "module") if kept[name] is not None]
    times = [kept[name] for name in ("first", "begun", "last", "seen")]
    if not all(isinstance(text, str) and 0 < len(text) <= MAX_TEXT for text in (kept["user"], *optional)):
        return None
    if not all(type(at) is int and abs(at) < SANE_MS for at in times):
        return None
    session = Session(**kept)
    in_order = session.first <= session.begun <= session.last
    return session if in_order and 0 <= session.seen < SANE_MS // 2 else None
