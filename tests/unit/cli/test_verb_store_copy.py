"""`store copy` on the command line: addresses, what it prints, and how it shows how far it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from router.cli import main
from router.cli.rows_progress import RowsProgress
from tests.contract.copy_case import SCHEMA, contents
from tests.contract.old_stores import unpack
from tests.unit.cli.fake_clock import FakeClock


def test_without_a_terminal_there_is_a_line_every_five_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock()
    with RowsProgress(clock) as progress:
        progress.begin("log", 2_000)
        for done in (500, 1_000, 2_000):
            clock.now_s += 3.0
            progress.at(done)
        progress.begin("parked", 0)
        clock.now_s += 6.0
        progress.at(1_200)
    assert capsys.readouterr().err.splitlines() == ["log: 1,000 rows, 50 %", "parked: 1,200 rows"]


def test_a_file_is_copied_and_what_to_do_next_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = unpack(SCHEMA, tmp_path)
    assert main(["store", "copy", f"sqlite:{path}", f"sqlite:{tmp_path}/copy.db"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:3] == ["destination", "held", "retrying"]
    assert lines[-2].startswith(f"{tmp_path}/copy.db has all of {path}: ")
    assert "start no daemon on the source again" in lines[-1]
    assert contents(path) == contents(tmp_path / "copy.db")


def test_json_has_the_ledger_and_the_rows_of_each_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = unpack(SCHEMA, tmp_path)
    assert main(["store", "copy", f"sqlite:{path}", f"sqlite:{tmp_path}/copy.db", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    [(_, counts)] = told["ledger"].items()
    assert sum(counts.values()) == told["accepted"]
    assert told["rows"]["log"] > 0
    assert main(["store", "copy", f"sqlite:{path}", f"sqlite:{tmp_path}/copy.db", "--json"]) == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert "there is a store at" in error["message"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("router.db", "write sqlite:PATH or postgresql://USER@HOST/DATABASE"),
        ("sqlite:", "write sqlite:PATH or postgresql://USER@HOST/DATABASE"),
        ("postgresql://router:s3cret@", "not a database"),
        ("postgresql://router:s3cret@db/events?pgbouncer=true", "name the database itself, without pgbouncer=true"),
    ],
)
def test_what_is_no_address_is_a_wrong_usage_and_not_repeated_where_it_may_be_a_password(
    source: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["store", "copy", source, "sqlite:copy.db"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert words in said
    assert "s3cret" not in said


def test_a_database_that_cannot_be_reached_is_said_without_its_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = unpack(SCHEMA, tmp_path)
    assert main(["store", "copy", f"sqlite:{path}", "postgresql://router:s3cret@127.0.0.1:1/events"]) == 1
    said = capsys.readouterr().err
    assert "127.0.0.1:1/events: " in said
    assert "s3cret" not in said
