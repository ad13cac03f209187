"""Which destinations ended the process by holding its event loop: a small file beside the store.

A destination that is marked gets a thread of its own at the next start. A mark is good for the configuration and the plugin
version that it was made for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

import msgspec

from router import durable
from router.plugin_host import Destination


class HeldMark(msgspec.Struct, frozen=True):
    """What held the loop."""

    plugin: str
    hook: str
    message_id: str
    digest: str  #: of the destination's table and its plugin's version


class HeldMarks:
    """The marks of the daemon that uses this store. A file that cannot be read counts as none; one that cannot be written
    stops nothing."""

    def __init__(self, store: Path) -> None:
        self._path = Path(f"{store}.held.json")

    def of(self, destination: Destination) -> HeldMark | None:
        """The mark of this destination, if it is good for how it is configured now."""
        mark = self._read().get(destination.name)
        return mark if mark is not None and mark.digest == _digest(destination) else None

    def add(self, destination: Destination, hook: str, message_id: str) -> None:
        """Mark a destination. On disk when this returns: the process ends next."""
        mark = HeldMark(destination.plugin_name, hook, message_id, _digest(destination))
        self._write({**self._read(), destination.name: mark})

    def drop(self, names: Collection[str]) -> None:
        """Remove the marks of these destinations."""
        marks = self._read()
        if kept := {name: mark for name, mark in marks.items() if name not in names}:
            if len(kept) < len(marks):
                self._write(kept)
        else:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

    def forget_messages(self) -> None:
        """Name no message any more: the person of one may be forgotten. Raises OSError."""
        marks = self._read()
        if any(mark.message_id for mark in marks.values()):
            self._put({name: msgspec.structs.replace(mark, message_id="") for name, mark in marks.items()})

    def _read(self) -> dict[str, HeldMark]:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=dict[str, HeldMark])
        except (OSError, msgspec.DecodeError):
            return {}

    def _write(self, marks: dict[str, HeldMark]) -> None:
        with suppress(OSError):
            self._put(marks)

    def _put(self, marks: dict[str, HeldMark]) -> None:
        durable.put(self._path, msgspec.json.encode(marks), owner=durable.owner_of(self._path.parent))


def _digest(destination: Destination) -> str:
    """Secrets are masked in the text of a table, so that the file tells nothing of them."""
    text = f"{destination.plugin_name}\n{destination.plugin_version}\n{destination.config.model_dump_json()}"
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
