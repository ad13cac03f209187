"""The hook `check`, called while all is well and while it is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.plugin import JSON
from router.testing.checking.life import Life, open_life
from router.testing.checking.loops import KitLoop, finished
from router.testing.checking.standard_answers import ANSWERS, GOOD
from router.testing.replies import Answers, Received

if TYPE_CHECKING:
    from router.testing.checking.subject import Subject

__all__ = ["Checked", "checked", "checked_with"]

TRIED = ("401", "500", "a reset")


@dataclass(frozen=True)
class Checked:
    """One call."""

    answer: str  #: by its name
    requests: list[Received]
    result: object  #: what it returned or raised


async def checked(subject: Subject, loop: KitLoop) -> list[Checked]:
    """A call with a success, then with each of the answers that it must call bad; each at a new instance."""
    if "check" not in subject.destination.hooks:
        return []
    answers: dict[str, Answers] = {GOOD: subject.good, **{name: ANSWERS[name](1) for name in TRIED}}
    return [await _called(subject, loop, name, answer) for name, answer in answers.items()]


async def checked_with(subject: Subject, loop: KitLoop, settings: Mapping[str, JSON]) -> Checked:
    """A call with a success, of an instance with these settings in place of others."""
    return await _called(subject, loop, GOOD, subject.good, settings)


async def _called(
    subject: Subject, loop: KitLoop, name: str, answer: Answers, settings: Mapping[str, JSON] | None = None
) -> Checked:
    async with open_life(subject, loop, settings) as life:
        life.vendor.answer = answer
        task = await finished(_result(life))
        task.cancel()
        return Checked(name, list(life.vendor.requests), task.result() if task.done() else "it never ended")


async def _result(life: Life) -> object:
    try:
        return await life.check()
    except BaseException as error:  # a plugin may raise anything
        return error
