"""What the conformance checks see of a plugin: nothing that it does reaches the machine, and no check depends on another one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest

from router.plugin import Answer, Context, Event, Item, Outcome, Sender, hookimpl
from router.testing.checking.check import SENDING, Check
from router.testing.checking.report import FAILED, Runner
from router.testing.checking.subject import Subject
from router.testing.checks import CHECKS
from tests.sampled import every
from tests.unit.testing.bad_plugins.good import Good

pytestmark = [pytest.mark.long, pytest.mark.usefixtures("prepared_apart")]
SETTINGS = {"token": "a-secret-of-the-test"}
BY_NAME = {check.name: check for check in CHECKS}


class Writes(Good):
    """Appends the name of each hook to a file, and hides that it may not."""

    path: ClassVar[Path]

    def __init__(self, settings: Any) -> None:
        self.write("__init__")
        super().__init__(settings)

    def write(self, hook: str) -> None:
        with contextlib.suppress(OSError), self.path.open("a") as file:
            file.write(f"{hook}\n")

    def key(self, event: Event) -> Any:
        self.write("state_key")
        return super().key(event)

    def item(self, event: Event, context: Context) -> Any:
        self.write(event.type)
        return super().item(event, context)

    def build(self, items: list[Item], token: str) -> Any:
        self.write("request")
        return super().build(items, token)

    def read(self, items: list[Item], answer: Answer) -> Any:
        self.write("verdict")
        return super().read(items, answer)

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        self.write("deliver")
        return await super().send(items, sender)

    @hookimpl
    async def check(self, sender: Sender) -> str:
        self.write("check")
        return await Good.check(self, sender)

    @hookimpl
    async def lifetime(self) -> AsyncIterator[None]:
        self.write("lifetime")
        yield


def test_no_hook_writes_a_file_in_any_check(tmp_path: Path) -> None:
    plugin = type("WritesHere", (Writes,), {"path": tmp_path / "written", "__module__": __name__})
    subject = Subject(plugin, SETTINGS)
    for check in CHECKS:  # each of them, whatever the others found
        with contextlib.suppress(Exception):
            list(check.find(subject))
    assert list(tmp_path.iterdir()) == []


class WritesInStateKey(Good):
    def key(self, event: Event) -> Any:
        Path("written").write_text("a key")
        return super().key(event)


class LooksAtTheClockInStateKey(Good):
    def key(self, event: Event) -> Any:
        time.time()
        return super().key(event)


@pytest.mark.parametrize(
    ("plugin", "name"),
    [(WritesInStateKey, "mapping_without_io"), (LooksAtTheClockInStateKey, "mapping_without_clock")],
)
def test_what_state_key_does_is_told_of_state_key_and_of_no_other_hook(plugin: type[Good], name: str) -> None:
    subject = Subject(plugin, SETTINGS)
    told = {check.name: list(check.find(subject)) for check in CHECKS if check.theme in ("mapping", "purity")}
    assert [check for check, findings in told.items() if findings] == [name]
    assert {words.partition(",")[0] for words in told[name]} == {"hook state_key"}


def _block() -> None:
    time.sleep(1)


def _write() -> None:
    Path("written").write_text("checked")


class MisbehavesInCheck(Good):
    @hookimpl
    async def check(self, sender: Sender) -> str:
        print("looking")
        logging.getLogger("good").warning("with %s", self.settings.token.get_secret_value())
        _block()
        asyncio.get_running_loop().stop()
        with contextlib.suppress(OSError):
            _write()
        return await Good.check(self, sender)


class MisbehavesAtItsEnd(Good):
    @hookimpl
    async def lifetime(self) -> AsyncIterator[None]:
        yield
        print("the end")
        _block()


SEES_IT = {
    MisbehavesInCheck: [
        "nothing_printed", "only_by_sender", "process_unharmed", "secrets_not_in_words", "sending_never_blocks",
    ],
    MisbehavesAtItsEnd: ["nothing_printed", "sending_never_blocks"],
}  # fmt: skip


OF_DELIVERIES = [
    check for check in CHECKS if check.name in {*SEES_IT[MisbehavesInCheck], *SENDING} or check.theme == "delivering"
]


@pytest.mark.parametrize(
    "checks", [pytest.param(OF_DELIVERIES, id="of deliveries"), pytest.param(CHECKS, id="all", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("plugin", every(2, SEES_IT))
def test_a_check_finds_the_same_when_it_is_the_only_one_the_first_and_the_last(
    plugin: type[Good], checks: Sequence[Check]
) -> None:
    alone = [
        name
        for name in sorted(BY_NAME)
        if name in SEES_IT[plugin] and _fails(Runner(Subject(plugin, SETTINGS), CHECKS), BY_NAME[name])
    ]
    assert alone == SEES_IT[plugin]
    for order in (checks, checks[::-1]):
        runner = Runner(Subject(plugin, SETTINGS), CHECKS)
        assert sorted(check.name for check in order if _fails(runner, check)) == SEES_IT[plugin]


def _fails(runner: Runner, check: Check) -> bool:
    return runner.result(check).result == FAILED
