"""A copy of a plugin's package that nothing has used: in `sys.modules` while it is looked at, and gone afterwards."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from router.testing.checking.check import DoesNotApply
from router.testing.checking.loading import run_file
from router.testing.checking.subject import Subject
from router.testing.checking.two_accounts import sent_by_two
from router.testing.checking.unused_copy import unused_copy

PLUGIN = """
from os import _exit
from router.plugin import Delivered, Item, Settings, hookimpl

class Acme:
    settings_model = Settings
    def __init__(self, settings): pass
    @hookimpl
    def track(self, event): return Item({"name": event.name})
    @hookimpl
    async def deliver(self, items, sender):
        _exit(3)
    def late(self):
        from acme_unused import inner
        return inner
"""


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    folder = tmp_path / "acme_unused"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "inner.py").write_text("")
    (folder / "plugin.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("acme_unused.inner")
    yield importlib.import_module("acme_unused.plugin")
    for name in [name for name in sys.modules if name.startswith("acme_unused")]:
        del sys.modules[name]


def test_what_a_hook_imports_late_is_of_the_copy_too(acme: ModuleType) -> None:
    before = dict(sys.modules)
    with unused_copy(acme.Acme, "acme_unused") as copy:
        assert copy is not acme.Acme
        assert copy(None).late() is sys.modules["acme_unused.inner"] is not before["acme_unused.inner"]
    assert {name: sys.modules.get(name) for name in before} == before
    assert sys.modules["acme_unused"].plugin is acme


def test_a_copy_is_kept_from_ending_the_process(acme: ModuleType) -> None:
    assert [one.other for one in sent_by_two(Subject(acme.Acme))][:1] == [[]]


def test_a_package_that_cannot_be_imported_twice_is_not_looked_at(acme: ModuleType) -> None:
    kept = sys.modules["acme_unused.plugin"]
    (Path(str(acme.__file__))).write_text("raise ValueError('a second time')")
    with pytest.raises(DoesNotApply, match="cannot be imported a second time"), unused_copy(acme.Acme, "acme_unused"):
        pass
    assert sys.modules["acme_unused.plugin"] is kept


def test_a_single_file_under_a_dotted_name_needs_no_parent(tmp_path: Path) -> None:
    file = tmp_path / "one.py"
    file.write_text("class One: pass")
    module = run_file(file, "acme_absent.one")
    try:
        with unused_copy(module.One, "acme_absent.one") as copy:
            assert copy is not module.One
        assert sys.modules["acme_absent.one"] is module
    finally:
        del sys.modules["acme_absent.one"]


def test_a_file_that_fails_leaves_no_module(tmp_path: Path) -> None:
    file = tmp_path / "one.py"
    file.write_text("1 / 0")
    with pytest.raises(ZeroDivisionError):
        run_file(file, "acme_fails")
    assert "acme_fails" not in sys.modules
