"""docs/coming-from-segment.md: its configuration loads without a warning, and it names keys that exist."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from router.cli import main
from router.plugin_host import read
from tests.docs.pages import ROOT, SHIPPED, blocks

PAGE = ROOT / "docs/coming-from-segment.md"


def test_its_configuration_loads_without_a_warning(tmp_path: Path) -> None:
    (block,) = blocks(PAGE, "toml")
    path = tmp_path / "config.toml"
    path.write_text(block.text)
    config, (braze,) = read(path, {"BRAZE_API_KEY": "k"})
    assert (config.warnings, [source.name for source in config.sources]) == ((), ["website", "backend"])
    assert braze.filter is not None


def test_its_configuration_uses_keys_of_the_shipped_one() -> None:
    (block,) = blocks(PAGE, "toml")
    shown, shipped = tomllib.loads(block.text), tomllib.loads(SHIPPED.read_text())
    for table in ("source", "destination"):
        assert {key for one in shown[table] for key in one} <= set(shipped[table][0])


def test_the_small_workspace_is_imported_as_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEGMENT_ROUTER_COMMAND", "./run")
    (shown,) = blocks(PAGE, "text")
    assert (
        main(["config", "import", "segment", str(ROOT / "docs/examples/segment-workspace.json"), "--out", "imported"])
        == 0
    )
    said = capsys.readouterr()
    assert said.err + said.out == shown.text
    assert main(["check", "--config", "imported/config.toml"]) == 0
