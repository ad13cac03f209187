"""The state of a destination: running, paused by whom and until when, breaker open and its probes."""

from __future__ import annotations

import pytest

from router.deliver.backoff import ASKED_CAP_S
from router.deliver.flow import PAUSE_PROBE_MS, Flow
from router.plugin import Pause
from router.store import Status
from tests.contract.rig import START_MS, FakeClock

ASKED_CAP_MS = int(ASKED_CAP_S * 1000)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def flow(clock: FakeClock) -> Flow:
    return Flow(Status(), clock)


def fail(flow: Flow, times: int, users: int = 3) -> None:
    for n in range(times):
        flow.failed({f"u:{n % users}"}, "status_503")


def told(flow: Flow) -> tuple[str, str]:
    return flow.status.state, flow.status.reason


# ------------------------------------------------------------ breaker


def test_a_new_destination_runs(flow: Flow) -> None:
    assert flow.running
    assert flow.may_send(1000)
    assert flow.wake_at() is None


@pytest.mark.parametrize(("times", "users", "opens"), [(9, 3, False), (10, 3, True), (50, 2, False), (10, 10, True)])
def test_the_breaker_opens_after_ten_failures_from_three_users(flow: Flow, times: int, users: int, opens: bool) -> None:
    fail(flow, times, users)
    assert told(flow) == (("breaker_open", "status_503") if opens else ("running", ""))


def test_a_success_among_the_failures_starts_the_count_anew(flow: Flow) -> None:
    fail(flow, 9)
    flow.succeeded()
    fail(flow, 9)
    assert flow.running


def test_users_who_failed_before_a_success_count_no_more(flow: Flow) -> None:
    fail(flow, 9, users=9)
    flow.succeeded()
    fail(flow, 20, users=1)
    assert flow.running


def test_users_who_failed_before_somebody_resumed_it_count_no_more(flow: Flow) -> None:
    fail(flow, 10)
    flow.resume()
    fail(flow, 20, users=1)
    assert flow.running


def test_an_open_breaker_lets_one_probe_through_when_its_time_has_come(flow: Flow, clock: FakeClock) -> None:
    fail(flow, 10)
    assert not flow.may_send(0)
    clock.advance(1)
    assert flow.may_send(0)
    assert not flow.may_send(1)


def test_probes_come_after_one_second_doubling_to_sixty(flow: Flow, clock: FakeClock) -> None:
    fail(flow, 10)
    waits = []
    for _ in range(9):
        waits.append((flow.status.until - clock.ms) / 1000)
        clock.ms = flow.status.until
        flow.failed({"u:1"}, "timeout")
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_failed_probe_keeps_the_time_since_when_it_is_open(flow: Flow, clock: FakeClock) -> None:
    fail(flow, 10)
    clock.advance(1)
    assert flow.failed({"u:1"}, "timeout") is False
    assert flow.status.since == START_MS
    assert told(flow) == ("breaker_open", "timeout")


def test_a_probe_that_succeeds_closes_the_breaker_and_the_next_one_opens_with_short_probes(
    flow: Flow, clock: FakeClock
) -> None:
    fail(flow, 10)
    for _ in range(5):
        clock.advance(60)
        flow.failed({"u:1"}, "timeout")
    assert flow.succeeded() is True
    assert flow.running
    fail(flow, 10)
    assert flow.status.until - clock.ms == 1000


def test_a_breaker_opened_again_after_a_resume_by_hand_begins_with_short_probes(flow: Flow, clock: FakeClock) -> None:
    fail(flow, 10)
    for _ in range(5):
        clock.advance(60)
        flow.failed({"u:1"}, "timeout")
    flow.resume()
    fail(flow, 10)
    assert flow.status.until - clock.ms == 1000


def test_users_who_failed_are_known_as_such(flow: Flow) -> None:
    fail(flow, 10)
    assert flow.failed_recently("u:1")
    assert not flow.failed_recently("u:9")


# ------------------------------------------------------------ pauses


@pytest.mark.parametrize(
    ("asked_s", "waited_ms"),
    [(30, 30_000), (0.5, 500), (0, 1), (0.0001, 1), (86_400, 86_400_000), (86_401, ASKED_CAP_MS), (1e12, ASKED_CAP_MS)],
)
def test_a_vendors_wait_lasts_as_long_as_asked_within_a_day(
    flow: Flow, clock: FakeClock, asked_s: float, waited_ms: int
) -> None:
    assert flow.wait(asked_s) is True
    assert told(flow) == ("paused", "retry_after")
    assert flow.wake_at() == START_MS + waited_ms
    clock.ms += waited_ms - 1
    assert flow.tick() is False
    clock.ms += 1
    assert flow.tick() is True
    assert flow.running


@pytest.mark.parametrize("asked_s", [float("inf"), float("nan"), -1.0])
def test_a_vendors_absurd_wait_is_bounded(flow: Flow, asked_s: float) -> None:
    flow.wait(asked_s)
    assert flow.status.until <= START_MS + ASKED_CAP_MS


@pytest.mark.parametrize(("asked_s", "words"), [(86_400, ""), (172_800, "it asked for a wait of 172800 s")])
def test_a_wait_that_is_cut_is_told(flow: Flow, asked_s: float, words: str) -> None:
    flow.wait(asked_s)
    assert flow.status.detail.startswith(words)
    assert bool(flow.status.detail) is bool(words)


def test_a_vendors_wait_is_not_probed(flow: Flow, clock: FakeClock) -> None:
    flow.wait(30)
    clock.advance(31)
    assert not flow.may_send(0)


def test_a_longer_wait_replaces_a_shorter_one_and_never_the_other_way(flow: Flow) -> None:
    flow.wait(30)
    flow.wait(60)
    assert flow.status.until == START_MS + 60_000
    assert flow.wait(10) is False
    assert flow.status.until == START_MS + 60_000


@pytest.mark.parametrize("reason", ["credentials", "set_up"])
def test_a_wrong_key_or_set_up_is_probed_every_five_minutes(flow: Flow, clock: FakeClock, reason: str) -> None:
    assert flow.pause(Pause(reason, "words")) is True
    assert (told(flow), flow.status.detail) == (("paused", reason), "words")
    for _ in range(3):
        assert not flow.may_send(0)
        clock.ms += PAUSE_PROBE_MS
        assert flow.tick() is False
        assert flow.may_send(0)
        assert not flow.may_send(1)
        assert flow.pause(Pause(reason)) is False  # the same again
    assert flow.succeeded() is True
    assert flow.running


def test_a_plugins_own_reason_to_pause_is_a_matter_of_set_up(flow: Flow) -> None:
    flow.pause(Pause("no_plan_chosen"))
    assert told(flow) == ("paused", "set_up")


@pytest.mark.parametrize(("after_s", "waited_ms"), [(None, PAUSE_PROBE_MS), (10, 10_000), (0, 1)])
def test_a_plugin_may_say_when_to_probe(flow: Flow, after_s: float | None, waited_ms: int) -> None:
    flow.pause(Pause("credentials", after_s=after_s))
    assert flow.status.until == START_MS + waited_ms


@pytest.mark.parametrize("after_s", [float("inf"), 1e30, float("nan"), -5.0])
def test_a_plugins_absurd_time_to_probe_is_bounded(flow: Flow, after_s: float) -> None:
    flow.pause(Pause("credentials", after_s=after_s))
    assert START_MS < flow.status.until <= START_MS + ASKED_CAP_MS


def test_a_pause_by_hand_ends_by_hand_only(flow: Flow, clock: FakeClock) -> None:
    assert flow.pause_by_hand() is True
    assert flow.wake_at() is None
    clock.advance(10**6)
    assert flow.tick() is False
    assert not flow.may_send(0)
    assert flow.resume() is True
    assert flow.running


@pytest.mark.parametrize("what", ["wait", "fail", "succeed", "pause", "suspect"])
def test_nothing_that_was_in_flight_undoes_a_pause_by_hand(flow: Flow, what: str) -> None:
    flow.pause_by_hand()
    if what == "wait":
        flow.wait(10)
    elif what == "fail":
        fail(flow, 20)
    elif what == "succeed":
        flow.succeeded()
    elif what == "pause":
        flow.pause(Pause("credentials"))
    else:
        flow.suspect({"u:1"})
    assert told(flow) == ("paused", "by_hand")


def test_an_internal_pause_ends_by_hand_only(flow: Flow, clock: FakeClock) -> None:
    flow.pause_internal("words")
    clock.advance(10**6)
    flow.tick()
    assert told(flow) == ("paused", "internal")
    flow.succeeded()
    assert told(flow) == ("paused", "internal")


def test_a_wrong_key_met_while_the_vendor_asked_to_wait_does_not_cut_the_wait_short(flow: Flow) -> None:
    flow.wait(3600)
    flow.pause(Pause("credentials"))
    assert flow.status.until >= START_MS + 3_600_000


@pytest.mark.parametrize("status", [Status("paused", "by_hand", 1), Status("breaker_open", "timeout", 1, START_MS)])
def test_a_stored_state_goes_on_after_a_restart(status: Status, clock: FakeClock) -> None:
    flow = Flow(status, clock)
    assert not flow.running
    assert flow.may_send(0) == (status.state == "breaker_open")


def test_resuming_what_runs_changes_nothing(flow: Flow) -> None:
    assert flow.resume() is False


# ------------------------------------------------------------ suspicion


def test_three_users_in_a_run_turn_suspicion_into_certainty(flow: Flow) -> None:
    assert [flow.suspect({f"u:{n}"}) for n in range(3)] == [False, False, True]


def test_one_user_alone_stays_a_suspicion(flow: Flow) -> None:
    assert not any(flow.suspect({"u:1"}) for _ in range(50))


def test_a_success_ends_all_suspicion(flow: Flow) -> None:
    flow.suspect({"u:1", "u:2"})
    flow.succeeded()
    assert flow.suspect({"u:3"}) is False


def test_a_batch_of_three_users_is_enough(flow: Flow) -> None:
    assert flow.suspect({"u:1", "u:2", "u:3"}) is True
