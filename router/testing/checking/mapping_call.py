"""One call of `state_key`, or of a hook that makes items: what it returned, raised and did, held against what the router takes."""

from __future__ import annotations

import io
import logging
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from router.plugin import MAX_ITEMS, MAX_ITEMS_BYTES, Event, Item, Outcome, Pause, Reject, RetryLater, Skip
from router.plugin_host import Destination
from router.plugin_host.fault_place import said_by
from router.plugin_host.item_checks import ItemTooLarge, encoded, fault_of_json
from router.testing.checking.watch import Use, Watch

__all__ = ["Ears", "Key", "Made", "key_of", "make", "short"]

MAX_SHOWN = 160
_TEXT = logging.Formatter()
"""Message and traceback: as most handlers write them."""


@dataclass
class Made:
    """What came of one call."""

    hook: str
    label: str  #: of the event, the person or the timer
    is_replay: bool = False
    items: list[Item] = field(default_factory=list)  #: those that are JSON, each read from it
    outcome: Outcome | None = None  #: that it raised
    error: BaseException | None = None  #: anything else that it raised
    fault: str = ""  #: it returned what no mapping hook may return
    unfit: str = ""  #: an item is no JSON value, or does not read back as it was
    too_much: str = ""  #: more items, or larger ones, than the router takes
    uses: list[Use] = field(default_factory=list)
    refused: bool = False  #: something that it did was refused, so the rest says little
    printed: str = ""
    logged: list[str] = field(default_factory=list)
    spent_s: float = 0.0  #: of the processor

    @property
    def where(self) -> str:
        """For findings."""
        return f"hook {self.hook}, {self.label}"

    @property
    def came(self) -> str:
        """For findings."""
        if self.error is not None:
            return f"raised {type(self.error).__name__}: {short(self.error)}"
        if self.outcome is not None:
            return f"raised {short(self.outcome)}"
        return self.fault or self.unfit or self.too_much or f"made {short([item.body for item in self.items])}"

    @property
    def is_sound(self) -> bool:
        """Whether it made items or raised an outcome, as the contract says."""
        return not (self.error or self.fault or self.unfit or self.too_much or self.refused)

    @property
    def result(self) -> tuple[list[tuple[str, bytes]], str]:
        """What two calls with the same input have in common."""
        return [(item.kind, item.json) for item in self.items], repr(self.outcome)


@dataclass
class Key:
    """What came of one call of `state_key`."""

    value: Any = None
    error: BaseException | None = None
    uses: list[Use] = field(default_factory=list)
    refused: bool = False  #: see `Made`

    @property
    def text(self) -> str | None:
        """As a worker keeps state by it."""
        return None if self.value is None or self.error is not None else str(self.value)


def key_of(destination: Destination, event: Event, watch: Watch) -> Key:
    """Call `state_key`, where there is one. Whatever it raises is kept."""
    key = Key()
    if "state_key" in destination.hooks:
        with watch:
            try:
                key.value = destination.hooks["state_key"](event)
            except BaseException as error:  # a plugin may raise anything, SystemExit too
                key.error = error
        key.uses, key.refused = watch.taken()
    return key


def make(hook: str, label: str, call: Callable[[], object], watch: Watch, *, is_replay: bool = False) -> Made:
    """Call a hook and read all that it gives. Whatever it raises is kept."""
    made = Made(hook, label, is_replay=is_replay)
    with watch:
        began = time.thread_time()
        try:
            _read(call(), made)
        except (Skip, Reject, RetryLater, Pause) as outcome:
            made.outcome = outcome
        except BaseException as error:  # a plugin may raise anything, SystemExit too
            made.error = error
        made.spent_s = time.thread_time() - began
    made.uses, made.refused = watch.taken()
    return made


def _read(returned: object, made: Made) -> None:
    if isinstance(returned, Item):
        returned = [returned]
    if isinstance(returned, dict | str | bytes) or not isinstance(returned, Iterable):
        made.fault = f"returned {type(returned).__name__}"
        return
    room = MAX_ITEMS_BYTES
    for item in returned:
        if not isinstance(item, Item):
            made.fault = f"returned {type(item).__name__} among its items"
        elif len(made.items) == MAX_ITEMS:
            made.too_much = f"made more than {MAX_ITEMS:,} items"
        else:
            room -= _take(item, room, made)
        if made.fault or made.too_much:
            return


def _take(item: Item, room: int, made: Made) -> int:
    """The bytes of an item, which is kept."""
    try:
        json = encoded(item, room)
        made.unfit = made.unfit or fault_of_json(item.body, json)
    except ItemTooLarge:
        made.too_much = f"made more than {MAX_ITEMS_BYTES:,} bytes of items"
        return 0
    except Exception as error:  # a body may be of any type, with any code of its own
        made.unfit = made.unfit or f"an item cannot be written as JSON: {type(error).__name__}: {said_by(error)}"
        return 0
    made.items.append(Item.of_json(json, item.kind))
    return len(json)


class Ears(logging.Handler):
    """Hears what is printed and logged while the context is open."""

    def __init__(self) -> None:
        super().__init__(level=0)
        self._printed, self._logged = io.StringIO(), list[str]()
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        root = logging.getLogger()
        self._stack.enter_context(redirect_stdout(self._printed))
        self._stack.enter_context(redirect_stderr(self._printed))
        self._stack.callback(root.setLevel, root.level)
        self._stack.callback(root.handlers.__setitem__, slice(None), root.handlers[:])
        root.setLevel(1)
        root.handlers[:] = [self]  # pytest has one that keeps each line, which would look like a leak
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line of the log."""
        if not record.name.startswith("asyncio"):
            self._logged.append(_TEXT.format(record))

    def heard(self) -> tuple[str, list[str]]:
        """What was printed and what was logged since the last time."""
        printed, logged = self._printed.getvalue(), self._logged[:]
        self._printed.seek(0)
        self._printed.truncate()
        self._logged.clear()
        return printed, logged


def short(value: object) -> str:
    """A value for a finding."""
    try:
        is_error = isinstance(value, BaseException) and not isinstance(value, Outcome)
        words = str(value) if is_error or isinstance(value, str) else repr(value)
    except BaseException:  # whatever the value's own code raises
        words = f"a {type(value).__name__}"
    words = " ".join(words.split())
    return words if len(words) <= MAX_SHOWN else f"{words[:MAX_SHOWN]}…"
