"""Demands to forget people or groups, or to suppress people: taken, recorded, and looked up. What erases is in `erasure.py`."""

from __future__ import annotations

import glob
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from router.errors import StoreError
from router.in_thread import in_thread
from router.store.regulation import Demand, Regulation
from router.store.regulation_begun import suppress_early
from router.store.sqlite import forget_begin, regulation_file, regulation_rows, regulations_again, scrub
from router.store.sqlite.group_commit import Writer
from router.store.sqlite.reader import Reader
from router.store.suppressions import Suppressions

T = TypeVar("T")


class SqlitePeople:
    """Implements `ports.People`."""

    def __init__(self, path: Path, writer: Writer, reader: Reader, suppressions: Suppressions) -> None:
        """`reader`: for what may take long."""
        self.suppressions = suppressions
        self._path, self._writer, self._reader, self._forgotten = path, writer, reader, writer.forgotten

    async def joined(self, user_keys: Sequence[str]) -> dict[str, list[str]]:
        """The anonymous keys that the directory has joined to each of these."""
        return await self._reader.run(forget_begin.joined, user_keys)

    async def begin(self, demand: Demand) -> Regulation:
        """Record a demand. What was accepted before is readable by nobody when this returns; who is suppressed is refused from now on."""
        suppressions, writer = self.suppressions, self._writer
        async with writer.set_up, self._noting_links():
            known = await self.joined(demand.subjects)
            early = suppress_early(suppressions, demand, known)
            try:
                await writer.append((), (), ())  # what was accepted before that is stored, and erased
                if demand.deletes:
                    await writer.run_alone(scrub.overwrite_from_now_on)
                now_ms = writer.now_ms()
                regulation, suppressed = await self._writer.run_beside(
                    lambda db: forget_begin.begin(db, demand, known, suppressions, writer.transaction.head.pos, now_ms)
                )
            finally:
                suppressions.remove([early])
            suppressions.add(suppressed)
            if demand.unsuppresses:
                suppressions.remove(suppressions.hash_of(key) for key in demand.subjects)
            if demand.deletes:
                self._forgotten.begin(regulation)
        with suppress(OSError):  # the step that follows notes it, or does not go on
            await in_thread(regulation_file.note, self._path, [regulation])
        return regulation

    @asynccontextmanager
    async def _noting_links(self) -> AsyncIterator[None]:
        """The writing connection notes what is joined meanwhile. One demand at a time."""
        await self._writer.run_beside(forget_begin.note_links)
        try:
            yield
        finally:
            with suppress(StoreError):  # the writer has ended, and its memory with it
                await self._writer.run_beside(forget_begin.note_links_no_longer)

    async def begin_again(self) -> int:
        """Record what the file beside the store has and the store has not, because an older copy was put back. Returns how many
        regulations that were. Raises OSError where the file cannot be read."""
        lines = await in_thread(regulation_file.read, regulation_file.path_of(self._path))
        missing = await self._reader.run(regulations_again.unknown, lines, self.suppressions.key)
        if not missing:
            return 0
        found = await self._reader.run(regulations_again.find_subjects, missing, self.suppressions)
        if found:
            await self._writer.run_alone(scrub.overwrite_from_now_on)
        for line in missing:
            await self._writer.run_beside(
                partial(regulations_again.begin_again, line=line, found=found, now_ms=self._writer.now_ms())
            )
            self._suppress_as(line)
        return len(missing)

    def _suppress_as(self, line: regulation_file.Line) -> None:
        if line.suppresses:
            self.suppressions.add(line.owners())
        if line.unsuppresses:
            self.suppressions.remove({owner for _, owner in line.owners()})

    async def find(self, regulation_id: str) -> Regulation | None:
        """The regulation of this id."""
        return await self._reader.run(regulation_rows.read_one, regulation_id)

    async def heed(self, regulation_id: str) -> Regulation:
        """The regulation of this id. Its people are read by nobody since it began."""
        regulation = await self.find(regulation_id)
        assert regulation is not None, "a regulation is never deleted"
        return regulation

    async def newest(self, limit: int) -> list[Regulation]:
        """The newest regulations, newest first."""
        return await self._reader.run(regulation_rows.read_newest, limit)

    async def copies(self, *, remove: bool = False) -> list[str]:
        """Files beside the store that hold a copy of it from before an upgrade or a restore. `remove`: delete them."""
        return await in_thread(_copies, self._path, remove)


def _copies(store: Path, remove: bool) -> list[str]:
    found = sorted(store.parent.glob(f"{glob.escape(store.name)}.before-*"))
    for path in found if remove else ():
        path.unlink(missing_ok=True)
    return [str(path) for path in found]
