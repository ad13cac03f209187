"""The list of plugins says what it waits for."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.plugin_host import installed as list_of

WAITS = """
from pathlib import Path
from time import sleep

while not Path({file!r}).exists():
    sleep(0.01)
"""


def test_whoever_waits_for_an_import_is_told_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(list_of.__globals__, "SLOW_S", 0.0)
    plugins, go = tmp_path / "plugins", tmp_path / "go"
    plugins.mkdir()
    (plugins / "waits.py").write_text(WAITS.format(file=str(go)))
    told: list[str] = []

    def on_slow(name: str, origin: str) -> None:
        told.append(name)
        if name == "waits":
            go.touch()

    assert "waits" in [one.name for one in list_of(plugins, on_slow)]
    assert "waits" in told
