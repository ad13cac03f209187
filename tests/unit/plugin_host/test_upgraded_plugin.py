"""A plugin that is upgraded while the daemon runs: Python keeps the module that it has imported."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from router.plugin_host.discovery import find


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("upgraded_plugin", None)


def install(site: Path, version: str) -> None:
    """Put a distribution where Python finds it, as pip does."""
    for old in site.glob("*.dist-info"):
        for file in old.iterdir():
            file.unlink()
        old.rmdir()
    (site / "upgraded_plugin.py").write_text(f"class Plugin:\n    version = {version!r}\n")
    info = site / f"upgraded_plugin-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: upgraded-plugin\nVersion: {version}\n")
    (info / "entry_points.txt").write_text("[segment_router.destinations]\nupgraded = upgraded_plugin:Plugin\n")
    importlib.invalidate_caches()


def test_its_new_version_does_not_run_before_a_restart(site: Path) -> None:
    install(site, "1.0")
    first = find("upgraded")
    assert first.load().version == "1.0"
    assert (first.version, first.running_version) == ("1.0", "1.0")
    install(site, "1.1")
    second = find("upgraded")
    assert second.load().version == "1.0"
    assert (second.version, second.running_version) == ("1.1", "1.0")
