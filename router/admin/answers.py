"""What operators are told: the answers that the JSON API gives, and that the console shows. No HTTP here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from router.admin.asking import ask, runner_of
from router.admin.daemon_port import DaemonPort
from router.admin.pauses import pause_of
from router.clock import to_iso
from router.deliver.runner import state_of
from router.deliver.runner_port import DestinationRunner
from router.editing.key_values import below, key_values, shown
from router.editing.masking import without_secrets
from router.event import Call, parse_user
from router.event_search import parse_filter
from router.explain import failures
from router.in_thread import in_thread
from router.plugin_host import add_details, is_asked_for
from router.plugin_host.secret_fields import secret_keys
from router.store import DeadLetterFilter, EventAsk, EventQuery
from router.vocabulary import UNSETTLED

COUNTS = ("held", "retrying", "queued", "dead", "beside", "oldest_queued_s", "timers")
"""What a destination's own answer repeats of the ledger."""


COUNTED_LETTERS = 10_000
"""Dead letters that are counted by reason: in an index, 1 ms."""


class Answers:
    """The questions. Names of destinations that are not configured raise CommandRefused `not_found`."""

    def __init__(self, daemon: DaemonPort) -> None:
        self._daemon = daemon

    async def ledger(self) -> dict[str, Any]:
        """Counts that add up, by destination, with mode and state; and what is kept of those that are configured no more."""
        runners = self._daemon.runners
        answer = await self._daemon.store.queries.ledger(list(runners))
        for name, counts in answer["destinations"].items():
            table = runners[name].destination.config
            counts["mode"] = table.mode
            if not table.enabled:
                counts["state"] = "disabled"
            elif (status := runners[name].status).state != "running":  # the store does not know of all that stops one
                counts |= state_of(status)
        return {**answer, "removed": await self._removed()}

    async def destinations(self) -> dict[str, Any]:
        """What is configured and how it is, and what is kept of those that are configured no more."""
        runners = self._daemon.runners
        counts = (await self._daemon.store.queries.ledger(list(runners)))["destinations"]
        described = [await _described(name, runner, counts) for name, runner in runners.items()]
        return {"destinations": described, "removed": await self._removed()}

    async def _removed(self) -> list[dict[str, Any]]:
        kept = await self._daemon.store.output_reports.left_over(list(self._daemon.runners))
        return [{"name": name, **counts} for name, counts in kept.items()]

    async def destination(self, name: str) -> dict[str, Any]:
        """One destination, with the last request that went well and the last that did not."""
        runner = self.runner(name)
        counts = (await self._daemon.store.queries.ledger([name]))["destinations"]
        return {**await _described(name, runner, counts), "last": runner.last_exchanges}

    async def message(self, message_id: str, source: str | None) -> dict[str, Any] | None:
        """The fate of one message at each destination; None when it is unknown."""
        questions, runners = self._daemon.store.queries, self._daemon.runners
        answer = await questions.message(message_id, source, list(runners))
        if answer is None:
            return None
        fates = answer["destinations"]
        for name, told in fates.items():
            runner = runners.get(name)
            pause = pause_of(name, runner.status) if runner is not None else None
            if pause is not None and told["state"] in UNSETTLED:
                told["pause"] = pause
        if is_asked_for(fates):
            call = await questions.stored_call(message_id, source)
            add_details(fates, call, {name: runner.destination.conditions for name, runner in runners.items()})
        return answer

    async def events(self, words: Mapping[str, str], before: int | None, limit: int) -> dict[str, Any]:
        """The newest events of a kind, with their states. `words`: by `event_search.KEYS`. Raises ValueError for one that is none."""
        which = parse_filter(words, list(self._daemon.runners), self._daemon.now_ms)
        return await self.newest(which, before, limit)

    async def stored(self, message_id: str, source: str | None) -> tuple[int, Call | None]:
        """Where a message that is known stands in the log, and the call itself while its body is retained."""
        questions = self._daemon.store.queries
        return await questions.position(message_id, source) or 0, await questions.stored_call(message_id, source)

    async def newest(self, which: EventQuery, before: int | None, limit: int) -> dict[str, Any]:
        """The same for a filter that was read before."""
        return await self._daemon.store.queries.events(which, list(self._daemon.runners), before, limit)

    async def newest_together(self, asks: Sequence[EventAsk]) -> list[dict[str, Any]]:
        """The same for several filters at once: none knows an event that came after the head of the first one."""
        return await self._daemon.store.queries.events_together(asks, list(self._daemon.runners))

    async def held(self, name: str, user: str | None, after: str) -> dict[str, Any]:
        """Users whose events wait for a group, a page at a time, and when each is given up."""
        runner = self.runner(name)
        answer = await self._daemon.store.queries.held(name, parse_user(user) if user else None, after)
        return _with_expiry(answer, runner.destination.config.hold.max_age_s)

    async def dead(self, name: str, which: DeadLetterFilter, after: int | None) -> dict[str, Any]:
        """Dead letters that are kept, a page at a time."""
        return await self._daemon.store.queries.dead(self.runner(name).destination.name, which, after)

    async def configuration(self) -> dict[str, Any]:
        """The file in force with its secrets masked, since when, what a reload now would do, and the last one that was refused."""
        daemon = self._daemon
        refused, plan = daemon.last_refused, await daemon.preview()
        return {
            "path": str(daemon.config.path),
            "since": to_iso(daemon.in_force.since_ms),
            "via": daemon.in_force.via,
            "text": without_secrets(daemon.config.text, self.secret_keys()),
            "refused": {
                "at": to_iso(refused.at_ms),
                "via": refused.via,
                "code": refused.code,
                "errors": refused.problems,
            }
            if refused
            else None,
            "reload": {
                "code": plan.code,
                "errors": plan.problems,
                "changes": plan.changes._asdict() if plan.changes else None,
                "keys": [change._asdict() for change in plan.keys],
            },
        }

    async def key_values(self, key: str) -> list[dict[str, Any]]:
        """What is in force, key by key, secrets masked: of this key and of those below it, or of all for an empty one."""
        running = [runner.destination for runner in self._daemon.runners.values()]
        values = await in_thread(key_values, self._daemon.config, running)  # 0.05 s for 50 destinations
        return shown(below(values, key))

    def secret_keys(self) -> dict[str, frozenset[str]]:
        """The settings that are secrets, of each plugin that runs."""
        running = [runner.destination for runner in self._daemon.runners.values()]
        return {destination.plugin_name: secret_keys(type(destination.settings)) for destination in running}

    async def errors(self, name: str, most: int = failures.NEWEST) -> dict[str, Any]:
        """Why events are dead or retrying, like with like: of so many of the newest of them."""
        found = await self._daemon.store.output_reports.failures(self.runner(name).destination.name, most)
        return failures.described(found, most)

    async def dead_reasons(self, name: str) -> list[dict[str, Any]]:
        """Dead letters by reason."""
        return await self._daemon.store.output_reports.dead_reasons(self.runner(name).destination.name, COUNTED_LETTERS)

    def runner(self, name: str) -> DestinationRunner:
        """A destination that is configured."""
        return runner_of(self._daemon, name)

    async def replay(self, name: str) -> dict[str, Any]:
        """The newest replay of a destination, and how far it is."""
        return await ask(self._daemon, name, lambda runner: runner.describe_replay())


async def _described(name: str, runner: DestinationRunner, counts: Mapping[str, Any]) -> dict[str, Any]:
    """How a destination is configured, how it is, and what waits there."""
    own = counts.get(name, {})
    return {
        **runner.describe(),
        **{count: own.get(count, 0) for count in COUNTS},
        "next_timer_at": own.get("next_timer_at"),
        "waiting": await runner.describe_waiting(),
        "pause": pause_of(name, runner.status),
    }


def _with_expiry(held: dict[str, Any], max_age_s: float) -> dict[str, Any]:
    """Add when each user's oldest held event is given up."""
    max_age = timedelta(milliseconds=int(max_age_s * 1000))
    for user in held["users"]:
        expires = datetime.fromisoformat(user["since"]) + max_age
        user["expires_at"] = expires.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return held
