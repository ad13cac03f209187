"""What an operator may ask of a destination, as records: they can be asked of one process and carried out by another one, which has the
destination."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, ClassVar, NamedTuple, Protocol

import msgspec

from router.deliver.operations import Shown
from router.deliver.replay_order import ReplayOrder as ReplayOrder
from router.store import DeadLetterFilter, Regulation, Status, Tool


class Changed(NamedTuple):
    """The state of a destination before and after a command."""

    was: Status
    now: Status


class Verbs(Protocol):
    """Who carries commands out: see `Runner`."""

    async def regulation(self, regulation_id: str) -> Regulation: ...

    async def pause(self, words: str = "") -> Changed: ...

    async def resume(self) -> Changed: ...

    async def release(self, key: str, group: Mapping[str, Any] | None) -> int: ...

    async def drop(self, key: str, shown: Shown | None = None) -> int: ...

    async def replay(self, order: ReplayOrder) -> dict[str, Any]: ...

    async def stop_replay(self) -> dict[str, Any]: ...

    async def drop_letters(self, which: DeadLetterFilter, pos: int | None = None) -> int: ...

    async def forget(self, regulation: Regulation) -> None: ...

    async def forget_answers(self, regulation: Regulation) -> None: ...

    async def ask_to_delete(self, regulation: Regulation) -> Tool: ...

    async def drop_deletions(self, positions: Sequence[int]) -> None: ...


class _Command(msgspec.Struct, frozen=True, tag=True):
    """`ANSWER`: the type of its answer. `IS_TAKEN_UP`: the next owner does what its owner has not stored of it."""

    ANSWER: ClassVar[Any] = None
    IS_TAKEN_UP: ClassVar[bool] = True


class Pause(_Command, frozen=True):
    """See `Runner.pause`."""

    words: str = ""
    ANSWER: ClassVar[Any] = Changed

    def of(self, runner: Verbs) -> Awaitable[Any]:
        """Have it carried out."""
        return runner.pause(self.words)


class Resume(_Command, frozen=True):
    """See `Runner.resume`."""

    ANSWER: ClassVar[Any] = Changed

    def of(self, runner: Verbs) -> Awaitable[Any]:
        """Have it carried out."""
        return runner.resume()


class Release(_Command, frozen=True):
    """See `Runner.release`."""

    key: str
    group: dict[str, Any] | None
    ANSWER: ClassVar[Any] = int

    def of(self, runner: Verbs) -> Awaitable[Any]:
        """Have it carried out."""
        return runner.release(self.key, self.group)


class Drop(_Command, frozen=True):
    """See `Runner.drop`."""

    key: str
    shown: Shown | None
    ANSWER: ClassVar[Any] = int

    def of(self, runner: Verbs) -> Awaitable[Any]:
        """Have it carried out."""
        return runner.drop(self.key, self.shown)


class Replay(_Command, frozen=True):
    """See `Runner.replay`."""

    order: ReplayOrder
    ANSWER: ClassVar[Any] = dict[str, Any]

    def of(self, runner: Verbs) -> Awaitable[Any]:
        """Have it carried out."""
        return runner.replay(self.order)


class StopReplay(_Command, frozen=True):
    """See `Runner.stop_replay`."""

    ANSWER: ClassVar[Any] = dict[str, Any]

    def of(self, runner: Verbs) -> Awaitable[Any]:
        """Have it carried out."""
        return runner.stop_replay()


class DropLetters(_Command, frozen=True):
    """See `Runner.drop_letters`."""

    which: DeadLetterFilter
    pos: int | None
    ANSWER: ClassVar[Any] = int

    def of(self, runner: Verbs) -> Awaitable[Any]:
        """Have it carried out."""
        return runner.drop_letters(self.which, self.pos)


class Forget(_Command, frozen=True):
    """See `Runner.forget`."""

    regulation: str

    async def of(self, runner: Verbs) -> None:
        """Have it carried out."""
        await runner.forget(await runner.regulation(self.regulation))


class ForgetAnswers(_Command, frozen=True):
    """See `Runner.forget_answers`."""

    regulation: str

    async def of(self, runner: Verbs) -> None:
        """Have it carried out."""
        await runner.forget_answers(await runner.regulation(self.regulation))


class AskToDelete(_Command, frozen=True):
    """See `Runner.ask_to_delete`. What is left of an attempt that ended half way whoever asked takes back first."""

    regulation: str
    ANSWER: ClassVar[Any] = Tool
    IS_TAKEN_UP: ClassVar[bool] = False

    async def of(self, runner: Verbs) -> Tool:
        """Have it carried out."""
        return await runner.ask_to_delete(await runner.regulation(self.regulation))


class DropDeletions(_Command, frozen=True):
    """See `Runner.drop_deletions`."""

    positions: list[int]

    def of(self, runner: Verbs) -> Awaitable[Any]:
        """Have it carried out."""
        return runner.drop_deletions(self.positions)


Command = (
    Pause
    | Resume
    | Release
    | Drop
    | Replay
    | StopReplay
    | DropLetters
    | Forget
    | ForgetAnswers
    | AskToDelete
    | DropDeletions
)
ENDS_WORKER = Forget | ForgetAnswers | DropDeletions
"""These wait for what is in flight."""


class Ticket:
    """One taking of a command that the store has. Its answer is stored by the commit that stores its effect, so that both are there or
    neither; under another epoch it is another owner's to carry out."""

    def __init__(self, id: int, epoch: int, reached: Any = None) -> None:
        """`reached`: what an owner before has stored of a command that takes several commits; None for nothing."""
        self.id, self.epoch, self.reached = id, epoch, reached
        self.is_booked = False


TICKET: ContextVar[Ticket | None] = ContextVar("ticket", default=None)
"""That of the command which is being carried out. None: whoever asked waits for it in this process."""


def reached() -> Any:
    """What an owner before has stored of this command."""
    ticket = TICKET.get()
    return ticket.reached if ticket is not None else None
