"""`report` writes what each tool got, what was lost and why, from a store that no daemon has open."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from router.cli import main
from router.clock import SystemClock
from router.counts import STORE, Counted, Counts
from router.extras import pip_install
from router.report.pictures import ticks
from router.report.tables import as_csv
from tests.contract.store_case import open_case

HOUR_MS = 3_600_000
CRM, WEBSITE = Counted("destination", "crm"), Counted("source", "website")


async def fill(path: Path) -> None:
    """Two hours of this day, and one of a month ago."""
    async with open_case(path, SystemClock, dedupe_window_s=3600, min_free_bytes=0) as (store, clock):
        for hours, n in ((2, 5), (1, 7), (30 * 24, 1000)):
            crm, website = Counts(peak={"oldest_s": 4.0, "held_people": 2, "held_events": 3}), Counts()
            crm.count("delivered", n)
            crm.took(300, n)
            crm.count("dead", 2, "rejected")
            crm.count("dead", 1, "=HYPERLINK()")
            website.count("accepted", n + 3)
            website.count("discarded", 1, "no_id")
            counted = {CRM: crm, WEBSITE: website, STORE: Counts(peak={"bytes": 9e6})}
            await store.counters.add(clock.now_ms() - hours * HOUR_MS, counted)


@pytest.fixture
def config(write_config: Callable[[str], Path], tmp_path: Path) -> Path:
    """A config.toml by which no daemon runs; its store has counts."""
    path = write_config(
        '[server]\nlisten = "127.0.0.1:0"\n[admin]\nlisten = "127.0.0.1:0"\n[store]\nurl = "sqlite:router.db"\n'
    )
    asyncio.run(fill(path.parent / "router.db"))
    return path


def run(config: Path, *words: str) -> tuple[int, Path]:
    out = config.parent / "out"
    return main(["report", "--config", str(config), "--out", str(out), *words]), out


def rows(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.read_text())))


def test_the_summary_says_what_each_tool_got_what_was_lost_and_why(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = run(config)
    assert code == 0
    found = {(row["name"], row["what"], row["reason"]): row["count"] for row in rows(out / "summary.csv")}
    assert found["crm", "delivered", ""] == "12"
    assert found["crm", "dead", ""] == "6"
    assert found["crm", "dead", "rejected"] == "4"
    assert found["website", "discarded", "no_id"] == "2"
    assert 0.2 < float(found["crm", "latency_p50_s", ""]) < 0.5
    said = capsys.readouterr().out
    assert "destination crm: 12 delivered" in said
    assert "6 dead: 4 rejected" in said


def test_the_hours_are_one_row_for_each_source_and_destination(config: Path) -> None:
    _, out = run(config)
    hours = rows(out / "hours.csv")
    assert sorted((row["kind"], row["delivered"], row["accepted"]) for row in hours) == [
        ("destination", "5", ""),
        ("destination", "7", ""),
        ("source", "", "10"),
        ("source", "", "8"),
    ]


def test_a_longer_span_has_what_is_older(config: Path) -> None:
    _, out = run(config, "--since", "60d")
    (delivered,) = (r["count"] for r in rows(out / "summary.csv") if (r["what"], r["reason"]) == ("delivered", ""))
    assert delivered == "1012"


def test_there_is_a_picture_of_each_source_and_destination(config: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    _, out = run(config)
    assert {file.name for file in out.glob("*.png")} == {"destination-crm.png", "source-website.png"}
    with image.open(out / "destination-crm.png") as picture:
        colours = {colour for _, colour in picture.convert("RGB").getcolors(1 << 20)}
        assert picture.size[0] == 1000
        assert (27, 29, 33) in colours, "words are drawn, whatever fonts the machine has"
        assert len(colours) > 20


def test_without_pillow_the_tables_are_there_and_it_says_what_to_install(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    code, out = run(config, "--json")
    said = capsys.readouterr()
    assert code == 0
    assert sorted(file.name for file in out.iterdir()) == ["hours.csv", "summary.csv"]
    assert len(json.loads(said.out)["files"]) == 2
    assert pip_install("report") in said.err


@pytest.mark.parametrize("since", ["10m", "120d", "soon"])
def test_a_span_that_cannot_be_is_refused(config: Path, since: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(config, "--since", since)
    assert (code, out.exists()) == (2, False)
    assert "--since" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_named(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (config.parent / "out").write_text("a file")
    code, _ = run(config)
    assert code == 1
    assert "cannot be written" in capsys.readouterr().err


def test_no_word_of_a_plugin_is_a_formula_for_a_spreadsheet() -> None:
    assert as_csv([["=1+1", "@x", "-5", -5, 1.5, None]]) == "'=1+1,'@x,'-5,-5,1.5,\n"


@pytest.mark.parametrize(
    ("most", "unit", "expected"),
    [(0, "", [0]), (0, "s", [0]), (1, "", [0, 1]), (25, "", [0, 12, 25]), (3.0, "s", [0, 1.5, 3.0])],
)
def test_an_axis_has_different_numbers_and_whole_ones_of_what_is_counted(
    most: float, unit: str, expected: list[float]
) -> None:
    assert ticks(most, unit) == expected
