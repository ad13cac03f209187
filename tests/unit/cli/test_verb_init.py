"""`init` writes the shipped config.toml and nothing over an existing one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from router.cli import main


def test_it_writes_the_shipped_file(tmp_path: Path, shipped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "my.toml"
    assert main(["init", str(target)]) == 0
    assert target.read_bytes() == shipped.read_bytes()
    assert f"serve --config {target}" in capsys.readouterr().out


def test_the_schema_that_the_file_names_to_editors_is_beside_it(tmp_path: Path) -> None:
    target, schema = tmp_path / "my.toml", tmp_path / "config.schema.json"
    assert main(["init", str(target)]) == 0
    assert target.read_text().startswith(f"#:schema ./{schema.name}\n")
    assert json.loads(schema.read_text())["$schema"]
    schema.write_text("mine")
    assert main(["init", str(tmp_path / "other.toml")]) == 0
    assert schema.read_text() == "mine"


def test_it_writes_to_standard_output(shipped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", "-"]) == 0
    assert capsys.readouterr().out == shipped.read_text(encoding="utf-8")


def test_it_leaves_a_file_that_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "config.toml"
    target.write_text("mine")
    assert main(["init", str(target)]) == 1
    assert "is there already" in capsys.readouterr().err
    assert target.read_text() == "mine"
    assert main(["init", str(tmp_path / "none/config.toml")]) == 1
