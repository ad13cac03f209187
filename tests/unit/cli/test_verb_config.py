"""`config schema` and what `config show` prints; `tests/flow/test_config_verbs.py` asks a daemon that runs."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest

from router.cli import main

Printed = pytest.CaptureFixture[str]
CONFIG = '[[source]]\nname = "website"\nwrite_key = "wk_secret"\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    return path


def plugins_in(schema: Any) -> list[str]:
    found: list[str] = schema["$defs"]["DestinationConfig"]["properties"]["plugin"]["enum"]
    return found


def test_the_schema_goes_to_standard_output_or_to_a_file(tmp_path: Path, capsys: Printed) -> None:
    assert main(["config", "schema"]) == 0
    printed = json.loads(capsys.readouterr().out)
    target = tmp_path / "config.schema.json"
    target.write_text("an older one")
    assert main(["config", "schema", "--out", str(target)]) == 0
    assert json.loads(target.read_text()) == printed
    assert "#:schema ./config.schema.json" in capsys.readouterr().out
    assert plugins_in(printed) == [
        "braze",
        "clientsuccess",
        "file",
        "freshsuccess",
        "http",
        "postgres",
        "segment",
        "webhook",
    ]


def test_the_schema_has_the_plugins_of_plugins_dir_and_tells_of_one_that_is_broken(
    config: Path, capsys: Printed
) -> None:
    (config.parent / "plugins").mkdir()
    (config.parent / "plugins/broken.py").write_text("import no_such_module")
    config.write_text('plugins_dir = "plugins"\n' + CONFIG)
    assert main(["config", "schema", "--config", str(config)]) == 0
    out, err = capsys.readouterr()
    assert "broken" in plugins_in(json.loads(out))
    assert "no_such_module" in err
    assert "its settings are not checked" in err


def test_a_schema_that_cannot_be_written_is_a_failure(tmp_path: Path, capsys: Printed) -> None:
    assert main(["config", "schema", "--out", str(tmp_path / "none/x.json")]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_a_schema_that_fails_half_way_leaves_the_older_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    def fail(fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    target = tmp_path / "config.schema.json"
    target.write_text("an older one")
    monkeypatch.setattr(os, "fsync", fail)
    assert main(["config", "schema", "--out", str(target)]) == 1
    assert "No space left on device" in capsys.readouterr().err
    assert [path.read_text() for path in tmp_path.iterdir()] == ["an older one"]


def test_show_has_a_line_for_each_key(config: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    assert main(["config", "show", "source", "--config", str(config)]) == 0
    out = capsys.readouterr().out
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines()[2:] if line.startswith("source.")}
    assert rows["source.website.name"] == ['"website"', "line", "2"]
    assert rows["source.website.write_key"] == ["***", "line", "3"]
    assert rows["source.website.strict"] == ["false", "default"]
    assert out.startswith(f"{config} (named by --config)")
    assert "wk_secret" not in out


def test_show_says_that_a_variable_has_named_the_file(
    config: Path, capsys: Printed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGMENT_ROUTER_CONFIG", str(config))
    assert main(["config", "show", "log.level"]) == 0
    assert "(named by SEGMENT_ROUTER_CONFIG)" in capsys.readouterr().out


def test_show_of_a_key_that_is_not_there_names_the_tables_that_are(config: Path, capsys: Printed) -> None:
    assert main(["config", "show", "destination.hook", "--config", str(config)]) == 2
    assert "source.website" in capsys.readouterr().err
