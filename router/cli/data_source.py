"""Where the reading verbs get their data: from the running daemon, or straight from its store while it is down. Same shapes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import typer

from router.cli.client import Admin, NobodyThere, Refused
from router.cli.endpoint import Endpoint, Failed, admin_of, is_there, local_admin, locate_or_advise, program
from router.cli.lazy import lazy
from router.cli.options import Common, config_hint
from router.cli.output import warn
from router.clock import SystemClock
from router.explain import destination_phrases
from router.explain.command_lines import drop_destination

if TYPE_CHECKING:
    from router import config as configuration
    from router import event, event_search, plugin_host, store
    from router.config import units
    from router.explain import failures
    from router.store.sqlite import held_counts, queries
    from router.store.sqlite.queries import Queries
else:
    configuration = lazy("router.config")
    event = lazy("router.event")
    event_search = lazy("router.event_search")
    failures = lazy("router.explain.failures")
    held_counts = lazy("router.store.sqlite.held_counts")
    plugin_host = lazy("router.plugin_host")
    queries = lazy("router.store.sqlite.queries")
    store = lazy("router.store")
    units = lazy("router.config.units")


class DataSource(Protocol):
    """The questions of the reading verbs; each gives what the admin API gives."""

    running: bool  #: whether a daemon answers

    def readiness(self) -> dict[str, Any]:
        """What `/readyz` says."""
        ...

    def troubles(self) -> list[dict[str, Any]]:
        """What `/api/troubles` says."""
        ...

    def ledger(self) -> dict[str, Any]:
        """Counts by destination, and what is kept of those that are configured no more."""
        ...

    def message(self, message_id: str, source: str | None) -> dict[str, Any] | None:
        """The fate of a message; None when unknown."""
        ...

    def events(self, which: Mapping[str, str], before: int | None, limit: int) -> dict[str, Any]:
        """The newest events of a kind, by the words of `event_search.KEYS`. Raises BadParameter for a word that is none."""
        ...

    def held(self, destination: str, user: str | None, after: str | None) -> dict[str, Any]:
        """Users whose events wait, a page at a time. Raises Failed for an unknown destination."""
        ...

    def dead(
        self, destination: str, reason: str | None, since: str | None, until: str | None, after: str | None
    ) -> dict[str, Any]:
        """Dead letters, a page at a time. Raises Failed for an unknown destination."""
        ...

    def errors(self, destination: str) -> dict[str, Any]:
        """Why events are dead or retrying, like with like. Raises Failed for an unknown destination."""
        ...

    def discards(self, source: str | None, since: str | None) -> dict[str, Any]:
        """Calls that were answered 200 and could not be used."""
        ...

    def personal_data(self, source: str | None, since: str | None, before: int | None) -> dict[str, Any]:
        """What looks personal in a part of the log, without any value."""
        ...

    def violations(self, source: str | None, event: str | None, since: str | None) -> dict[str, Any]:
        """What does not fit the tracking plans. Raises BadParameter for a time that is none."""
        ...

    def sources(self) -> dict[str, Any]:
        """Who may send, and what was mended in their calls since the daemon's start."""
        ...

    def destinations(self) -> dict[str, Any]:
        """What is configured and how it is, and what is kept of those that are configured no more."""
        ...

    def destination(self, name: str) -> dict[str, Any]:
        """One of these, with its last requests while the daemon runs. Raises Failed for an unknown one."""
        ...


def names(data: DataSource, destination: str | None) -> list[str]:
    """The destination that was named, else all of them."""
    return [destination] if destination else list(data.ledger()["destinations"])


@contextmanager
def open_data_source(common: Common) -> Iterator[DataSource]:
    """Whoever can answer: the daemon if it runs, else its store on this machine, which is said on standard error.

    Raises:
        ConfigError: config.toml does not say where they are.
        Failed: there is neither.
    """
    if common.url is not None:
        with Admin(admin_of(common)) as admin:
            yield FromDaemon(admin)
        return
    endpoint = locate_or_advise(common.config)
    with Admin(local_admin(endpoint, common.token)) as admin:
        try:
            admin.get("healthz")
        except NobodyThere:
            pass
        else:
            yield FromDaemon(admin)
            return
    if endpoint.database:
        words = "only a daemon reads its store, which is a database: start it, or name another node with --url"
        raise Failed(f"daemon is not running, and {words} ({endpoint.database})")
    if not is_there(endpoint.store):
        advice = "" if "STATE_DIRECTORY" in endpoint.environ else "; a service's is found with STATE_DIRECTORY set"
        raise Failed(f"daemon is not running, and there is no store at {endpoint.store}{advice}")
    warn(f"daemon is not running; reading {endpoint.store}")
    yield FromStore(endpoint)


class FromDaemon:
    """Asks the admin API."""

    running = True

    def __init__(self, admin: Admin) -> None:
        self._admin = admin

    def readiness(self) -> dict[str, Any]:
        return self._admin.get("readyz")

    def troubles(self) -> list[dict[str, Any]]:
        try:
            found: list[dict[str, Any]] = self._admin.get("api", "troubles")["troubles"]
        except Refused as refused:
            if refused.status == 404:  # an older daemon
                return []
            raise
        return found

    def ledger(self) -> dict[str, Any]:
        return self._admin.get("api", "ledger")

    def message(self, message_id: str, source: str | None) -> dict[str, Any] | None:
        try:
            return self._admin.get("api", "messages", message_id, source=source)
        except Refused as refused:
            if refused.status == 404:
                return None
            raise

    def events(self, which: Mapping[str, str], before: int | None, limit: int) -> dict[str, Any]:
        from_here = None if before is None else str(before)
        try:
            return self._admin.get("api", "events", **which, before=from_here, limit=str(limit))
        except Refused as refused:
            if refused.code == "invalid_request":
                raise typer.BadParameter(str(refused)) from None
            raise

    def held(self, destination: str, user: str | None, after: str | None) -> dict[str, Any]:
        return self._admin.get("api", "destinations", destination, "held", user=user, after=after)

    def dead(
        self, destination: str, reason: str | None, since: str | None, until: str | None, after: str | None
    ) -> dict[str, Any]:
        return self._admin.get(
            "api", "destinations", destination, "dead", reason=reason, since=since, until=until, after=after
        )

    def discards(self, source: str | None, since: str | None) -> dict[str, Any]:
        return self._admin.get("api", "discards", source=source, since=since)

    def errors(self, destination: str) -> dict[str, Any]:
        return self._admin.get("api", "destinations", destination, "errors")

    def personal_data(self, source: str | None, since: str | None, before: int | None) -> dict[str, Any]:
        from_here = None if before is None else str(before)
        return self._admin.get("api", "privacy", "scan", source=source, since=since, before=from_here)

    def violations(self, source: str | None, event: str | None, since: str | None) -> dict[str, Any]:
        try:
            return self._admin.get("api", "violations", source=source, event=event, since=since)
        except Refused as refused:
            if refused.code == "invalid_request":
                raise typer.BadParameter(str(refused)) from None
            raise

    def sources(self) -> dict[str, Any]:
        return self._admin.get("api", "sources")

    def destinations(self) -> dict[str, Any]:
        return self._admin.get("api", "destinations")

    def destination(self, name: str) -> dict[str, Any]:
        return self._admin.get("api", "destinations", name)


class FromStore:
    """Reads the store, one snapshot a question."""

    running = False

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def readiness(self) -> dict[str, Any]:
        return {"status": "not running", "problems": ["daemon is not running"], "destinations": {}}

    def troubles(self) -> list[dict[str, Any]]:
        """Those that pass with a daemon."""
        return []

    def ledger(self) -> dict[str, Any]:
        ledger: dict[str, Any] = self._ask(_ledger)
        stored = {name: _stopped(counts) for name, counts in ledger["destinations"].items()}
        tables = {table.name: table for table in self._tables() if table.name in stored}
        for name, table in tables.items():
            stored[name]["mode"] = table.mode
            if not table.enabled:
                stored[name]["state"] = "disabled"
        return {
            **ledger,
            "destinations": {name: stored[name] for name in {**tables, **stored}},
            "removed": self._removed(),
        }

    def message(self, message_id: str, source: str | None) -> dict[str, Any] | None:
        async def ask(questions: Queries) -> dict[str, Any] | None:
            answer = await questions.message(message_id, source, await questions.destinations())
            if answer is not None and plugin_host.is_asked_for(answer["destinations"]):
                conditions = {table.name: plugin_host.compile_conditions(table) for table in self._tables()}
                call = await questions.stored_call(message_id, source)
                plugin_host.add_details(answer["destinations"], call, conditions)
            return answer

        found: dict[str, Any] | None = self._ask(ask)
        return found

    def events(self, which: Mapping[str, str], before: int | None, limit: int) -> dict[str, Any]:
        async def ask(questions: Queries) -> dict[str, Any]:
            names = await questions.destinations()
            try:
                chosen = event_search.parse_filter(which, names, SystemClock().now_ms())
            except ValueError as error:
                raise typer.BadParameter(str(error)) from None
            return await questions.events(chosen, names, before, limit)

        found: dict[str, Any] = self._ask(ask)
        return found

    def held(self, destination: str, user: str | None, after: str | None) -> dict[str, Any]:
        key = event.parse_user(user) if user else None
        return self._ask_of(destination, lambda questions: questions.held(destination, key, after or ""))

    def dead(
        self, destination: str, reason: str | None, since: str | None, until: str | None, after: str | None
    ) -> dict[str, Any]:
        now = SystemClock().now_ms()
        try:
            times = [units.parse_instant(text, now) if text else None for text in (since, until)]
        except ValueError as error:
            raise Failed(str(error)) from None
        which = store.DeadLetterFilter(reason, times[0] or 0, 1 << 62 if times[1] is None else times[1])
        behind = int(after) if after else None
        return self._ask_of(destination, lambda questions: questions.dead(destination, which, behind))

    def errors(self, destination: str) -> dict[str, Any]:
        async def ask(questions: Queries) -> dict[str, Any]:
            return failures.described(await questions.failures(destination, failures.NEWEST), failures.NEWEST)

        return self._ask_of(destination, ask)

    def discards(self, source: str | None, since: str | None) -> dict[str, Any]:
        since_ms = event_search.parse_since(since or "", SystemClock().now_ms())

        async def ask(questions: Queries) -> dict[str, Any]:
            found = await questions.discards(source, since_ms)
            return {**found, "days": await questions.discards_by_day(source, since_ms)}

        found: dict[str, Any] = self._ask(ask)
        return found

    def personal_data(self, source: str | None, since: str | None, before: int | None) -> dict[str, Any]:
        since_ms = units.parse_instant(since, SystemClock().now_ms()) if since else 0
        found: dict[str, Any] = self._ask(lambda questions: questions.personal_data(source, since_ms, before))
        return found

    def violations(self, source: str | None, event: str | None, since: str | None) -> dict[str, Any]:
        try:
            since_ms = units.parse_instant(since, SystemClock().now_ms()) if since else 0
        except ValueError as error:
            raise typer.BadParameter(f"since: {error}") from None
        found: dict[str, Any] = self._ask(lambda questions: questions.violations(source, event, since_ms))
        return found

    def sources(self) -> dict[str, Any]:
        draft = configuration.examine(self._endpoint.path, self._endpoint.environ)
        shown = ("name", "kind", "enabled", "strict", "origins")
        described = [
            {
                **{key: getattr(table, key) for key in shown},
                "origins": list(table.origins),
                **configuration.describe_intake(table, draft.plans.get(table.name), follow=draft.consent.follow),
                "warnings": {},
                "keys": [{"ending": configuration.ending_of(key), "last_used_at": None} for key in table.write_keys],
            }
            for _, table in draft.sources
        ]
        return {"sources": described}

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
        return {"destinations": described, "removed": self._removed()}

    def _removed(self) -> list[dict[str, Any]]:
        """What is kept of destinations that config.toml has no more; nothing where it is faulty, and may name them."""
        draft = configuration.examine(self._endpoint.path, self._endpoint.environ)
        if draft.problems:
            return []
        configured = [table.name for _, table in draft.destinations]
        kept: dict[str, dict[str, int]] = self._ask(lambda questions: questions.left_over(configured))
        return [{"name": name, **counts} for name, counts in kept.items()]

    def destination(self, name: str) -> dict[str, Any]:
        told = self.destinations()
        rows = {row["name"]: row for row in told["destinations"]}
        if name not in rows:
            for row in told["removed"]:
                if row["name"] == name:
                    drop = f"{program()} {drop_destination(name)}{config_hint(self._endpoint.path)}"
                    raise Failed(destination_phrases.removed(row, drop))
            raise Failed(f"no destination {name!r}; configured: {', '.join(rows) or 'none'}")
        return {**rows[name], "last": {"delivered": None, "failed": None}}

    def _tables(self) -> Any:
        return [table for _, table in configuration.examine(self._endpoint.path, self._endpoint.environ).destinations]

    def _ask_of(self, destination: str, question: Callable[[Queries], Awaitable[Any]]) -> dict[str, Any]:
        """Ask about a destination that the store knows. Raises Failed for another one."""

        async def ask(questions: Queries) -> dict[str, Any]:
            known = await questions.destinations()
            if destination not in known:
                raise Failed(f"no destination {destination!r}; in the store: {', '.join(known) or 'none'}")
            answer: dict[str, Any] = await question(questions)
            return answer

        found: dict[str, Any] = self._ask(ask)
        return found

    def _ask(self, question: Callable[[Queries], Awaitable[Any]]) -> Any:
        async def ask() -> Any:
            async with queries.open_queries(self._endpoint.store) as questions:
                return await question(questions)

        return asyncio.run(ask())


def _stopped(counts: dict[str, Any]) -> dict[str, Any]:
    """A destination's counts while the daemon is down: the state is `stopped`, the last known one is in `last_...`."""
    keys = ("state", "state_reason", "state_detail", "state_since", "state_until")
    last = {f"last_{key}": counts[key] for key in keys}
    blank = {"state": "stopped", "state_reason": "", "state_detail": "", "state_since": None, "state_until": None}
    return {**counts, **blank, **last}


async def _waiting(questions: Queries) -> dict[str, Any]:
    now_ms = SystemClock().now_ms()
    return {
        name: held_counts.describe(await questions.waiting(name), now_ms) for name in await questions.destinations()
    }


async def _ledger(questions: Queries) -> dict[str, Any]:
    return await questions.ledger(await questions.destinations())
