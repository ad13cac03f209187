"""`init` writes the shipped config.toml and nothing over an existing one."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.cli import main


def test_it_writes_the_shipped_file(tmp_path: Path, shipped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "my.toml"
    assert main(["init", str(target)]) == 0
    assert target.read_bytes() == shipped.read_bytes()
    assert f"serve --config {target}" in capsys.readouterr().out


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
