"""A plugin at the real worker: real store in a temporary file, real queues, gate, batches, retries, state and timers. Only the clock
and the vendor are the test's.

    async with Bench(Greeter, {"token": "T"}) as bench:
        first = await bench.track(event="Hello")                # accepted, and worked off as far as it goes
        assert await bench.fate(first) == ("held", "group_unknown")
        await bench.group(traits={"name": "Acme Inc"})
        assert await bench.fate(first) == ("delivered", "")
        assert bench.requests[0].json() == {"who": "u-1042", "did": "Hello", "company": "Acme Inc"}
"""

from __future__ import annotations

import io
import math
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, closing
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, NamedTuple, Self

import msgspec

from router.clock import to_datetime, to_iso
from router.deliver.runner import ReplayOrder
from router.event import Call
from router.plugin import JSON
from router.testing.around import make_destination
from router.testing.bench_life import Life, open_life
from router.testing.clock import FakeClock
from router.testing.deletions import demand_of, go_on
from router.testing.intake import accept, accepted
from router.testing.new_store import lay_new_store
from router.testing.samples import CALLS
from router.testing.vendor import FakeVendor, Received

__all__ = ["Bench", "Fate"]

LEFT_OUT = ("anonymousId", "messageId", "timestamp")
"""Of the samples: an anonymousId would tie all users of a test together."""
STEP_MS = 250
"""Time is not moved in smaller steps than this."""


class Fate(NamedTuple):
    """What has become of an event: `("delivered", "")`, `("held", "group_unknown")`."""

    state: str
    reason: str


class Bench:
    """One destination with a plugin, and what a test does with it. Each call returns when nothing more moves without time passing."""

    def __init__(
        self,
        plugin: type[Any],
        settings: Mapping[str, JSON] | None = None,
        *,
        follow_consent: bool = False,
        **table: Any,
    ) -> None:
        """As `[[destination]]` would be.

        Args:
            settings: of `[destination.settings]`; secrets as plain text. A URL may be the vendor's own: every request ends at
                `self.vendor`, which is shown the whole URL.
            follow_consent: `[consent] follow` is on: a withdrawal stops what waits.
            table: other keys of the table: `delivery={"rate": "1/m"}`, `mode="dry-run"`, `consent=["ads"]`, `mapping={...}`.
        """
        self._plugin, self._settings = plugin, settings
        self._table: dict[str, Any] = {"follow_consent": follow_consent, **table}
        self.clock = FakeClock()
        self.vendor = FakeVendor(clock=self.clock)  #: script it: `bench.vendor.script(Reply(503))`
        self._lines = io.StringIO()
        self._count = 0
        self._stack, self._lives = AsyncExitStack(), AsyncExitStack()
        self._running: Life | None = None

    async def __aenter__(self) -> Self:
        """Raises ConfigError for a class or settings that the router would refuse."""
        async with AsyncExitStack() as stack:
            self._folder = Path(stack.enter_context(TemporaryDirectory(prefix="segment-router-bench-")))
            await lay_new_store(self._path)
            await stack.enter_async_context(self.vendor)
            stack.push_async_callback(self._lives.aclose)
            await self._start()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    # ------------------------------------------------------------ calls

    async def identify(self, **fields: JSON) -> str:
        """Accept an identify call; see `track`."""
        return await self.call("identify", **fields)

    async def group(self, **fields: JSON) -> str:
        """Accept a group call; see `track`."""
        return await self.call("group", **fields)

    async def track(self, **fields: JSON) -> str:
        """Accept a track call of the sample user (`u-1042`), and work it off. Returns its message id.

        Args:
            fields: in Segment's spelling, in place of the sample's: `userId="u2"`, `event="Hello"`, `properties={...}`.

        Raises:
            ValueError: ingestion refuses it.
        """
        return await self.call("track", **fields)

    async def page(self, **fields: JSON) -> str:
        """Accept a page call; see `track`."""
        return await self.call("page", **fields)

    async def screen(self, **fields: JSON) -> str:
        """Accept a screen call; see `track`."""
        return await self.call("screen", **fields)

    async def alias(self, **fields: JSON) -> str:
        """Accept an alias call; see `track`."""
        return await self.call("alias", **fields)

    async def call(self, type: str, **fields: JSON) -> str:
        """Accept a call of any type; see `track`."""
        (message_id,) = await self.post([{"type": type, **fields}])
        return message_id

    async def post(self, calls: Iterable[Mapping[str, JSON] | bytes]) -> list[str]:
        """Accept several calls at once, as a library posts a batch: what can share a request does. Each has a `type`, and is filled
        up as in `track`; one that is given as JSON stays as it is. Returns their message ids."""
        made = [self._made(call) for call in calls]
        await accept(self._life.acceptor, made)
        await self.rest()
        return [call.message_id for call in made]

    def _made(self, call: Mapping[str, JSON] | bytes) -> Call:
        self._count += 1
        if isinstance(call, bytes):
            return accepted(call, self.clock.ms, new_id=f"m{self._count}")
        sample = {key: value for key, value in CALLS.get(call["type"], {}).items() if key not in LEFT_OUT}
        own = {"messageId": f"m{self._count}", "timestamp": to_iso(self.clock.ms)}
        return accepted({**sample, **own, **call}, self.clock.ms)

    # ------------------------------------------------------------ what came of it

    async def fate(self, message_id: str) -> Fate:
        """State and reason of an event. Raises KeyError if it was not accepted."""
        told = await self.why(message_id)
        return Fate(told["state"], told["reason"])

    async def why(self, message_id: str) -> dict[str, Any]:
        """All that `segment-router why` shows: state, reason, detail, attempts. Secrets are masked in it."""
        name = self._life.destination.name
        answer = await self._life.store.queries.message(message_id, None, [name])
        if answer is None or name not in answer["destinations"]:
            raise KeyError(message_id)
        told: dict[str, Any] = answer["destinations"][name]
        return told

    async def ledger(self) -> dict[str, Any]:
        """How many events are delivered, held, retrying, dead, skipped, filtered, queued."""
        name = self._life.destination.name
        told: dict[str, Any] = (await self._life.store.queries.ledger([name]))["destinations"][name]
        return told

    @property
    def requests(self) -> list[Received]:
        """What arrived at the vendor, in order. Clear it between two parts of a test: `bench.requests.clear()`."""
        return self.vendor.requests

    @property
    def status(self) -> Fate:
        """Of the destination: `("running", "")`, `("paused", "credentials")`."""
        status = self._life.runner.status
        return Fate(str(status.state), status.reason)

    def describe(self) -> dict[str, Any]:
        """All that `segment-router destinations` shows: why it is paused or its breaker open (`state_detail`), since when, and until when
        (`state_until`); what is in flight. Secrets are masked in it."""
        return self._life.runner.describe()

    @property
    def warnings(self) -> Mapping[str, int]:
        """What the plugin warned of, counted since the last start."""
        return self._life.runner.warnings

    @property
    def log(self) -> list[dict[str, Any]]:
        """The lines of the log, oldest first."""
        return [msgspec.json.decode(line) for line in self._lines.getvalue().splitlines()]

    @property
    def plugin(self) -> Any:
        """The instance that runs now."""
        return self._life.destination.instance

    @property
    def now(self) -> datetime:
        """The time of the clock."""
        return self.clock.now()

    def states(self) -> dict[str, JSON]:
        """Keyed state as it is stored, by state key."""
        return {key: msgspec.json.decode(value) for key, value in self._rows("SELECT key, value FROM state")}

    def timers(self) -> dict[str, datetime]:
        """When the timers are due, by state key."""
        return {key: to_datetime(due) for key, due in self._rows("SELECT key, due_at FROM timer ORDER BY due_at")}

    @property
    def _life(self) -> Life:
        if self._running is None:
            raise RuntimeError("the bench is not open: want `async with Bench(...) as bench:` around this")
        return self._running

    @property
    def _path(self) -> Path:
        return self._folder / "router.db"

    def _rows(self, sql: str) -> list[Any]:
        with closing(sqlite3.connect(f"file:{self._life.path}?mode=ro", uri=True)) as db:
            return db.execute(sql).fetchall()

    # ------------------------------------------------------------ deletions

    async def forget(self, *user_ids: str, anonymous_ids: Sequence[str] = ()) -> str:
        """Forget these users, as `segment-router forget USER --tools` does: what is stored of them is erased, what waits is not sent, and
        the plugin asks the vendor to delete them.

        Args:
            anonymous_ids: of the first of them, beside those that calls have joined to the users.

        Returns:
            What `deletion` is asked with.
        """
        also = [f"a:{one}" for one in anonymous_ids]
        return await self._demand("USER_ID", [f"u:{one}" for one in user_ids], also)

    async def forget_group(self, *group_ids: str) -> str:
        """The same for groups: `segment-router forget-group GROUP --tools`."""
        return await self._demand("GROUP_ID", [f"g:{one}" for one in group_ids], [])

    async def deletion(self, id: str) -> Fate:
        """What became of a deletion at the vendor: `("RUNNING", "")`, `("FINISHED", "")`, or `FAILED` and `NOT_SUPPORTED` with the words
        that the operator reads. Raises KeyError for an unknown one."""
        store = self._life.store
        regulation = await store.people.find(id)
        if regulation is None:
            raise KeyError(id)
        regulation = await go_on(regulation, store, self._life.runner, self.clock.ms)
        tool = regulation.tools[self._life.destination.name]
        return Fate(tool.status, tool.words)

    async def _demand(self, subject_type: str, keys: Sequence[str], also: Sequence[str]) -> str:
        if not keys:
            raise ValueError("name at least one user or group")
        self._count += 1
        store, destination = self._life.store, self._life.destination.name
        demand = demand_of(f"deletion-{self._count}", subject_type, keys, also, destination)
        await go_on(await store.people.begin(demand), store, self._life.runner, self.clock.ms)
        await self.rest()
        return demand.id

    # ------------------------------------------------------------ time and trouble

    async def advance(self, seconds: float = 0, *, minutes: float = 0, hours: float = 0, days: float = 0) -> None:
        """Let time pass. Whatever is due meanwhile happens at its time: timers, retries, pauses, time-outs. The router's own chores are
        due, too: a day takes a second or two of the machine. Raises ValueError for a time that is negative or no number."""
        end = self.clock.ms + round(1000 * _span(seconds, minutes, hours, days))
        await self.rest()
        while self.clock.ms < end:
            due = self.clock.next_ms()
            to = end if due is None else min(end, max(due, self.clock.ms + STEP_MS))
            self.clock.advance((to - self.clock.ms) / 1000)
            await self.rest()

    async def rest(self) -> None:
        """Return when nothing more moves without time passing. Needed only after what the test does by itself, such as
        `bench.vendor.release()`. Raises TimeoutError if a hook never ends."""
        await self._life.rest()

    async def restart(self, *, seconds: float = 0, minutes: float = 0, hours: float = 0) -> None:
        """Stop in good order and start again, with a new instance of the plugin. So long it is down. What is in flight is waited for,
        at most its time-out."""
        down = _span(seconds, minutes, hours)
        await self._life.stop()
        await self._start_again(down)

    async def crash(self, *, seconds: float = 0, minutes: float = 0, hours: float = 0) -> None:
        """End the worker in the middle of whatever it does, and start again. What it did not commit is lost: it happens again."""
        down = _span(seconds, minutes, hours)
        await self._life.kill()
        await self._start_again(down)

    async def _start(self) -> None:
        destination = make_destination(self._plugin, self._settings, state_dir=self._folder, **self._table)
        life = open_life(destination, self._path, self.clock, self.vendor, self._lines)
        self._running = await self._lives.enter_async_context(life)
        await self.rest()

    async def _start_again(self, seconds: float) -> None:
        await self._lives.aclose()
        self.clock.advance(seconds)
        await self._start()

    async def pause(self) -> None:
        """Pause the destination, as an operator does."""
        await self._life.runner.pause()
        await self.rest()

    async def resume(self) -> None:
        """Resume it, whatever it was paused for. What waits for a retry is tried at once."""
        await self._life.runner.resume()
        await self.rest()

    async def replay(self) -> None:
        """Send everything again that was accepted so far."""
        await self._life.runner.replay(ReplayOrder(since_ms=1))
        await self.rest()


def _span(seconds: float, minutes: float, hours: float, days: float = 0) -> float:
    """In seconds. Raises ValueError for one that no clock can pass."""
    span = seconds + 60 * minutes + 3600 * hours + 86_400 * days
    if not (math.isfinite(span) and span >= 0):
        raise ValueError(f"the time that passes is {span} s: want 0 or more, and a finite number")
    return span
