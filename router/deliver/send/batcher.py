"""Mapped events wait here for a request, in the order they were mapped.

Three lines wait side by side: live events, retries that are due, and what is released or replayed. Each has its share of
the requests; what one line does not use goes to the others. A request carries items of one kind. Of one event it takes the
first run of items of that kind; the next run goes after the answer. As an event takes its turn only when its user's earlier
ones are done, no user is ever in two requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from typing import Protocol

from router.deliver.context import DeliveryContext
from router.deliver.lanes.delivery import NO_WEIGHT, Delivery
from router.deliver.send.circuit_breaker import CircuitBreaker
from router.deliver.send.delivery_span import CUT, begin_span, end_span
from router.deliver.send.http_client import Client, Fault, Reply
from router.deliver.send.in_flight import InFlight
from router.deliver.send.kind_queue import LINES, LIVE, RELEASE, RETRY, KindQueue
from router.deliver.send.request_batch import RequestBatch, fill, json_bytes
from router.deliver.send.sender import Attempt, Ended, bad_call, call_deliver, per_item, read_result
from router.plugin import Batch, Outcome, Pause, Reject, RetryLater, Split
from router.plugin_host.hook_watch import task_name
from router.plugin_host.whose_code import whose
from router.vocabulary import Line

LIVE_MS = 1_000
"""A part of the requests is kept for live events while one came as shortly ago."""
ITEM_BYTES = {LIVE: 4_000_000, RETRY: 2_000_000, RELEASE: 2_000_000}
"""JSON of the items of each line that wait for a request or are on their way. Beyond it no further event of that line has its turn, but
for one that has begun."""
MOST_ITEM_BYTES = sum(ITEM_BYTES.values())
SENT_BYTES = 8_000_000
"""Bodies of requests on their way: beyond it no further request is started."""
BUSY_EVENTS = 100
"""So many events that wait for a request keep a destination busy until the next round of its worker's loop. A round takes as long as six
requests: one for each lane that has its next turn took a fifth of an event's time."""
STUCK = "it was on its way for longer than all its time-outs: the plugin does not let itself be ended"
SILENT_MS = 200
"""A claim that may not send now is asked again after this."""


class OnResponses(Protocol):
    """Books requests that are done. Yields those with events that have something left to send now, and these events in order, before the
    next request is booked."""

    def __call__(self, ended: Iterable[Ended]) -> Iterable[tuple[RequestBatch, list[Delivery]]]: ...


class Batcher:
    """Forms requests from what is there, up to the destination's concurrency, while its breaker lets them."""

    def __init__(
        self,
        context: DeliveryContext,
        client: Client,
        breaker: CircuitBreaker,
        on_responses: OnResponses,
        wake: Callable[[], None],
    ) -> None:
        self._context, self._client, self._breaker = context, client, breaker
        self._on_responses, self._wake = on_responses, wake
        self._destination = context.destination
        delivery = self._destination.config.delivery
        self._concurrency = delivery.concurrency
        #: whether the destination is still ours when a request that begins now has ended, one way or another
        self._may_send = partial(context.claim.may_send, delivery.timeout_s)
        self._rate = context.rate
        self._queues: dict[str, KindQueue] = {}
        self._flying = InFlight(context.clock, delivery.timeout_s)
        #: in this turn of the event loop, not booked yet
        self._answered: list[tuple[RequestBatch, Attempt, Reply | Fault]] = []
        self._item_bytes = dict.fromkeys(Line, 0)  #: JSON of what waits and is on its way
        self._all_item_bytes = 0  #: the same, of all lines
        self._least_bound = min(ITEM_BYTES.values())  #: below it no line is full
        self._live_at = -LIVE_MS  #: when a live event came last (ms), as it was noticed
        self._has_live = False  #: one came since then
        self._lingers = any(batch.linger_s for batch in self._destination.kinds.values())
        #: much waits for requests: who has more can wait for the next round of the worker's loop. It is woken when nothing waits any more
        self.is_busy = False
        self._is_closed = False
        self._is_silent = False  #: a request that begins now could not end while the destination is surely ours
        self.fault: BaseException | None = None  #: met while a response was booked: the worker has to begin anew

    # ------------------------------------------------------------ what waits

    @property
    def in_flight(self) -> int:
        """Requests on their way."""
        return len(self._flying.batches)

    @property
    def waiting(self) -> int:
        """Events that wait for a request."""
        return sum(map(len, self._queues.values()))

    def is_full(self, line: Line) -> bool:
        """Whether no further event of this line may be mapped, or read with its items, before a request is done."""
        return self._item_bytes[line] >= ITEM_BYTES[line] or self._all_item_bytes >= MOST_ITEM_BYTES

    def _is_any_full(self) -> bool:
        return any(map(self.is_full, LINES))

    def room(self, line: Line) -> int:
        """Bytes of items of this line that may still be mapped; 0 where it is full."""
        return max(0, min(ITEM_BYTES[line] - self._item_bytes[line], MOST_ITEM_BYTES - self._all_item_bytes))

    @property
    def has_fresh(self) -> bool:
        """Whether an event waits that never failed, of a user that has not failed since the last success."""
        lines = (line for queue in self._queues.values() for line in queue.lines.values())
        return any(self._is_fresh(delivery) for line in lines for delivery in line)

    def is_only(self, users: frozenset[str]) -> bool:
        """Whether nobody but these users has anything waiting or on its way."""
        waiting = (d for queue in self._queues.values() for line in queue.lines.values() for d in line)
        flying = (part.delivery for batch in self._flying.batches for part in batch.parts)
        return all(d.user_key in users for d in chain(flying, waiting))

    def add(self, delivery: Delivery, line: Line, *, first: bool = False) -> None:
        """Queue an event by the kind of its first item; `first`: before all others (it was there already)."""
        items = delivery.items
        assert items
        kind = items[0].kind
        queue = self._queues.get(kind)
        if queue is None:
            queue = self._queues[kind] = KindQueue()
        self._has_live |= line is LIVE
        size = json_bytes(items)
        delivery.weight = (line, size)
        self._item_bytes[line] += size
        self._all_item_bytes += size
        delivery.close()
        if self._lingers and not queue:
            queue.since = self._context.clock.now_ms()
        if first:
            queue.lines[line].appendleft(delivery)
        else:
            queue.lines[line].append(delivery)

    def add_mapped(self, deliveries: Sequence[Delivery]) -> None:
        """Queue live events that were mapped, in their order. Each has its weight."""
        if not deliveries:
            return
        if self._lingers or len(self._destination.kinds) > 1:
            for delivery in deliveries:
                self.add(delivery, LIVE)
            return
        kind, size = next(iter(self._destination.kinds)), 0
        for delivery in deliveries:
            size += delivery.weight[1]
            if delivery.announcement is None:  # as `Delivery.close` does
                delivery.event = None
        self._has_live = True
        self._item_bytes[LIVE] += size
        self._all_item_bytes += size
        if kind not in self._queues:
            self._queues[kind] = KindQueue()
        self._queues[kind].lines[LIVE].extend(deliveries)

    def queued(self, users: Container[str], *, anonymous: bool) -> list[Delivery]:
        """What waits for a request of these users, and, where that is said, of all who have only an anonymousId."""
        lines = (line for queue in self._queues.values() for line in queue.lines.values())
        return [
            delivery
            for line in lines
            for delivery in line
            if delivery.user_key in users or (anonymous and delivery.user_key.startswith("a:"))
        ]

    def take_out(self, delivery: Delivery) -> bool:
        """This event waits for a request no longer. False: it did not, it is on its way, say."""
        for queue in self._queues.values():
            for line in queue.lines.values():
                if delivery in line:
                    line.remove(delivery)
                    self._lift(delivery)
                    return True
        return False

    # ------------------------------------------------------------ out

    def pump(self) -> int | None:
        """Start every request that may start now. Returns when to look again for one that waits for its time (ms)."""
        look_again: int | None = None
        if self._is_closed:
            return None
        self._is_silent = not self._may_send()  # asked again behind each hook, which may take long
        watch = self._destination.watch
        for kind, queue in self._queues.items():
            limits = self._destination.kinds.get(kind) or Batch()
            while self._may_start(kind, limits) and (lines := self._waiting_lines(queue)):
                if watch.is_over:  # making requests took long: everybody else has a turn before the next one
                    return self._context.clock.now_ms()
                at = self._not_before(queue, limits) if self._lingers or self._rate is not None else None
                if at is not None:
                    look_again = at if look_again is None else min(at, look_again)
                    break
                self._start(self._pack(kind, queue, queue.in_turn(lines), limits))
        if self._is_silent and self.waiting:
            return self._context.clock.now_ms() + SILENT_MS
        return look_again

    def _may_start(self, kind: str, limits: Batch) -> bool:
        in_flight = len(self._flying.batches)
        if in_flight >= self._concurrency or self._flying.sent >= SENT_BYTES or self._is_silent:
            return False
        if limits.concurrency and self._flying.by_kind.get(kind, 0) >= limits.concurrency:
            return False
        breaker = self._breaker
        return breaker.is_running or breaker.may_send(in_flight) or self._may_probe_for_others()

    def _may_probe_for_others(self) -> bool:
        """A breaker that one or two users opened does not make the others wait."""
        if not self._breaker.is_opened_by_few or self._flying.batches:
            return False
        return any(
            not self._breaker.failed_recently(d.user_key)
            for queue in self._queues.values()
            for line in queue.lines.values()
            for d in line
        )

    def _not_before(self, queue: KindQueue, limits: Batch) -> int | None:
        """When the next request of this kind may start, if not now: a batch lingers, or the rate allows none."""
        if limits.linger_s and len(queue) < limits.max_items and not self._is_any_full():
            ripe_at = queue.since + int(limits.linger_s * 1000)
            if ripe_at > self._context.clock.now_ms():
                return ripe_at
        if self._rate is not None and not self._rate.try_take():
            # It waits here and not on its way: a pause must still find it, and a batch may grow.
            return self._context.clock.now_ms() + self._rate.wait_ms()
        return None

    def _pack(self, kind: str, queue: KindQueue, lines: list[Line], limits: Batch) -> RequestBatch:
        room_items = limits.max_items
        if not self._breaker.is_running:
            lines = self._probe_first(queue, lines)
            room_items = 1
        batch = RequestBatch(kind, lines[0], [])
        fill(batch, [queue.lines[line] for line in lines], room_items, limits)
        if self._lingers and queue:
            queue.since = self._context.clock.now_ms()
        return batch

    def _waiting_lines(self, queue: KindQueue) -> list[Line]:
        """The lines that wait and may have a request."""
        lines = queue.waiting_lines()
        if RELEASE in lines and self._leaves_out_releases():
            lines.remove(RELEASE)
        return lines

    def _leaves_out_releases(self) -> bool:
        """Released events leave a quarter of the requests to live ones and retries, while such come."""
        if self._concurrency == 1:
            return False
        now = self._context.clock.now_ms()
        if self._has_live:
            self._live_at, self._has_live = now, False
        if now - self._live_at >= LIVE_MS:
            return False
        return self._flying.releases >= self._concurrency - max(1, self._concurrency // 4)

    def _probe_first(self, queue: KindQueue, lines: list[Line]) -> list[Line]:
        """A probe should not be one of the events that may be the trouble: take a user that has not failed since, at best
        with an event that never failed."""
        for is_good in (self._is_fresh, lambda d: not self._breaker.failed_recently(d.user_key)):
            for name in lines:
                line = queue.lines[name]
                for index, delivery in enumerate(line):
                    if is_good(delivery):
                        del line[index]
                        line.appendleft(delivery)
                        return [name, *(other for other in lines if other is not name)]
        return lines

    def _is_fresh(self, delivery: Delivery) -> bool:
        return not delivery.attempts and not self._breaker.failed_recently(delivery.user_key)

    # ------------------------------------------------------------ on their way

    def _start(self, batch: RequestBatch) -> None:
        attempt = Attempt(self._destination, self._client, self._context.clock, self._rate, is_paid=True)
        if self._context.tracing is not None:
            deliveries = [part.delivery for part in batch.parts]
            batch.span = begin_span(self._context.tracing, self._destination.name, batch.line, deliveries)
        self._flying.enter(batch)
        if "deliver" in self._destination.hooks:
            work = self._deliver(batch, attempt)
            name = task_name("deliver", self._destination.name, batch.parts[0].delivery.log_event.message_id)
            batch.exchange = asyncio.create_task(work, name=name)
            return
        watch = self._destination.watch
        watch.begin("request", batch.parts[0].delivery.log_event.message_id)
        try:
            request = self._destination.hooks["request"](batch.fresh_items())
            if self._is_closed:  # the hook took so long that its thread was left behind
                return
            if not self._may_send():  # or so long that somebody else may have the destination
                self._is_silent = True
                self._put_back(batch)
                return
            attempt.note(request)
            batch.began = self._context.clock.monotonic()  # without the time of the hook
            self._flying.count_sent(batch.flight, attempt.body_bytes)
            batch.exchange = self._client.start(request, partial(self._received, batch, attempt))
        except (Reject, RetryLater, Pause, Split) as outcome:
            self._not_sent(batch, attempt, outcome)
        except BaseException as error:  # whatever a hook raises that runs in one go is its own
            self._not_sent(batch, attempt, bad_call(self._destination, "request", error, len(batch.items)))
        finally:
            watch.end()

    def _put_back(self, batch: RequestBatch) -> None:
        """It waits for a request again, at the head of its line."""
        self._flying.leave(batch)
        if batch.span is not None:
            batch.span.end(CUT)
        for part in reversed(batch.parts):
            self._lift(part.delivery)
            self.add(part.delivery, batch.line, first=True)

    def _not_sent(self, batch: RequestBatch, attempt: Attempt, told: Outcome) -> None:
        """The plugin made no request. Its outcome is booked in a moment: never from inside the start of a request."""
        outcomes = per_item(self._destination, told, len(batch.items))
        asyncio.get_running_loop().call_soon(self._finish, [Ended(batch, attempt, outcomes)])

    async def _deliver(self, batch: RequestBatch, attempt: Attempt) -> None:
        whose.set(self._destination.name)
        flight = batch.flight
        attempt.is_cut = lambda: flight.is_over
        attempt.may_send = self._may_send
        attempt.on_sent = partial(self._flying.count_sent, flight)
        outcomes = await call_deliver(self._destination, batch.fresh_items(), attempt)
        if attempt.request is None:  # it sends in a way of its own: to a file, say
            attempt.duration_ms = self._flying.lasted_ms(batch)
        self._finish([Ended(batch, attempt, outcomes)])

    def _received(self, batch: RequestBatch, attempt: Attempt, result: Reply | Fault) -> None:
        """All answers of a turn of the loop are booked together. Of a busy destination that is nearly all of its requests."""
        attempt.duration_ms = self._flying.lasted_ms(batch)
        if not self._answered:
            asyncio.get_running_loop().call_soon(self._book_answered)
        self._answered.append((batch, attempt, result))

    def _book_answered(self) -> None:
        answered, self._answered = self._answered, []
        destination = self._destination
        self._finish(
            Ended(batch, attempt, read_result(destination, batch.fresh_items(), attempt, result))
            for batch, attempt, result in answered
            if not batch.flight.is_over  # it was cut meanwhile
        )

    def _finish(self, ended: Iterable[Ended]) -> None:
        was_full = self._all_item_bytes >= self._least_bound and self._is_any_full()
        try:
            for batch, left in self._on_responses(self._leaving(ended)):
                for delivery in reversed(left):
                    self.add(delivery, batch.line, first=True)  # they keep their order at the head of their line
            if self._destination.watch.is_over or self.pump() is not None or was_full or self._has_run_dry():
                self._wake()
        except BaseException as error:  # who called would drop it, and these events would be in flight for ever
            self.fault = self.fault or error
            self._wake()

    def _has_run_dry(self) -> bool:
        """Whether nothing waits any more, after much did."""
        waiting, was_busy = self.waiting, self.is_busy
        self.is_busy = waiting >= BUSY_EVENTS or (was_busy and waiting > 0)
        return was_busy and not self.is_busy

    def _leaving(self, ended: Iterable[Ended]) -> Iterator[Ended]:
        """Each of these is on its way until its turn to be booked comes: one that fails is asked who else is there."""
        for one in list(ended):  # all verdict hooks first: one that hangs leaves no answer half booked
            if not self._flying.leave(one.batch):
                continue  # it was cut meanwhile
            if one.batch.span is not None:
                end_span(one.batch.span, one.attempt, one.outcomes)
            for part in one.batch.parts:
                self._lift(part.delivery)
            yield one

    @property
    def overdue_at(self) -> int | None:
        """When the request that has been on its way for the longest counts as stuck (ms)."""
        return self._flying.overdue_at

    def end_stuck(self) -> list[RequestBatch]:
        """End what is stuck: its events are tried again. Returns these requests."""
        stuck = self._flying.stuck()
        for batch in stuck:
            exchange = batch.exchange
            attempt = Attempt(self._destination, self._client, self._context.clock, error=STUCK)
            self._finish([Ended(batch, attempt, [RetryLater("timeout", STUCK)] * len(batch.items))])
            if exchange is not None:
                exchange.cancel()
        return stuck

    def _lift(self, delivery: Delivery) -> None:
        """It waits no longer, and is on its way no longer."""
        line, size = delivery.weight
        self._item_bytes[line] -= size
        self._all_item_bytes -= size
        delivery.weight = NO_WEIGHT

    # ------------------------------------------------------------ the end

    def abandon(self) -> None:
        """From another thread, for one whose loop a hook holds: nothing more is sent, and no answer is booked."""
        self._is_closed = True
        self._flying.abandon()

    def cut(self) -> None:
        """Cut everything that is in flight, and start nothing more. What is cut has no answer, and is repeated later."""
        self._is_closed = True
        self._flying.cut()

    async def drain(self, deadline_s: float) -> None:
        """Start nothing more and wait for what is in flight; what has no answer by the deadline is cut."""
        self._is_closed = True
        try:
            async with asyncio.timeout(deadline_s):
                await self._flying.until_idle()
        except TimeoutError:
            self.cut()
