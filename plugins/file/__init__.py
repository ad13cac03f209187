"""File: every event as one line of JSON at the end of a file, in Segment's spelling.

A batch is one write. With `fsync` on, delivered means on stable storage. The file may be rotated, by size and by age.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from plugins.file import appender
from plugins.file.appender import Appender, instant_of
from plugins.file.rotation import Rotation
from plugins.file.verdict import not_written
from router.plugin import (
    Batch,
    Delivered,
    Event,
    Field,
    Item,
    Outcome,
    Person,
    Reject,
    Sender,
    Settings,
    hookimpl,
)


class FileSettings(Settings):
    """Settings of a file destination."""

    path: Path = Field(
        title="File",
        json_schema_extra={"where": "A relative path starts at the folder of the router's data."},
        description="The file to append to. It and its directory are created if missing.",
    )
    fsync: bool = Field(
        title="Flush to the disk",
        default=True,
        description="Flush each batch to the disk before it counts as delivered. Off: a power loss can lose events"
        " that were delivered in the last seconds; a crash of the router cannot.",
    )
    rotate_bytes: int = Field(
        title="Rotate at, in bytes",
        default=0,
        ge=0,
        description="Begin a new file before this one grows larger, e.g. 100_000_000. 0: never.",
    )
    rotate_hours: float = Field(
        title="Rotate after, in hours",
        default=0.0,
        ge=0,
        le=100_000,
        description="Begin a new file when an event was received this long after the first one in it. 0: never.",
    )
    keep: int = Field(
        title="Rotated files to keep",
        default=0,
        ge=0,
        description="How many rotated files to keep; older ones are removed at a rotation. 0: all.",
    )

    def model_post_init(self, context: Any, /) -> None:
        """Refuse what names no file. Raises ValueError with the words the operator reads."""
        if not self.path.name:
            raise ValueError('path: write the name of a file, e.g. "archive/events.jsonl"')


class File:
    """Appends events of all six types to a file. Only one batch is written at a time."""

    api_version = (1, 1)
    display_names = ("File",)
    settings_model = FileSettings
    kinds: Mapping[str, Batch] = {"": Batch(max_items=500, concurrency=1)}

    def __init__(self, settings: FileSettings) -> None:
        self.settings = settings
        rotation = Rotation(settings.rotate_bytes, timedelta(hours=settings.rotate_hours), settings.keep)
        self._appender = Appender(Path(settings.path), settings.fsync, rotation)

    @hookimpl
    def identify(self, event: Event) -> Item:
        """The call as one line."""
        return Item(event.payload)

    group = track = page = screen = alias = identify

    @hookimpl
    def forget(self, person: Person) -> list[Item]:
        """A line of the type `delete` for each id. What the file holds already stays: whoever reads it has to act on this line."""
        calls = [{"type": "delete", "userId": person.user_id}] if person.user_id else []
        calls += [{"type": "delete", "anonymousId": anonymous} for anonymous in person.anonymous_ids]
        return [Item(call) for call in calls]

    @hookimpl
    def forget_group(self, group_id: str) -> Item:
        """A line of the type `delete`."""
        return Item({"type": "delete", "groupId": group_id})

    @hookimpl
    async def deliver(self, items: list[Item], sender: Sender) -> Outcome:
        """Append the lines in one write; what the disk refuses is tried again."""
        lines = b"".join(json.dumps(item.body, separators=(",", ":")).encode() + b"\n" for item in items)
        received = [at for item in items if (at := instant_of(item.body)) is not None]
        try:
            await asyncio.to_thread(self._appender.append, lines, received)
        except OSError as error:
            raise not_written(error, self.settings.path) from error
        return Delivered()

    @hookimpl
    async def check(self, sender: Sender) -> str:
        """Check whether the file could be written, or created. Writes and creates nothing."""
        try:
            await asyncio.to_thread(appender.check, self.settings.path)
        except OSError as error:
            raise Reject("file", f"{error.strerror}: {error.filename}") from error
        return f"this user can write {self.settings.path}; nothing was written"

    @hookimpl
    @asynccontextmanager
    async def lifetime(self) -> AsyncIterator[None]:
        """Close the file at the end; the first batch opens it, so that a dry run makes none."""
        try:
            yield
        finally:
            await asyncio.to_thread(self._appender.close)
