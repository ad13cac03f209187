"""Ctrl-C while a plugin is imported is Ctrl-C; a KeyboardInterrupt that the plugin raises itself is a fault of the plugin."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from router.errors import PluginError
from router.plugin_host import check_class, find


def load(folder: Path, text: str) -> None:
    (folder / "desk.py").write_text(text)
    find("desk", folder).load()


def test_a_plugin_that_raises_it_cannot_be_imported(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="cannot be imported: KeyboardInterrupt"):
        load(tmp_path, "raise KeyboardInterrupt")


@pytest.fixture
def hears_ctrl_c() -> Iterator[None]:
    """As in a terminal: what a shell starts in the background ignores SIGINT, and so would this process."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("hears_ctrl_c")
def test_ctrl_c_goes_on(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        load(tmp_path, "import signal\nsignal.raise_signal(signal.SIGINT)")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


class Meta(type):
    def __getattr__(cls, name: str) -> object:
        raise KeyboardInterrupt


def test_a_metaclass_that_raises_it_is_a_fault_of_the_plugin() -> None:
    with pytest.raises(PluginError, match="cannot be looked at: KeyboardInterrupt"):
        check_class(Meta("Desk", (), {}))
