"""Drills an alert on a real daemon: its trouble is caused, `/metrics` is scraped, the rule fires, the commands of its runbook end it.

The pages of `/metrics` are real. The times between them are not: a page is laid on the tape for as long as the rule waits.
"""

from __future__ import annotations

import asyncio
import shutil
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import aiohttp
import pytest

from tests.flow.harness import AUTHORIZATION, Daemon, Table, eventually
from tests.flow.test_shutdown import Tuned
from tests.flow.verbs import verb
from tests.monitoring import promtool
from tests.monitoring.rules import rules
from tests.monitoring.runbook import UNIT, filled, runbooks
from tests.monitoring.tape import EVERY_S, Page, Tape, read

CALM_S = 1800
"""How long it lasts before the trouble."""
SHOWN_S = 30.0
"""Then the commands of a runbook show the cause: what other nodes know of one that is gone comes with the end of its lease."""


class Drilled(Tuned):
    """`expected`: errors in its log that the drill is about."""

    expected: Sequence[str] = ()

    def assert_no_fault(self) -> None:
        faults = [line for line in self.log() if line["level"] == "error" and line["event"] not in self.expected]
        assert not faults, faults[0]


def tuned(
    folder: Path, destinations: Sequence[Table], values: Mapping[str, float | str], *expected: str, **tables: Table
) -> Drilled:
    """A daemon with other waits and bounds, so that what takes minutes takes moments: `explain.troubles.LATE_S` and the like."""
    lines = []
    for place, value in values.items():
        module, _, name = place.rpartition(".")
        lines += [f"import router.{module} as module", f"module.{name} = {value!r}"]
    daemon = Drilled(folder, destinations, **tables)
    daemon.expected = expected
    daemon.tuning = "\n".join(lines)
    return daemon


def on_small_disk(daemon: Tuned) -> None:
    """From its start on it sees as much free space as `free_space` says."""
    read = f"int(open({str(filler(daemon))!r}).read())"
    there = f"__import__('os').path.exists({str(filler(daemon))!r})"
    daemon.tuning += (
        f"\nimport router.store.disk_space as module\nmodule.free_bytes = lambda _: {read} if {there} else 10**12"
    )


def filler(daemon: Daemon) -> Path:
    """The file that fills the small disk: while it is there, so many bytes are free as it says."""
    return daemon.folder / "free"


def free_space(daemon: Tuned, n: int) -> None:
    """So many bytes are free now."""
    partial = daemon.folder / "free.partial"
    partial.write_text(str(n))
    partial.rename(filler(daemon))


async def page_of(daemon: Daemon) -> Page:
    """What `/metrics` has at this moment; empty where nobody answers."""
    patience = aiohttp.ClientTimeout(total=daemon.patience_s)
    try:
        async with (
            aiohttp.ClientSession(timeout=patience) as http,
            http.get(f"{daemon.admin_url}/metrics") as answer,
        ):
            assert answer.status == 200, await answer.text()
            return read(await answer.text())
    except aiohttp.ClientConnectionError:
        return {}


async def status_of(daemon: Daemon, headers: Mapping[str, str] = AUTHORIZATION) -> int:
    """What a call is answered."""
    call = {"userId": "u1", "event": "E"}
    async with aiohttp.ClientSession() as http, http.post(f"{daemon.url}/v1/track", json=call, headers=headers) as told:
        return told.status


async def answered(daemon: Daemon, status: int) -> None:
    """Send until a call is answered so."""

    async def sent() -> bool:
        return await status_of(daemon) == status

    await eventually(sent, what=f"an answer {status}")


class Drill:
    """One alert. `words`: for the words in capitals of its runbook. `services`: what `systemctl start` starts, beside the daemon."""

    def __init__(
        self,
        daemon: Daemon,
        alert: str,
        services: Mapping[str, Callable[[], Awaitable[object]]] | None = None,
        **words: str,
    ) -> None:
        self.daemon, self.rule, self._words = daemon, rules()[alert], words
        self._services = {UNIT: self._restart, **(services or {})}
        self._book = runbooks()[alert]
        self.said = ""  #: by the last command
        self._tape = Tape()

    async def is_calm(self) -> None:
        """Before: it does not fire, however long this lasts."""
        self._tape = self._tape.laid(await self.scrape(), CALM_S)
        self._check(0)

    async def fires(self, again: Callable[[], Awaitable[object]] | None = None) -> None:
        """The trouble is there; `again`: what keeps it going, where it is one of counts that grow."""
        if again is not None:
            for _ in range(self.rule.for_s // 60 + 8):
                await again()
                self._tape = self._tape.laid(await self.scrape(), 60)
            self._check(1)
            return

        async def look() -> bool:
            self._told = self._tape.laid(await self.scrape(), self.rule.for_s + 2 * EVERY_S)
            return bool(self.rule.firing(self._told))

        await eventually(look, what=f"{self.rule.name} fires")
        self._tape = self._told
        self._check(1)

    async def shows(self, *causes: str) -> None:
        """The first commands of the runbook show these words, perhaps after a moment. They may end with 1 or 78: there is a trouble."""

        async def look() -> bool:
            parts = [await self._run(command, 0, 1, 78) for command in self._book.look]
            self.said = " ".join("".join(parts).split())
            return all(cause in self.said for cause in causes)

        try:
            await eventually(look, SHOWN_S)
        except AssertionError:
            raise AssertionError(f"the runbook of {self.rule.name} shows no {causes}: {self.said}") from None

    async def ends(self, again: Callable[[], Awaitable[object]] | None = None) -> None:
        """The last commands of the runbook end it. `again`: what goes on meanwhile."""
        for command in self._book.end:
            await self._run(command, 0)
        if again is not None and self.rule.range_s:
            for _ in range(self.rule.range_s // 60 + 2):
                await again()
                self._tape = self._tape.laid(await self.scrape(), 60)
            self._check(0)
            return

        async def look() -> bool:
            if again is not None:
                await again()
            page = await self.scrape()
            self._told = self._tape.laid(page, self.rule.range_s + 2 * EVERY_S)
            return bool(page) and not self.rule.firing(self._told)

        await eventually(look, what=f"{self.rule.name} is over")
        self._tape = self._told
        self._check(0)

    async def scrape(self) -> Page:
        """The page of this moment; empty where nobody answers."""
        return await page_of(self.daemon)

    def _check(self, firing: int) -> None:
        found = self.rule.firing(self._tape)
        assert len(found) == firing, found
        if promtool.PROMTOOL is not None:
            promtool.check(self.rule, self._tape, firing, self.daemon.folder)

    async def _run(self, command: list[str], *codes: int) -> str:
        words = filled(command, self._words)
        if words[0] == "./run":
            return await self._verb(words[1:], codes)
        if words[0] == "systemctl":
            if words[1] in ("start", "restart"):
                await self._services[words[2]]()
            return ""
        if words[0] == "journalctl":
            return "".join(f"{line}\n" for line in self.daemon.log())
        return await self._machine(words, codes)

    async def _machine(self, words: list[str], codes: tuple[int, ...]) -> str:
        """A command of the machine."""
        if shutil.which(words[0]) is None:
            pytest.skip(f"{words[0]} is not installed")
        process = await asyncio.create_subprocess_exec(*words, stdout=PIPE, stderr=STDOUT, cwd=self.daemon.folder)
        out, _ = await process.communicate()
        assert process.returncode in codes, f"{words} ended with {process.returncode}: {out.decode()}"
        return out.decode()

    async def _restart(self) -> None:
        if self.daemon.process is not None:
            assert await self.daemon.terminate() == 0
        await self.daemon.restart()

    async def _verb(self, words: list[str], codes: tuple[int, ...]) -> str:
        code, out, err = await verb(self.daemon, *words)
        assert code in codes, f"{words} ended with {code}: {out + err}"
        self.said = out + err
        return self.said
