"""The state of a destination: running, paused by whom and until when, breaker open and its probes."""

from __future__ import annotations

import pytest

from router.deliver.send.backoff import ASKED_CAP_S
from router.deliver.send.circuit_breaker import PAUSE_PROBE_MS, CircuitBreaker
from router.plugin import Pause
from router.store import Status
from router.testing.clock import START_MS, FakeClock

ASKED_CAP_MS = int(ASKED_CAP_S * 1000)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def breaker(clock: FakeClock) -> CircuitBreaker:
    return CircuitBreaker(Status(), clock)


def fail(breaker: CircuitBreaker, times: int, users: int = 3) -> None:
    for n in range(times):
        breaker.failed({f"u:{n % users}"}, "status_503")


def state_of(breaker: CircuitBreaker) -> tuple[str, str]:
    return breaker.status.state, breaker.status.reason


# ------------------------------------------------------------ breaker


def test_a_new_destination_runs(breaker: CircuitBreaker) -> None:
    assert breaker.is_running
    assert breaker.may_send(1000)
    assert breaker.wake_at() is None


def test_an_open_breaker_says_what_the_last_request_met(breaker: CircuitBreaker, clock: FakeClock) -> None:
    for n in range(10):
        breaker.failed({f"u:{n}"}, "tls", "self-signed certificate")
    assert breaker.status.detail == "self-signed certificate"
    clock.advance(2.0)
    breaker.failed({"u:1"}, "connection", "connection refused")
    assert (breaker.status.reason, breaker.status.detail) == ("connection", "connection refused")


@pytest.mark.parametrize(("times", "users", "opens"), [(9, 3, False), (10, 3, True), (50, 2, False), (10, 10, True)])
def test_the_breaker_opens_after_ten_failures_from_three_users(
    breaker: CircuitBreaker, times: int, users: int, opens: bool
) -> None:
    fail(breaker, times, users)
    assert state_of(breaker) == (("breaker_open", "status_503") if opens else ("running", ""))


def test_a_success_among_the_failures_starts_the_count_anew(breaker: CircuitBreaker) -> None:
    fail(breaker, 9)
    breaker.succeeded()
    fail(breaker, 9)
    assert breaker.is_running


def test_users_who_failed_before_a_success_count_no_more(breaker: CircuitBreaker) -> None:
    fail(breaker, 9, users=9)
    breaker.succeeded()
    fail(breaker, 20, users=1)
    assert breaker.is_running


def test_users_who_failed_before_somebody_resumed_it_count_no_more(breaker: CircuitBreaker) -> None:
    fail(breaker, 10)
    breaker.resume()
    fail(breaker, 20, users=1)
    assert breaker.is_running


def test_an_open_breaker_lets_one_probe_through_when_its_time_has_come(
    breaker: CircuitBreaker, clock: FakeClock
) -> None:
    fail(breaker, 10)
    assert not breaker.may_send(0)
    clock.advance(1)
    assert breaker.may_send(0)
    assert not breaker.may_send(1)


def test_probes_come_after_one_second_doubling_to_sixty(breaker: CircuitBreaker, clock: FakeClock) -> None:
    fail(breaker, 10)
    waits = []
    for _ in range(9):
        waits.append((breaker.status.until - clock.ms) / 1000)
        clock.ms = breaker.status.until
        breaker.failed({"u:1"}, "timeout")
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_failed_probe_keeps_the_time_since_when_it_is_open(breaker: CircuitBreaker, clock: FakeClock) -> None:
    fail(breaker, 10)
    clock.advance(1)
    assert breaker.failed({"u:1"}, "timeout") is False
    assert breaker.status.since == START_MS
    assert state_of(breaker) == ("breaker_open", "timeout")


def test_a_probe_that_succeeds_closes_the_breaker_and_the_next_one_opens_with_short_probes(
    breaker: CircuitBreaker, clock: FakeClock
) -> None:
    fail(breaker, 10)
    for _ in range(5):
        clock.advance(60)
        breaker.failed({"u:1"}, "timeout")
    assert breaker.succeeded() is True
    assert breaker.is_running
    fail(breaker, 10)
    assert breaker.status.until - clock.ms == 1000


def test_a_breaker_opened_again_after_a_resume_by_hand_begins_with_short_probes(
    breaker: CircuitBreaker, clock: FakeClock
) -> None:
    fail(breaker, 10)
    for _ in range(5):
        clock.advance(60)
        breaker.failed({"u:1"}, "timeout")
    breaker.resume()
    fail(breaker, 10)
    assert breaker.status.until - clock.ms == 1000


@pytest.mark.parametrize(("users", "is_opened"), [(1, True), (2, True), (3, False)])
def test_a_breaker_that_every_user_there_is_has_opened_says_so_while_they_are_few(
    breaker: CircuitBreaker, users: int, is_opened: bool
) -> None:
    for n in range(10):
        breaker.failed({f"u:{n % users}"}, "status_503", is_everybody=True)
    assert state_of(breaker) == ("breaker_open", "status_503")
    assert breaker.is_opened_by_few is is_opened


def test_few_users_open_it_only_while_nobody_else_has_anything_to_send(breaker: CircuitBreaker) -> None:
    for n in range(50):
        breaker.failed({f"u:{n % 2}"}, "status_503", is_everybody=False)
    assert breaker.is_running
    assert not breaker.is_opened_by_few
    breaker.failed({"u:1"}, "status_503", is_everybody=True)
    assert not breaker.is_running


def test_it_is_calm_only_while_nothing_failed_and_nobody_is_suspected(breaker: CircuitBreaker) -> None:
    assert breaker.is_calm
    breaker.suspects = frozenset({"u:1"})
    assert not breaker.is_calm
    breaker.succeeded()
    assert breaker.is_calm
    fail(breaker, 1)
    assert not breaker.is_calm
    breaker.succeeded()
    breaker.wait(30)
    assert not breaker.is_calm


def test_what_was_on_its_way_when_it_opened_is_no_probe(breaker: CircuitBreaker) -> None:
    fail(breaker, 10)
    before = breaker.status
    fail(breaker, 20)
    assert breaker.status == before


def test_a_vendors_wait_that_a_probe_meets_sets_the_time_of_the_next_one(
    breaker: CircuitBreaker, clock: FakeClock
) -> None:
    breaker.pause(Pause("credentials"))
    clock.ms = breaker.status.until
    assert breaker.wait(3600) is False
    assert state_of(breaker) == ("paused", "credentials")
    assert breaker.status.until == clock.ms + 3_600_000


def test_a_failed_probe_of_a_pause_is_followed_by_another_after_five_minutes(
    breaker: CircuitBreaker, clock: FakeClock
) -> None:
    breaker.pause(Pause("credentials", "words"))
    since, clock.ms = breaker.status.since, breaker.status.until
    breaker.failed({"u:1"}, "timeout")
    assert (state_of(breaker), breaker.status.detail) == (("paused", "credentials"), "words")
    assert (breaker.status.since, breaker.status.until) == (since, clock.ms + PAUSE_PROBE_MS)


# ------------------------------------------------------------ the clock of retries


def test_the_clock_of_retries_stands_while_the_destination_does(breaker: CircuitBreaker, clock: FakeClock) -> None:
    before = breaker.running_ms()
    clock.advance(5)
    breaker.wait(30)
    clock.advance(12)
    assert breaker.running_ms() == before + 5_000
    clock.advance(18)
    breaker.tick()
    clock.advance(7)
    assert breaker.running_ms() == before + 12_000


def test_the_clock_of_retries_stands_from_one_kind_of_stop_to_the_next(
    breaker: CircuitBreaker, clock: FakeClock
) -> None:
    before = breaker.running_ms()
    fail(breaker, 10)
    clock.advance(1)
    breaker.failed({"u:1"}, "timeout")
    clock.advance(10)
    breaker.pause_by_hand()
    clock.advance(100)
    breaker.resume()
    clock.advance(3)
    assert breaker.running_ms() == before + 3_000


def test_the_clock_of_retries_goes_on_where_it_was_after_a_restart(breaker: CircuitBreaker, clock: FakeClock) -> None:
    breaker.wait(30)
    clock.advance(10)
    stood = breaker.running_ms()
    later = CircuitBreaker(breaker.status, clock)
    clock.advance(15)
    assert later.running_ms() == stood


def test_users_who_failed_are_known_as_such(breaker: CircuitBreaker) -> None:
    fail(breaker, 10)
    assert breaker.failed_recently("u:1")
    assert not breaker.failed_recently("u:9")


# ------------------------------------------------------------ pauses


@pytest.mark.parametrize(
    ("asked_s", "waited_ms"),
    [(30, 30_000), (0.5, 500), (0, 1), (0.0001, 1), (86_400, 86_400_000), (86_401, ASKED_CAP_MS), (1e12, ASKED_CAP_MS)],
)
def test_a_vendors_wait_lasts_as_long_as_asked_within_a_day(
    breaker: CircuitBreaker, clock: FakeClock, asked_s: float, waited_ms: int
) -> None:
    assert breaker.wait(asked_s) is True
    assert state_of(breaker) == ("paused", "retry_after")
    assert breaker.wake_at() == START_MS + waited_ms
    clock.ms += waited_ms - 1
    assert breaker.tick() is False
    clock.ms += 1
    assert breaker.tick() is True
    assert breaker.is_running


@pytest.mark.parametrize("asked_s", [float("inf"), float("nan"), -1.0])
def test_a_vendors_absurd_wait_is_bounded(breaker: CircuitBreaker, asked_s: float) -> None:
    breaker.wait(asked_s)
    assert breaker.status.until <= START_MS + ASKED_CAP_MS


@pytest.mark.parametrize(("asked_s", "words"), [(86_400, ""), (172_800, "it asked for a wait of 172800 s")])
def test_a_wait_that_is_cut_is_told(breaker: CircuitBreaker, asked_s: float, words: str) -> None:
    breaker.wait(asked_s)
    assert breaker.status.detail.startswith(words)
    assert bool(breaker.status.detail) is bool(words)


def test_a_vendors_wait_is_not_probed(breaker: CircuitBreaker, clock: FakeClock) -> None:
    breaker.wait(30)
    clock.advance(31)
    assert not breaker.may_send(0)


def test_a_longer_wait_replaces_a_shorter_one_and_never_the_other_way(breaker: CircuitBreaker) -> None:
    breaker.wait(30)
    breaker.wait(60)
    assert breaker.status.until == START_MS + 60_000
    assert breaker.wait(10) is False
    assert breaker.status.until == START_MS + 60_000


@pytest.mark.parametrize("reason", ["credentials", "set_up"])
def test_a_wrong_key_or_set_up_is_probed_every_five_minutes(
    breaker: CircuitBreaker, clock: FakeClock, reason: str
) -> None:
    assert breaker.pause(Pause(reason, "words")) is True
    assert (state_of(breaker), breaker.status.detail) == (("paused", reason), "words")
    for _ in range(3):
        assert not breaker.may_send(0)
        clock.ms += PAUSE_PROBE_MS
        assert breaker.tick() is False
        assert breaker.may_send(0)
        assert not breaker.may_send(1)
        assert breaker.pause(Pause(reason)) is False  # the same again
    assert breaker.succeeded() is True
    assert breaker.is_running


def test_a_plugins_own_reason_to_pause_is_kept_and_probed_for_like_a_wrong_set_up(
    breaker: CircuitBreaker, clock: FakeClock
) -> None:
    breaker.pause(Pause("quota_used_up"))
    assert state_of(breaker) == ("paused", "quota_used_up")
    assert not breaker.may_send(0)
    clock.ms += PAUSE_PROBE_MS
    assert breaker.tick() is False
    assert breaker.may_send(0)
    assert breaker.succeeded() is True
    assert breaker.is_running


@pytest.mark.parametrize("reason", ["by_hand", "retry_after", "internal", ""])
def test_a_plugin_that_takes_a_word_of_the_router_for_its_reason_is_a_matter_of_set_up(
    breaker: CircuitBreaker, reason: str
) -> None:
    breaker.pause(Pause(reason))
    assert state_of(breaker) == ("paused", "set_up")
    assert breaker.probes


@pytest.mark.parametrize(("after_s", "waited_ms"), [(None, PAUSE_PROBE_MS), (10, 10_000), (0, 1)])
def test_a_plugin_may_say_when_to_probe(breaker: CircuitBreaker, after_s: float | None, waited_ms: int) -> None:
    breaker.pause(Pause("credentials", after_s=after_s))
    assert breaker.status.until == START_MS + waited_ms


@pytest.mark.parametrize("after_s", [float("inf"), 1e30, float("nan"), -5.0])
def test_a_plugins_absurd_time_to_probe_is_bounded(breaker: CircuitBreaker, after_s: float) -> None:
    breaker.pause(Pause("credentials", after_s=after_s))
    assert START_MS < breaker.status.until <= START_MS + ASKED_CAP_MS


def test_a_pause_by_hand_ends_by_hand_only(breaker: CircuitBreaker, clock: FakeClock) -> None:
    assert breaker.pause_by_hand() is True
    assert breaker.wake_at() is None
    clock.advance(10**6)
    assert breaker.tick() is False
    assert not breaker.may_send(0)
    assert breaker.resume() is True
    assert breaker.is_running


@pytest.mark.parametrize("what", ["wait", "fail", "succeed", "pause"])
def test_nothing_that_was_in_flight_undoes_a_pause_by_hand(breaker: CircuitBreaker, what: str) -> None:
    breaker.pause_by_hand()
    if what == "wait":
        breaker.wait(10)
    elif what == "fail":
        fail(breaker, 20)
    elif what == "succeed":
        breaker.succeeded()
    else:
        breaker.pause(Pause("credentials"))
    assert state_of(breaker) == ("paused", "by_hand")


def test_an_internal_pause_ends_by_hand_only(breaker: CircuitBreaker, clock: FakeClock) -> None:
    breaker.pause_internal("words")
    clock.advance(10**6)
    breaker.tick()
    assert state_of(breaker) == ("paused", "internal")
    breaker.succeeded()
    assert state_of(breaker) == ("paused", "internal")


def test_a_wrong_key_met_while_the_vendor_asked_to_wait_does_not_cut_the_wait_short(breaker: CircuitBreaker) -> None:
    breaker.wait(3600)
    breaker.pause(Pause("credentials"))
    assert breaker.status.until >= START_MS + 3_600_000


@pytest.mark.parametrize("status", [Status("paused", "by_hand", 1), Status("breaker_open", "timeout", 1, START_MS)])
def test_a_stored_state_goes_on_after_a_restart(status: Status, clock: FakeClock) -> None:
    breaker = CircuitBreaker(status, clock)
    assert not breaker.is_running
    assert breaker.may_send(0) == (status.state == "breaker_open")


def test_resuming_what_runs_changes_nothing(breaker: CircuitBreaker) -> None:
    assert breaker.resume() is False


# ------------------------------------------------------------ the other shards of a destination


def pair(clock: FakeClock) -> tuple[CircuitBreaker, CircuitBreaker]:
    """Two shards. Time has passed since they began."""
    both = CircuitBreaker(Status(since=START_MS), clock), CircuitBreaker(Status(since=START_MS), clock, shard=1)
    clock.advance(5)
    return both


def tell(*breakers: CircuitBreaker) -> None:
    """Each shard sees how all others are, until nothing changes any more."""
    for _ in range(4):
        before = [one.status for one in breakers]
        for n, one in enumerate(breakers):
            one.follow([*before[:n], *before[n + 1 :]])
    assert [one.status for one in breakers] == before, "they never come to rest"


def test_what_the_vendor_tells_one_shard_holds_for_all(clock: FakeClock) -> None:
    one, other = pair(clock)
    one.wait(30)
    tell(one, other)
    assert (state_of(other), other.status.until) == (("paused", "retry_after"), START_MS + 35_000)
    clock.advance(30)
    assert other.tick()
    tell(one, other)
    assert other.is_running, "the wait of the other one is over, too"


def test_a_longer_wait_that_one_shard_is_told_later_holds_for_all(clock: FakeClock) -> None:
    one, other = pair(clock)
    one.wait(30)
    tell(one, other)
    other.wait(50)
    tell(one, other)
    assert one.status.until == START_MS + 55_000


@pytest.mark.parametrize("reason", ["credentials", "set_up", "maintenance"])
def test_a_wrong_key_pauses_all_shards_and_the_first_probe_that_succeeds_frees_them(
    clock: FakeClock, reason: str
) -> None:
    one, other = pair(clock)
    one.pause(Pause(reason, detail="no such key"))
    tell(one, other)
    assert (state_of(other), other.status.detail) == (("paused", reason), "no such key")
    clock.advance(300)
    assert one.may_send(0)
    assert not other.may_send(0), "one probe is enough"
    one.succeeded()
    tell(one, other)
    assert other.is_running


def test_a_shard_probes_where_the_one_before_it_has_nothing_to_probe_with(clock: FakeClock) -> None:
    one, other = pair(clock)
    one.pause(Pause("credentials"))
    tell(one, other)
    clock.advance(302)
    assert other.may_send(0)
    other.succeeded()
    tell(one, other)
    assert one.is_running


def test_after_a_probe_that_failed_no_shard_probes_for_five_minutes(clock: FakeClock) -> None:
    one, other = pair(clock)
    one.pause(Pause("credentials"))
    tell(one, other)
    clock.advance(301)
    one.pause(Pause("credentials"))
    tell(one, other)
    clock.advance(299)
    assert not one.may_send(0)
    assert not other.may_send(0)


def test_a_pause_by_hand_of_one_shard_is_one_of_all_and_ends_by_hand_at_each(clock: FakeClock) -> None:
    one, other = pair(clock)
    other.pause(Pause("credentials"))
    clock.advance(1)
    one.pause_by_hand("the move")
    tell(one, other)
    assert (state_of(other), other.status.detail) == (("paused", "by_hand"), "the move")
    clock.advance(1)
    one.resume()
    tell(one, other)
    assert one.is_running, "who was resumed first does not follow those who will be in a moment"
    assert state_of(other) == ("paused", "by_hand")
    other.resume()
    tell(one, other)
    assert one.is_running
    assert other.is_running


def test_a_breaker_and_what_is_wrong_with_one_process_are_of_one_shard(clock: FakeClock) -> None:
    one, other = pair(clock)
    fail(one, 10)
    tell(one, other)
    one.pause_for_hook("slow")
    tell(one, other)
    assert other.is_running
    other.pause(Pause("credentials"))
    tell(one, other)
    assert state_of(one) == ("paused", "slow_hooks")


def test_the_clock_of_retries_stands_still_while_another_shard_is_told_to_wait(clock: FakeClock) -> None:
    one, other = pair(clock)
    before = other.running_ms()
    one.wait(30)
    tell(one, other)
    clock.advance(3600)
    other.tick()
    assert other.running_ms() == before
