"""`doctor` on the command line: its lines, its JSON, and its exit code."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from router.cli import main
from router.store.sqlite.migrations import SCHEMA
from tests.contract.old_stores import unpack

WriteConfig = Callable[[str], Path]
CONFIG = """
    [store]
    url = "sqlite:router.db"
    min_free = "1MB"
    [[source]]
    name = "website"
    write_key = "wk"
    """


@pytest.fixture(autouse=True)
def on_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("FORCE_COLOR", raising=False)


def asked(config: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    """The exit code, and the JSON."""
    code = main(["doctor", "--json", "--config", str(config)])
    return code, json.loads(capsys.readouterr().out)


def of(told: dict[str, Any], code: str) -> list[str]:
    return [found["level"] for found in told["findings"] if found["code"] == code]


def test_a_new_installation_works(write_config: WriteConfig, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_config(CONFIG)
    assert main(["doctor", "--config", str(config)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == ["segment-router is not running", f"config {config}", ""]
    assert all(len(line) <= 80 or len(line.split()) == 1 for line in lines[2:]), "a path is never broken"
    assert any(line.startswith("+ SQLite ") for line in lines)
    assert lines[-1].startswith("0 errors, ")


def test_json_has_code_level_sentence_and_remedy_of_each(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = asked(write_config(CONFIG), capsys)
    assert (code, told["works"], told["running"]) == (0, True, False)
    assert all(found.keys() == {"code", "level", "sentence", "remedy"} for found in told["findings"])
    assert of(told, "python") == ["ok"]


def test_what_keeps_the_daemon_from_working_is_exit_code_1(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(CONFIG)
    store = unpack(SCHEMA, config.parent)
    with closing(sqlite3.connect(store)) as db:
        db.execute(f"PRAGMA user_version = {SCHEMA + 1}")
    code, told = asked(config, capsys)
    assert (code, told["works"], of(told, "store")) == (1, False, ["error"])
    assert main(["doctor", "--config", str(config)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[3].split()[0] == "!", "the gravest come first"
    assert lines[-1] == "! keeps the daemon from working"


def test_a_faulty_config_toml_is_a_finding_beside_all_the_others(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = asked(write_config("[store]\nurl = 7\n"), capsys)
    assert (code, of(told, "configuration"), of(told, "sqlite")) == (
        1,
        ["error"] * len(of(told, "configuration")),
        ["ok"],
    )
    code, told = asked(write_config("[store\n"), capsys)
    assert (code, of(told, "configuration")) == (1, ["error"])


def test_exposed_files_a_late_clock_and_a_vendor_that_is_away_are_named_with_exit_code_0(
    write_config: WriteConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(
        CONFIG
        + """
    [[destination]]
    name = "hook"
    plugin = "webhook"
    [destination.settings]
    url = { file = "url" }
    """
    )
    (config.parent / "url").write_text("http://vendor.invalid/path-secret")
    (config.parent / "url").chmod(0o644)
    store = unpack(SCHEMA, config.parent)
    with closing(sqlite3.connect(store)) as db:
        db.execute("UPDATE head SET clock = 9000000000000")
        db.commit()
    code, told = asked(config, capsys)
    assert code == 0
    assert [of(told, name) for name in ("exposed", "clock", "dns")] == [
        ["warning"] * len(of(told, "exposed")),
        ["warning"],
        ["warning"],
    ]
    assert "path-secret" not in json.dumps(told)
