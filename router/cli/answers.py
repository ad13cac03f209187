"""Answers to what people ask: from the running daemon, or straight from its store while it is down. Same shapes."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from router.cli.client import Admin, NobodyThere, Refused
from router.cli.place import Failed, Place, locate
from router.cli.show import warn
from router.clock import SystemClock

if TYPE_CHECKING:
    from router.store.questions import Questions


class Answers(Protocol):
    """The questions of the reading verbs; each gives what the admin API gives."""

    running: bool  #: whether a daemon answers

    def readiness(self) -> dict[str, Any]:
        """What `/readyz` says."""
        ...

    def ledger(self) -> dict[str, Any]:
        """Counts by destination."""
        ...

    def message(self, message_id: str, source: str | None) -> dict[str, Any] | None:
        """The fate of a message; None when unknown."""
        ...

    def held(self, destination: str, user: str | None, after: str | None) -> dict[str, Any]:
        """Users whose events wait, a page at a time. Raises Failed for an unknown destination."""
        ...

    def dead(
        self, destination: str, reason: str | None, since: str | None, until: str | None, after: str | None
    ) -> dict[str, Any]:
        """Dead letters, a page at a time. Raises Failed for an unknown destination."""
        ...

    def discards(self) -> dict[str, Any]:
        """Calls that were answered 200 and could not be used."""
        ...

    def destinations(self) -> dict[str, Any]:
        """What is configured and how it is."""
        ...


@contextmanager
def open_answers(config: Path) -> Iterator[Answers]:
    """Whoever can answer: the daemon if it runs, else its store, which is said on standard error.

    Raises:
        ConfigError: config.toml does not say where they are.
        Failed: there is neither.
    """
    place = locate(config)
    with Admin(place) as admin:
        try:
            admin.get("healthz")
        except NobodyThere:
            pass
        else:
            yield FromDaemon(admin)
            return
    if not place.store.exists():
        advice = "" if "STATE_DIRECTORY" in os.environ else "; a service's is found with STATE_DIRECTORY set"
        raise Failed(f"daemon is not running, and there is no store at {place.store}{advice}")
    warn(f"daemon is not running; reading {place.store}")
    yield FromStore(place)


class FromDaemon:
    """Asks the admin API."""

    running = True

    def __init__(self, admin: Admin) -> None:
        self._admin = admin

    def readiness(self) -> dict[str, Any]:
        return self._admin.get("readyz")

    def ledger(self) -> dict[str, Any]:
        return self._admin.get("api", "ledger")

    def message(self, message_id: str, source: str | None) -> dict[str, Any] | None:
        try:
            return self._admin.get("api", "messages", message_id, source=source)
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    def held(self, destination: str, user: str | None, after: str | None) -> dict[str, Any]:
        return self._admin.get("api", "destinations", destination, "held", user=user, after=after)

    def dead(
        self, destination: str, reason: str | None, since: str | None, until: str | None, after: str | None
    ) -> dict[str, Any]:
        return self._admin.get(
            "api", "destinations", destination, "dead", reason=reason, since=since, until=until, after=after
        )

    def discards(self) -> dict[str, Any]:
        return self._admin.get("api", "discards")

    def destinations(self) -> dict[str, Any]:
        return self._admin.get("api", "destinations")


class FromStore:
    """Reads the store, one snapshot a question."""

    running = False

    def __init__(self, place: Place) -> None:
        self._place = place

    def readiness(self) -> dict[str, Any]:
        return {"status": "not running", "problems": ["daemon is not running"], "destinations": {}}

    def ledger(self) -> dict[str, Any]:
        ledger: dict[str, Any] = self._ask(_ledger)
        stored = {name: _stopped(counts) for name, counts in ledger["destinations"].items()}
        tables = {table.name: table for table in self._tables() if table.name in stored}
        for name, table in tables.items():
            stored[name]["mode"] = table.mode
            if not table.enabled:
                stored[name]["state"] = "disabled"
        return {**ledger, "destinations": {name: stored[name] for name in {**tables, **stored}}}

    def message(self, message_id: str, source: str | None) -> dict[str, Any] | None:
        async def ask(questions: Questions) -> dict[str, Any] | None:
            return await questions.message(message_id, source, await questions.destinations())

        found: dict[str, Any] | None = self._ask(ask)
        return found

    def held(self, destination: str, user: str | None, after: str | None) -> dict[str, Any]:
        from router.event import parse_user

        key = parse_user(user) if user else None
        return self._ask_of(destination, lambda questions: questions.held(destination, key, after or ""))

    def dead(
        self, destination: str, reason: str | None, since: str | None, until: str | None, after: str | None
    ) -> dict[str, Any]:
        from router.config.units import parse_instant
        from router.store import Letters

        now = SystemClock().now_ms()
        try:
            times = [parse_instant(text, now) if text else None for text in (since, until)]
        except ValueError as error:
            raise Failed(str(error)) from None
        which = Letters(reason, times[0] or 0, 1 << 62 if times[1] is None else times[1])
        behind = int(after) if after else None
        return self._ask_of(destination, lambda questions: questions.dead(destination, which, behind))

    def discards(self) -> dict[str, Any]:
        found: dict[str, Any] = self._ask(lambda questions: questions.discards())
        return found

    def destinations(self) -> dict[str, Any]:
        counts = self.ledger()["destinations"]
        waiting: dict[str, Any] = self._ask(_waiting)
        described = [
            {
                "name": table.name,
                "plugin": table.plugin,
                "mode": table.mode,
                "enabled": table.enabled,
                "sources": list(table.sources),
                **counts.get(table.name, {"state": "not started", "state_reason": ""}),
                "waiting": waiting.get(table.name, {}),
            }
            for table in self._tables()
        ]
        return {"destinations": described}

    def _tables(self) -> Any:
        from router.config import examine

        return [table for _, table in examine(self._place.path, os.environ).destinations]

    def _ask_of(self, destination: str, question: Callable[[Questions], Awaitable[Any]]) -> dict[str, Any]:
        """Ask about a destination that the store knows. Raises Failed for another one."""

        async def ask(questions: Questions) -> dict[str, Any]:
            known = await questions.destinations()
            if destination not in known:
                raise Failed(f"no destination {destination!r}; in the store: {', '.join(known) or 'none'}")
            answer: dict[str, Any] = await question(questions)
            return answer

        found: dict[str, Any] = self._ask(ask)
        return found

    def _ask(self, question: Callable[[Questions], Awaitable[Any]]) -> Any:
        from router.store.questions import open_questions

        async def ask() -> Any:
            async with open_questions(self._place.store) as questions:
                return await question(questions)

        return asyncio.run(ask())


def _stopped(counts: dict[str, Any]) -> dict[str, Any]:
    """A destination's counts while the daemon is down: nothing runs, and what was last known stands beside it."""
    last = {f"last_{key}": counts[key] for key in ("state", "state_reason", "state_since")}
    return {**counts, "state": "stopped", "state_reason": "", "state_since": None, **last}


async def _waiting(questions: Questions) -> dict[str, Any]:
    from router.store.waiting import describe

    now_ms = SystemClock().now_ms()
    return {name: describe(await questions.waiting(name), now_ms) for name in await questions.destinations()}


async def _ledger(questions: Questions) -> dict[str, Any]:
    return await questions.ledger(await questions.destinations())
