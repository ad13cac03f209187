"""The benchmark itself: it runs, its arithmetic is right, and its check does find what is missing. Nothing is timed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from router.bench import balance, command, main, mapping
from router.bench.command import measure
from router.bench.delivery import Scenario, run_scenario
from router.bench.load import Loaded
from router.bench.measure import Spread, percentile, ratios, spread
from router.bench.report import Conditions, Line, Report, compare, line, show
from router.bench.subject import Receiver
from router.bench.suites import Outcome, Plan
from router.bench.workload import BATCH, Workload, request_maker
from router.destinations import find
from router.event import open_event
from router.plugin import Context, Item


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(seconds=0.2, rounds=1, folder=tmp_path, progress=lambda words: None)


def loaded(**changes: Any) -> Loaded:
    """A run in which a hundred events were sent and answered."""
    plain = Loaded(
        began_at=0.0, seconds=1.0, requests=1, events=100, p50_ms=1.0, p99_ms=2.0, p999_ms=3.0, cpu_s=0.5, written=1000,
        foreign=0.0, generator_share=0.1, answered=100, repeated=0, refused={}, unanswered=0,
    )  # fmt: skip
    return msgspec.structs.replace(plain, **changes)


def ledger(accepted: int = 100, **one: int) -> dict[str, Any]:
    """A ledger with a destination that has delivered everything, unless told."""
    row = {**dict.fromkeys(balance.ENDS, 0), "delivered": accepted, **one}
    return {"accepted": accepted, "duplicates": 0, "discarded": 0, "destinations": {"one": row}}


def conditions() -> Conditions:
    return Conditions("3", "3", {"aiohttp": "3"}, 2, "not pinned", "/x", 0.1, True, 2.0, 3)


class TestRuns:
    def test_every_suite_of_one_store_ends_in_balance(self, plan: Plan) -> None:
        """Real daemons under load for a fifth of a second: all that was answered is stored."""
        report = measure(["ingress", "store"], plan)
        assert report.problems == []
        assert {one.suite for one in report.lines} == {"ingress", "store"}
        assert all(one.rate > 0 for one in report.lines)

    def test_what_is_delivered_has_arrived(self, plan: Plan) -> None:
        """Also where a fifth of the users have no group before their events are in."""
        course = run_scenario(plan, Scenario("late", (Receiver("one", gated=True), Receiver("bad", "fail")), late=True))
        assert course.problems == []
        assert course.arrived["one"].accepted >= course.load.answered

    def test_mapping_stands_beside_plain_json_and_a_delivery(self, plan: Plan) -> None:
        """Each plugin maps the whole mix; the daemon's figure says how much of its work that is."""
        report = measure(["mapping"], msgspec.structs.replace(plan, seconds=0.1))
        assert report.problems == []
        *plugins, plain, daemon = report.lines
        assert [one.name for one in plugins] == list(mapping.PLUGINS)
        assert all(one.rate > 0 and one.ratio and one.against == plain.name for one in plugins)
        assert daemon.more["braze in % of it"] > 0

    def test_a_healthy_destination_gets_everything_beside_vendors_in_trouble(self, plan: Plan) -> None:
        """One hangs, one fails, one limits: the suite ends in balance, whatever the ratio on this machine."""
        report = measure(["isolation"], plan)
        assert report.problems == []
        assert report.lines[0].ratio is not None

    def test_a_release_ends_with_every_held_event_delivered_through_a_kill(self, plan: Plan) -> None:
        """Half of them beside live traffic, half with a SIGKILL in the middle."""
        report = measure(["release"], msgspec.structs.replace(plan, held=2_000))
        assert report.problems == []
        assert report.lines[0].more["held"] == 2_000

    def test_json_is_written_and_can_be_compared(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The file of one run is the --compare of the next."""
        file = tmp_path / "new.json"
        old = tmp_path / "old.json"
        old.write_bytes(
            msgspec.json.encode(Report(conditions(), [Line("ingress", "bare aiohttp handler", 100.0, 200.0)]))
        )
        arguments = ["--quick", "--seconds", "0.1", "--rounds", "1", "--dir", str(tmp_path)]
        assert main(["ingress", *arguments, "--json", str(file), "--compare", str(old)]) == 0
        report = msgspec.json.decode(file.read_bytes(), type=Report)
        assert report.conditions.versions["aiohttp"]
        assert report.lines[0].ratio is not None
        assert "ingress: bare aiohttp handler" in capsys.readouterr().out

    def test_an_imbalance_is_exit_1(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        """Rates never decide the exit code, a lost event does."""
        lost = Outcome([Line("ingress", "x", 1.0, 1.0)], ["one event is missing"])
        monkeypatch.setattr(command, "SUITES", {"ingress": lambda plan: lost})
        assert main(["ingress", "--dir", str(tmp_path)]) == 1


class TestBalance:
    def test_a_run_that_adds_up_has_no_problems(self) -> None:
        counted = balance.count([loaded()], ledger(), 100, {"one": 100}, ["one"])
        assert balance.problems(counted) == []

    def test_repeated_ids_are_duplicates_and_not_losses(self) -> None:
        book = {**ledger(95), "duplicates": 5}
        counted = balance.count([loaded(repeated=5)], book, 95, {"one": 95}, ["one"])
        assert balance.problems(counted) == []

    @pytest.mark.parametrize(
        ("wrong", "words"),
        [
            ({"loads": [loaded(answered=101)]}, "accepted by the ledger: 100, expected 101 (-1)"),
            ({"loads": [loaded(unanswered=3)]}, "3 events were sent and not answered"),
            ({"loads": [loaded(refused={"503": 2})]}, "2 with 503"),
            ({"stored": 99}, "events in the log: 99, expected 100 (-1)"),
            ({"arrived": {"one": 98}}, "one: 100 delivered, but only 98 arrived"),
            ({"ledger": ledger(delivered=99)}, "one: the seven states together: 99, expected 100 (-1)"),
            ({"ledger": ledger(delivered=99, held=1)}, "one: delivered: 99, expected 100 (-1)"),
            ({"ledger": ledger(delivered=101, queued=-1)}, "one: a negative count"),
        ],
    )
    def test_a_wrong_number_is_told(self, wrong: dict[str, Any], words: str) -> None:
        right: dict[str, Any] = {"loads": [loaded()], "ledger": ledger(), "stored": 100, "arrived": {"one": 100}}
        found = balance.problems(balance.count(**{**right, **wrong}, complete=["one"]))
        assert any(words in problem for problem in found), found


class TestArithmetic:
    def test_ratios_are_of_pairs(self) -> None:
        """Both sides of a pair may be slow: their ratio says so, that of the medians would not."""
        assert ratios([10, 50, 30], [20, 100, 30]) == Spread(0.5, 0.5, 1.0)

    def test_ratios_want_complete_pairs(self) -> None:
        with pytest.raises(ValueError, match="zip"):
            ratios([1.0], [1.0, 2.0])

    def test_a_reference_of_nothing_gives_nothing(self) -> None:
        assert ratios([5.0], [0.0]) == Spread(0.0, 0.0, 0.0)

    def test_a_spread_reads_median_first(self) -> None:
        assert str(spread([3.0, 1.0, 2.0])) == "2.00 [1.00..3.00]"

    @pytest.mark.parametrize(("share", "want"), [(0.0, 0), (0.5, 50), (0.99, 99), (1.0, 99)])
    def test_percentiles_are_samples(self, share: float, want: int) -> None:
        assert percentile(range(100), share) == want

    def test_the_percentile_of_nothing_is_zero(self) -> None:
        assert percentile([], 0.5) == 0.0

    def test_noisy_runs_are_marked(self) -> None:
        one = line("store", "x", [loaded(foreign=0.5), loaded()], [loaded(events=200), loaded()], "y")
        assert (one.noisy, one.runs) == (1, 2)
        assert "noisy 1/2" in show(Report(conditions(), [one]))

    def test_the_table_says_what_is_missing(self) -> None:
        assert "NOT IN BALANCE  one event" in show(Report(conditions(), [], ["one event"]))

    def test_a_comparison_shows_old_and_new_ratio(self) -> None:
        old, new = (
            Report(conditions(), [Line("store", "x", 1.0, 1.0, Spread(ratio, ratio, ratio), against="y")])
            for ratio in (0.2, 0.3)
        )
        assert "1.50x  store: x / y" in compare(old, new)


class TestWorkload:
    def test_the_mix_of_the_mapping_is_two_parts_identify_seven_track_one_group(self) -> None:
        types = [type for type, _, _ in mapping.mixed_events()]
        assert Counter(types) == {"track": 1400, "identify": 400, "group": 200}

    def test_no_event_of_the_mix_is_refused(self) -> None:
        """What is not mapped would cost nothing."""
        braze = find("braze").load()
        sending = braze(braze.settings_model(api_key="K"))
        made = 0
        for type, message_id, body in mapping.mixed_events():
            event = open_event("bench", type, message_id, mapping.RECEIVED_MS, body)
            found = getattr(sending, type)(event, Context())
            made += 1 if isinstance(found, Item) else len(found)
        assert made == mapping.EVENTS + 2 * mapping.EVENTS // 10, "an order is three purchases"

    @pytest.mark.parametrize("kind", ["single", "batch", "gzip"])
    def test_the_same_seed_sends_the_same(self, kind: str) -> None:
        first, second = request_maker(Workload(kind, 7)), request_maker(Workload(kind, 7))
        assert [first(), first()] == [second(), second()]

    def test_an_event_has_the_usual_size(self) -> None:
        body = request_maker(Workload("single"))().partition(b"\r\n\r\n")[2]
        assert 800 <= len(body) <= 900

    def test_message_ids_have_no_rising_prefix(self) -> None:
        ids = message_ids(request_maker(Workload("batch")))
        assert len(set(ids)) == BATCH
        assert ids != sorted(ids)

    def test_repeated_ids_are_as_many_as_it_says(self) -> None:
        workload = Workload("batch", duplicates=True)
        assert BATCH - len(set(message_ids(request_maker(workload)))) == workload.repeated

    def test_group_calls_name_each_user_once(self) -> None:
        workload = Workload("groups", users=(0, 200))
        make = request_maker(workload)
        assert workload.requests == 2
        users = [call["userId"] for _ in range(2) for call in calls(make())]
        assert len(set(users)) == 200


def calls(request: bytes) -> list[dict[str, Any]]:
    batch: list[dict[str, Any]] = msgspec.json.decode(request.partition(b"\r\n\r\n")[2])["batch"]
    return batch


def message_ids(make: Callable[[], bytes]) -> list[str]:
    return [call["messageId"] for call in calls(make())]
