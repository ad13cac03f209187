"""A request is done: what its outcomes mean for the destination, and for each event in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

from router.deliver.context import DeliveryContext, DeliveryState
from router.deliver.event_lines import EventLines
from router.deliver.lanes.delivery import Delivery
from router.deliver.lanes.lane import Lane
from router.deliver.process.mapper import FORGET
from router.deliver.send.request_batch import BatchPart, RequestBatch
from router.deliver.send.sender import DELIVERED, Attempt, Ended
from router.deliver.settle.destination_verdict import Verdict, judge
from router.deliver.settle.event_outcomes import EventOutcomes
from router.deliver.settle.last_exchanges import LastExchanges
from router.deliver.settle.status_changes import StatusChanges
from router.event import named_groups
from router.plugin import Delivered, Outcome, Pause, Reject, RetryLater, Split
from router.plugin_host.shortening import both_ends
from router.store import AttemptRow, Tried

SUCCESS = ("delivered", "")
REPLAYED = "replayed"
"""The reason of an attempt that sent a settled event once more."""
MAX_ERROR = 500
"""Bytes of an attempt's error."""


Whole = dict[Tried, list[Delivery]]
"""Events that their requests carried whole, by the attempt that delivered them: requests that go out and come back together are one."""


class Responses:
    """Books requests that are done. Called from the network's callbacks: it never waits."""

    def __init__(
        self,
        context: DeliveryContext,
        state: DeliveryState,
        outcomes: EventOutcomes,
        status: StatusChanges,
        lines: EventLines,
        warn: Callable[[str], None],
    ) -> None:
        self._context, self._outcomes, self._status, self._lines = context, outcomes, status, lines
        self._work, self._lanes, self._run_queue = state.work, state.lanes, state.run_queue
        self._warn = warn
        self._has_state = "state_key" in context.destination.hooks
        self._breaker, self._readiness, self._forgotten = state.breaker, state.readiness, state.forgotten
        self.is_everybody: Callable[[frozenset[str]], bool] = lambda users: False
        self.is_busy: Callable[[], bool] = lambda: False
        self.exchanges = LastExchanges()

    def on_responses(self, ended: Iterable[Ended]) -> Iterator[tuple[RequestBatch, list[Delivery]]]:
        """Book requests. Yields those with events that have something left to send now, and these events in order, before the next
        request is booked."""
        now, whole = self._context.clock.now_ms(), Whole()
        for batch, attempt, outcomes in ended:
            attempt.ended_at = now
            self._context.meter.attempt(attempt.status, outcomes, attempt.duration_ms)
            is_good = _are_all_good(outcomes)
            if not is_good:
                outcomes = [self._without_warning(outcome) for outcome in outcomes]
                is_good = _are_all_good(outcomes)
            self.exchanges.note(attempt, is_good=is_good)
            if is_good and self._says_nothing_else(attempt):
                self._status.forget_waits()
                batch.parts = self._take_whole(batch.parts, attempt, whole)
                if not batch.parts:
                    continue
                outcomes = [DELIVERED] * sum(len(part.items) for part in batch.parts)
            yield batch, self._book(batch.parts, attempt, outcomes)
        if whole:
            self._settle_whole(whole)

    def _book(self, parts: Sequence[BatchPart], attempt: Attempt, outcomes: Sequence[Outcome]) -> list[Delivery]:
        """Book one request in the general way. Returns the events that have something left to send now, in order."""
        users = frozenset(part.delivery.user_key for part in parts)
        verdict = judge(attempt.status, attempt.retry_after_s, outcomes, users, self._breaker.suspects)
        self._breaker.suspects = verdict.suspects
        for health in verdict.health:
            self._status.apply(health, users, self.is_everybody)
        left = self._book_parts(parts, verdict, attempt)
        self._run_queue.wake()  # there may be room for what waits in the log
        return left

    def _without_warning(self, outcome: Outcome) -> Outcome:
        """Counts what the plugin says was odd about a success, which is then one like any other."""
        if outcome is DELIVERED or not isinstance(outcome, Delivered):
            return outcome
        if outcome.warning:
            self._warn(outcome.warning)
        return DELIVERED

    # ------------------------------------------------------------ the quick way

    def _says_nothing_else(self, attempt: Attempt) -> bool:
        """Beside that everything was taken."""
        return attempt.retry_after_s is None and self._breaker.is_calm and not attempt.was_resent

    def _take_whole(self, parts: list[BatchPart], attempt: Attempt, whole: Whole) -> list[BatchPart]:
        """Add the events that this request carried whole, and that nothing is told of but that they were taken. Returns the other
        parts."""
        done = [
            part.delivery
            for part in parts
            if part.items is part.delivery.items
            and ((row := part.delivery.row) is None or not (row.attempts or row.origin))
        ]
        if self._forgotten:
            done = [delivery for delivery in done if not self._is_forgotten(delivery)]
        if done:
            for delivery in done if self._context.log.writes("delivery_attempted") else ():
                self._tell_attempt(delivery, "", attempt)
            whole.setdefault(_tried(attempt), []).extend(done)
        if len(done) == len(parts):
            return []
        taken = set(map(id, done))
        return [part for part in parts if id(part.delivery) not in taken]

    def _settle_whole(self, whole: Whole) -> None:
        self._lines.lines("event_delivered", list(chain.from_iterable(whole.values())), reason="")
        in_flight = self._lanes.in_flight
        for tried, done in whole.items():
            plain = [d.pos for d in done if d.lane is None or (d.row is None and not self._has_state)]
            if plain:
                self._work.settle_live(plain, SUCCESS, tried)
            for delivery in done:
                if delivery.lane is not None:
                    self._settle_in_lane(delivery, delivery.lane, tried)
                    continue
                del in_flight[delivery.log_event.user_key]
                if delivery.announcement is not None:
                    self._outcomes.announce(delivery)

    def _settle_in_lane(self, delivery: Delivery, lane: Lane, tried: Tried) -> None:
        """What else follows in its lane. Without a row and keyed state it is settled by now."""
        lane.finish(delivery)
        if delivery.row is not None or self._has_state:
            self._work.settle(delivery, *SUCCESS, tried)
        self._outcomes.announce(delivery)
        if lane.is_idle:  # no turn is needed to find that nothing of it waits
            self._lanes.let_go(lane)
        else:
            self._run_queue.add(lane, wakes=not self.is_busy())

    # ------------------------------------------------------------ the general way

    def _book_parts(self, parts: Sequence[BatchPart], verdict: Verdict, attempt: Attempt) -> list[Delivery]:
        left = []
        begin, together = 0, len(verdict.outcomes)
        for part in parts:
            end = begin + len(part.items)
            if part.delivery.lane is None:
                self._lanes.take(part.delivery.log_event.user_key)
            if self._is_forgotten(part.delivery):
                self._outcomes.forget(part.delivery)
            elif self._book_part(part, verdict.outcomes[begin:end], together, verdict, attempt):
                left.append(part.delivery)
            begin = end
        return left

    def _is_forgotten(self, delivery: Delivery) -> bool:
        """Whether its person or group was forgotten while it was on its way."""
        if not self._forgotten or delivery.log_event.type == FORGET:  # the deletion itself goes out
            return False
        groups = named_groups(delivery.log_event.body)
        keys = (delivery.user_key, delivery.log_event.user_key, *(f"g:{group}" for group in groups))
        return any(key in self._forgotten and delivery.as_of <= self._forgotten[key] for key in keys)

    def _book_part(
        self, part: BatchPart, outcomes: Sequence[Outcome], together: int, verdict: Verdict, attempt: Attempt
    ) -> bool:
        """What became of one event. True: it has something left to send now."""
        delivery = part.delivery
        assert delivery.items is not None
        assert delivery.lane is not None
        failed = [outcome for outcome in outcomes if not isinstance(outcome, Delivered)]
        has_row = self._book_attempt(delivery, failed[0] if failed else None, verdict, attempt)
        unsent = [item for item, o in zip(part.items, outcomes, strict=True) if not isinstance(o, Delivered)]
        delivery.items = [*unsent, *delivery.items[len(part.items) :]]
        worst = _worst(failed)
        match worst:
            case Reject(reason=reason, detail=detail):
                delivery.fields.attempts += 1
                self._outcomes.bury(delivery, reason, detail)
                return False
            case Pause():
                return True  # no attempt: nothing is burned
            case RetryLater():
                if not verdict.burns_attempt:
                    return True
                self._outcomes.retry(delivery, worst)
                return False
            case Split():
                delivery.max_batch = max(1, together // 2)
                return True
        if delivery.items:
            if delivery.row is not None and delivery.row.is_parked and delivery.row.state is not None:
                self._outcomes.park(delivery, delivery.row.state, "")
            return True
        lane = delivery.lane
        lane.finish(delivery)
        self._outcomes.settle(delivery, *SUCCESS, None if has_row else _tried(attempt))
        self._run_queue.add(lane)
        return False

    def _book_attempt(self, delivery: Delivery, failed: Outcome | None, verdict: Verdict, attempt: Attempt) -> bool:
        """Failures leave a row; so do the success that follows one, and a second sending. True: it left one."""
        reason = getattr(failed, "reason", "")
        if self._context.log.writes("delivery_attempted"):
            self._tell_attempt(delivery, reason, attempt)
        if failed is None and not delivery.attempts and not delivery.origin and not attempt.was_resent:
            return False
        if not verdict.burns_attempt and not self._is_told(delivery):
            return False
        error = attempt.error or both_ends(getattr(failed, "detail", ""), MAX_ERROR)
        if not verdict.burns_attempt and not error and attempt.retry_after_s is not None:
            error = f"it asked for a wait of {attempt.retry_after_s:g} s"
        if attempt.was_resent and not error:
            error = "the idle connection had died: sent once more on a new one"
        if failed is None and delivery.origin:
            reason = REPLAYED
        row = AttemptRow(delivery.as_of, attempt.ended_at, attempt.duration_ms, attempt.status, error, reason)
        self._work.attempt(row)
        return True

    def _is_told(self, delivery: Delivery) -> bool:
        """Whether this 429 leaves a row: the first of an event does, and then one each time their number has doubled. A vendor that
        answers little else would push every other attempt out of the store."""
        delivery.waits += 1
        return delivery.waits & (delivery.waits - 1) == 0

    def _tell_attempt(self, delivery: Delivery, reason: str, attempt: Attempt) -> None:
        self._lines.line(
            "delivery_attempted",
            delivery,
            attempt=delivery.attempts + 1,
            status=attempt.status,
            reason=reason,
            duration_ms=attempt.duration_ms,
        )


def _are_all_good(outcomes: list[Outcome]) -> bool:
    return outcomes.count(DELIVERED) == len(outcomes)


def _tried(attempt: Attempt) -> Tried:
    """What is packed of the attempt that delivered."""
    return Tried(attempt.ended_at, attempt.duration_ms, attempt.status)


def _worst(failed: Sequence[Outcome]) -> Outcome | None:
    """The outcome that decides for an event with several items: refused, then paused, then later, then split."""
    for kind in (Reject, Pause, RetryLater, Split):
        for outcome in failed:
            if isinstance(outcome, kind):
                return outcome
    return None
