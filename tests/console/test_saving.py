"""What is written and cannot be put in force is taken back, whatever the reload fails of. Real files; a reload that fails as it is told to."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from aiohttp import web

from router.admin.daemon_port import Preview
from router.config import Proposal
from router.console.console import Console
from router.console.edits import Edit, Edits, Saved
from router.console.saves import Saves
from router.console.saving import save, say_yes
from router.editing.config_file import read_text
from router.errors import CommandRefused, ConfigError, StoreFull
from router.logger import make_log

OLD, NEW = "old = 1\n", "new = 2\n"


class FailingReload:
    """A daemon that finds no fault with a change until it is to put it in force."""

    def __init__(self, path: Path, error: BaseException) -> None:
        self.config, self._error = SimpleNamespace(path=path), error

    async def preview(self, proposal: Proposal) -> Preview:
        return Preview("", [], None)

    async def reload(self, *, is_confirmed: bool, via: str) -> None:
        assert self.config.path.read_text() == NEW, "it is written by now"
        raise self._error


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(OLD)
    return path


def console_of(path: Path, error: BaseException, daemon: type[FailingReload] = FailingReload) -> Console:
    edits = Edits(lambda: 0, lambda seconds, call: None)
    found = SimpleNamespace(daemon=daemon(path, error), edits=edits, saves=Saves(), log=make_log(level="error"))
    return cast(Console, found)


def held_by(path: Path) -> tuple[str, list[str]]:
    """The text of the file, and what is in its folder."""
    return path.read_text(), sorted(file.name for file in path.parent.iterdir())


def edit_of(path: Path) -> Edit:
    proposal = Proposal(NEW, {path.with_name("secret"): "typed"})
    return Edit("mine", 0, "d", "changed", read_text(path).hash, proposal, ())


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ConfigError(["d: wrong"]), "taken_back", "d: wrong"),
        (CommandRefused("stopping", "the daemon is stopping"), "taken_back", "the daemon is stopping"),
        (StoreFull(), "failed", "The disk has too little room"),
        (OSError("no more threads"), "failed", "no more threads"),
        (ZeroDivisionError(), "failed", "ZeroDivisionError"),
    ],
)
async def test_the_file_and_the_secrets_are_as_before_whatever_the_reload_fails_of(
    path: Path, error: Exception, code: str, words: str
) -> None:
    saved = await save(console_of(path, error), edit_of(path))
    assert (saved.code, words in saved.problems[0]) == (code, True)
    assert held_by(path) == (OLD, ["config.toml"])


async def test_so_they_are_where_the_daemon_ends_meanwhile(path: Path) -> None:
    with pytest.raises(asyncio.CancelledError):
        await save(console_of(path, asyncio.CancelledError()), edit_of(path))
    assert held_by(path) == (OLD, ["config.toml"])


async def test_what_somebody_has_written_since_is_left_and_told(path: Path) -> None:
    class Overtaken(FailingReload):
        async def reload(self, *, is_confirmed: bool, via: str) -> None:
            self.config.path.write_text("theirs")
            raise StoreFull

    saved = await save(console_of(path, StoreFull(), Overtaken), edit_of(path))
    assert (saved.code, held_by(path)[0]) == ("kept", "theirs")


class Hanging(FailingReload):
    """Its reload goes on until it is told to end."""

    def __init__(self, path: Path, error: BaseException) -> None:
        super().__init__(path, error)
        self.has_begun, self.may_end = asyncio.Event(), asyncio.Event()

    async def reload(self, *, is_confirmed: bool, via: str) -> None:
        self.has_begun.set()
        await self.may_end.wait()


async def begun(path: Path) -> tuple[Console, Hanging, str, asyncio.Task[Saved]]:
    """A save in the middle of its reload, and who waits for it."""
    console = console_of(path, ZeroDivisionError(), Hanging)
    daemon = cast(Hanging, console.daemon)
    id = console.edits.propose("mine", edit_of(path))
    edit = console.edits.edit(id, "mine")
    assert edit is not None
    waiting = asyncio.create_task(say_yes(console, id, edit))
    await daemon.has_begun.wait()
    return console, daemon, id, waiting


async def test_a_save_goes_on_without_its_browser_and_whoever_comes_back_waits_for_its_end(path: Path) -> None:
    console, daemon, id, waiting = await begun(path)
    waiting.cancel()
    back = asyncio.create_task(console.saves.ended(id))
    await asyncio.sleep(0)
    assert not back.done()
    daemon.may_end.set()
    await back
    assert held_by(path) == (NEW, ["config.toml", "secret"])
    assert console.edits.edit(id, "mine") is None, "it was written, so it waits no more"


async def test_a_second_yes_waits_for_the_first(path: Path) -> None:
    console, daemon, id, first = await begun(path)
    edit = console.edits.edit(id, "mine")
    assert edit is not None
    second = asyncio.create_task(say_yes(console, id, edit))
    await asyncio.sleep(0)
    daemon.may_end.set()
    assert await first == await second == Saved("saved", [])


async def test_a_stop_cuts_the_reload_takes_the_file_back_and_the_change_says_so(path: Path) -> None:
    console, _, id, waiting = await begun(path)
    waiting.cancel()
    await console.saves.close(web.Application())
    assert held_by(path) == (OLD, ["config.toml"])
    edit = console.edits.edit(id, "mine")
    assert edit is not None
    assert edit.saved == Saved("taken_back", ["the router is stopping"])


async def test_once_it_stops_no_save_begins(path: Path) -> None:
    console = console_of(path, ZeroDivisionError(), Hanging)
    await console.saves.close(web.Application())
    assert await save(console, edit_of(path)) == Saved("refused", ["the router is stopping"])
    assert held_by(path) == (OLD, ["config.toml"])
