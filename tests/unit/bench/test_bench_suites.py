"""Every suite runs end to end on real daemons, in a short form, and ends in balance. Nothing is timed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from router.bench import backlog, fanout, groups, latency, main, mapping, pages, stores
from router.bench.command import measure
from router.bench.config import Receiver
from router.bench.delivery import Scenario, run_scenario
from router.bench.path import Form, run_forwarder, run_path
from router.bench.plan import Plan
from router.bench.report import Line, Report
from tests.unit.bench.runs import conditions

pytestmark = pytest.mark.long


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(0.2, 1, tmp_path, lambda words: None, held=2_000, backlog=500, burst=200)


@pytest.mark.slow
def test_durable_batches_stand_beside_sqlite_alone(plan: Plan) -> None:
    """Real daemons under load for a fifth of a second: all that was answered is stored."""
    report = measure(["store"], plan)
    assert report.problems == []
    assert all(one.rate > 0 for one in report.lines)
    assert [one.id for one in report.measures] == ["V7"]


async def test_the_references_of_the_store_write_what_they_say(tmp_path: Path) -> None:
    """Rows into SQLite alone, and calls into the store without HTTP."""
    raw, store = stores.insert_raw(tmp_path, 0.01), await stores.append_to_store(tmp_path, 0.01)
    assert raw.events > 0
    assert store.events > 0
    with closing(sqlite3.connect(tmp_path / "raw.db")) as db:
        assert db.execute("SELECT count(*) FROM log").fetchone()[0] == raw.events
    with closing(sqlite3.connect(tmp_path / "store.db")) as db:
        assert db.execute("SELECT count(*) FROM log").fetchone()[0] == store.events


@pytest.mark.parametrize(
    "form",
    [
        Form("packed, twice", destinations=2),
        pytest.param(Form("one a POST, open", "single", 1, rate=200.0), marks=pytest.mark.slow),
        pytest.param(Form("traced", sample=1.0), marks=pytest.mark.slow),
    ],
    ids=lambda form: form.name,
)
def test_on_the_whole_path_everything_that_was_answered_arrives(plan: Plan, form: Form) -> None:
    passed = run_path(plan, form, 1)
    assert passed.problems == []
    assert len(passed.arrived) == form.destinations
    assert all(one.accepted >= passed.events > 0 for one in passed.arrived.values())
    assert passed.cpu_s > 0


def test_the_bare_forwarder_passes_on_what_it_answers(plan: Plan) -> None:
    passed = run_forwarder(plan, 1)
    assert passed.problems == []
    assert passed.arrived["forwarder"].accepted >= passed.events > 0


@pytest.mark.slow
def test_the_whole_path_gives_its_five_measures(plan: Plan) -> None:
    report = measure(["whole"], plan)
    assert report.problems == []
    assert [one.id for one in report.measures] == ["V1", "V2", "V3", "V4", "V5"]
    assert all(len(one.samples) == plan.rounds for one in report.measures)


def test_a_burst_comes_to_every_destination(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout, "DESTINATIONS", (1, 2))
    report = measure(["fanout"], plan)
    assert report.problems == []
    assert [point.x for point in report.curves[0].points] == [1.0, 2.0]
    assert report.measures[0].id == "V8"


def test_what_was_held_is_released_and_what_was_live_is_drained(plan: Plan) -> None:
    report = measure(["held"], plan)
    assert report.problems == []
    assert [one.id for one in report.measures] == ["V9a", "V9b"]
    assert report.measures[0].more["events"] == plan.held / 20


def test_a_log_that_a_paused_destination_keeps_is_filled_and_loaded(plan: Plan, tmp_path: Path) -> None:
    """Its ledger counts what was written without HTTP like what came with it."""
    log = backlog.Log(tmp_path)
    log.fill(500)
    run = log.run(plan.seconds)
    assert run.problems == []
    assert run.before == 500
    assert log.events > 500


@pytest.mark.slow
def test_ingestion_over_a_backlog_is_set_beside_that_into_an_empty_store(plan: Plan) -> None:
    report = measure(["backlog"], plan)
    assert report.problems == []
    assert [one.id for one in report.measures] == ["V10a", "V10b"]
    assert len(report.curves[0].points) == len(backlog.STAGES) + 1


def test_latency_is_measured_at_each_rate(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "RATES", (200.0,))
    monkeypatch.setattr(latency, "JUDGED", 200.0)
    report = measure(["latency"], plan)
    assert report.problems == []
    assert report.measures[0].id == "V11"
    assert report.measures[0].value.median > 0


def test_a_user_of_many_groups_stands_beside_one_of_one_group(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "GROUPS", {"many": 20, "one": 1})
    report = measure(["groups"], plan)
    assert report.problems == []
    assert report.measures[0].id == "V12"
    assert report.measures[0].value.median > 0


@pytest.mark.slow
def test_what_is_delivered_has_arrived(plan: Plan) -> None:
    """Also where a fifth of the users have no group before their events are in."""
    course = run_scenario(plan, Scenario("late", (Receiver("one", gated=True), Receiver("bad", "fail")), late=True))
    assert course.problems == []
    assert course.arrived["one"].accepted >= course.load.answered


@pytest.mark.parametrize("plugin", [*mapping.PLUGINS, *mapping.OTHERS], ids=lambda plugin: plugin or "plain JSON")
def test_a_mapping_is_repeated_for_as_long_as_asked_and_counted(plugin: str) -> None:
    found = mapping.map_events(plugin, 0.01)
    assert found.events >= mapping.EVENTS
    assert found.events % mapping.EVENTS == 0


@pytest.mark.slow
def test_mapping_stands_beside_plain_json_and_a_delivery(plan: Plan) -> None:
    """Each plugin maps the whole mix; the daemon's figure says how much of its work that is."""
    report = measure(["mapping"], msgspec.structs.replace(plan, seconds=0.1))
    assert report.problems == []
    *mapped, plain, daemon = report.lines
    assert [one.name for one in mapped] == [*mapping.PLUGINS, *filter(None, mapping.OTHERS)]
    assert all(one.rate > 0 and one.ratio and one.against == plain.name for one in mapped)
    assert daemon.more["braze in % of it"] > 0


def test_a_healthy_destination_gets_everything_beside_vendors_in_trouble(plan: Plan) -> None:
    """One hangs, one fails, one limits: the suite ends in balance, whatever the ratio on this machine."""
    report = measure(["isolation"], plan)
    assert report.problems == []
    assert report.lines[0].ratio is not None


def test_a_release_ends_with_every_held_event_delivered_through_a_kill(plan: Plan) -> None:
    """Half of them beside live traffic, half with a SIGKILL in the middle."""
    report = measure(["release"], plan)
    assert report.problems == []
    assert report.lines[0].more["held"] == 2_000


@pytest.mark.slow
def test_live_pages_beside_a_thousand_events_a_second_say_what_they_leave_out(plan: Plan) -> None:
    """Three seconds of each side: so long a page needs to see that more comes than anybody can read."""
    report = measure(["pages"], msgspec.structs.replace(plan, seconds=3.0))
    assert report.problems == []
    alone, *others = report.lines[: len(pages.SIDES)]
    assert (alone.ratio, alone.against) == (None, "")
    assert all(one.ratio is not None and one.more["refreshes"] >= 2 * pages.PAGES for one in others)
    assert all(line.p50_ms > 0 for line in report.lines), "the first paint, too, where there is a Chromium"


def test_json_is_written_and_can_be_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file of one run is the --compare of the next."""
    file, old = tmp_path / "new.json", tmp_path / "old.json"
    old.write_bytes(
        msgspec.json.encode(Report(conditions(), lines=[Line("ingress", "bare aiohttp handler", 1.0, 2.0)]))
    )
    arguments = ["--quick", "--seconds", "0.1", "--rounds", "1", "--dir", str(tmp_path)]
    assert main(["ingress", *arguments, "--json", str(file), "--compare", str(old)]) == 0
    report = msgspec.json.decode(file.read_bytes(), type=Report)
    assert report.problems == []
    assert report.conditions.versions["aiohttp"]
    assert report.measures[0].id == "V6"
    assert "ingress: bare aiohttp handler" in capsys.readouterr().out
