"""What operators change: the same functions, checks and lines of the log for the JSON API and for the console. No HTTP here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from router.admin import orders
from router.admin.answers import Answers
from router.admin.asking import ask
from router.admin.daemon_port import DaemonPort
from router.admin.demands import demand_of
from router.deliver.commands import Changed
from router.deliver.operations import Shown
from router.deliver.runner_port import DestinationRunner
from router.errors import CommandRefused
from router.event import Call, parse_user
from router.explain import event_phrases
from router.logger import Log, to_paste
from router.plugin_host import Destination
from router.store import Regulation, Status
from router.trial import SAMPLE_KNOWN, Checked, Trials

T = TypeVar("T")

MAX_WORDS = 200
"""Characters of the reason of a pause."""


class Actions:
    """The commands. Names of destinations that are not configured raise CommandRefused `not_found`. Each command writes one line of
    the log, `operator_acted`, once it is carried out."""

    def __init__(self, daemon: DaemonPort, log: Log, via: str) -> None:
        """`via`: who speaks for the operator, `api` or `console`."""
        self._daemon, self._log, self._via = daemon, log, via
        self._answers = Answers(daemon)
        self._trials = Trials(daemon.plugin_threads)
        self.checks: dict[str, tuple[int, Checked]] = {}  #: the newest test of each destination, and when (ms)

    async def pause(self, name: str, words: Any = None) -> Status:
        """Send nothing until resumed. `words`: why."""
        destination = self._answers.runner(name).destination
        if words is not None and not isinstance(words, str):
            raise CommandRefused("invalid_request", "`reason` must be text")
        said = " ".join((words or "").split())
        if len(said) > MAX_WORDS or not said.isprintable():
            raise CommandRefused("invalid_request", f"`reason` must be one line of at most {MAX_WORDS} characters")
        said = destination.redact(said)
        changed = await self._ask(name, lambda runner: runner.pause(said))
        self._note(name, "pause", **({"detail": said} if said else {}))
        return changed.now

    async def resume(self, name: str) -> Changed:
        """End a pause of any reason. Returns the states before and after."""
        self._answers.runner(name)
        self._daemon.unmark(name)
        changed = await self._ask(name, lambda runner: runner.resume())
        self._note(name, "resume")
        return changed

    async def test(self, name: str) -> Checked:
        """Try the credentials as `destinations test` does, with an instance and a thread of its own. No event is sent."""
        destination = self._answers.runner(name).destination
        missing = [w for w in self._daemon.config.warnings if w.where == name and w.event == "secret_missing"]
        words = "; ".join(f"{warning.key}: {warning.words}" for warning in missing)
        checked = await self._trials.check(destination, words)
        self.checks[name] = self._daemon.now_ms, checked
        self._note(name, "test", reason=checked.result)
        return checked

    async def try_recent(
        self, name: str, most: int, proposed: Destination | None = None
    ) -> tuple[list[tuple[Call, str, str]], list[dict[str, Any]]]:
        """The newest events with what became of them, and what would become of each today, or with a `proposed` configuration of the
        destination, its user and group known. Nothing is sent, stored or logged. Raises CommandRefused `busy`, `timeout` or
        `plugin_error`."""
        destination = proposed or self._answers.runner(name).destination
        events = await self._daemon.store.output_reports.newest_calls(name, most)
        return events, await self._trials.decide([call for call, _, _ in events], destination, SAMPLE_KNOWN)

    async def release(self, name: str, user: Any, group: Any = None) -> int:
        """Let a user's held events go: if they may by now, or on behalf of `group` ({"id", "name", ...}). Returns how many."""
        _, key = self._answers.runner(name), _user_key(user)
        if group is not None and not _is_group(group):
            raise CommandRefused("invalid_request", 'a group is {"id": "...", "name": "..."}')
        try:
            released = await self._ask(name, lambda runner: runner.release(key, group))
        except CommandRefused as refused:
            if refused.code == "requirements_missing" and group is None:
                raise CommandRefused(refused.code, f"{refused}{await _call_of(self._answers, name, user)}") from None
            raise
        self._note(name, "release", events=released)
        return released

    async def drop_held(self, name: str, user: Any, shown: Shown | None = None) -> int:
        """Make a user's held events dead letters, with `shown` those only. Returns how many."""
        _, key = self._answers.runner(name), _user_key(user)
        dropped = await self._ask(name, lambda runner: runner.drop(key, shown))
        self._note(name, "drop_held", events=dropped)
        return dropped

    async def replay(self, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Send again what these words say (`orders.KEYS`), or tell how many events that would be. The answer has `count`."""
        self._answers.runner(name)
        order = await orders.order_of(self._daemon, given)
        answer = await self._ask(name, lambda runner: runner.replay(order))
        if not order.count_only:
            self._note(name, "replay", events=answer["count"])
        return answer

    async def stop_replay(self, name: str) -> dict[str, Any]:
        """Queue no more events. Those already queued are still sent."""
        told = await self._ask(name, lambda runner: runner.stop_replay())
        self._note(name, "stop_replay")
        return told

    async def drop_dead(self, name: str, given: Mapping[str, Any]) -> int:
        """Drop dead letters for good (`orders.OF_LETTERS`). Their events stay dead. Returns how many."""
        self._answers.runner(name)
        orders.check_words(given, orders.OF_LETTERS)
        pos = await orders.position_of(self._daemon, given)
        which = orders.letters_of(given, self._daemon.now_ms)
        dropped = await self._ask(name, lambda runner: runner.drop_letters(which, pos))
        self._note(name, "drop_dead", events=dropped)
        return dropped

    async def drop_destination(self, name: str) -> dict[str, int]:
        """Drop all that is kept of a destination that is not configured. Raises CommandRefused `configured`, `unknown`."""
        dropped = await self._daemon.drop(name)
        self._note(name, "drop_destination", events=sum(dropped.values()))
        return dropped

    async def forget(self, body: Mapping[str, Any]) -> Regulation:
        """Forget people or groups, or suppress people (`demands.demand_of`). The answer comes when nothing of them is sent any more. The log does not
        say whom. Raises CommandRefused `invalid_request`, `busy`, `store_full`."""
        regulation = await self._daemon.regulate(demand_of(body, tuple(self._daemon.runners)))
        self._log.emit("operator_acted", action="forget", via=self._via, regulation=regulation.id)
        return regulation

    async def _ask(self, name: str, what: Callable[[DestinationRunner], Awaitable[T]]) -> T:
        return await ask(self._daemon, name, what)

    def _note(self, name: str, action: str, **more: Any) -> None:
        self._log.emit("operator_acted", destination=name, action=action, via=self._via, **more)


async def _call_of(answers: Answers, name: str, user: str) -> str:
    """What is to be said of a group call that came and does not count, after the words that one is waited for."""
    rows = (await answers.held(name, user, ""))["users"]
    if not rows or not (refused := event_phrases.refused(rows[0])):
        return ""
    advice, verb = event_phrases.mend_refused(name, rows[0]) or ("", "")
    return f": {refused}; {advice}" + (f": `{to_paste(verb)}`" if verb else "")


def _user_key(user: Any) -> str:
    if not isinstance(user, str) or not user:
        raise CommandRefused("invalid_request", 'name the user: {"user": "u1"}')
    return parse_user(user)


def _is_group(value: Any) -> bool:
    if not isinstance(value, Mapping) or not isinstance(value.get("id"), str) or not value["id"]:
        return False
    return value.get("name") is None or isinstance(value["name"], str)
