"""Bad plugins: mapping, purity and state."""

from __future__ import annotations

import asyncio
import os
import random
import sys
import time
from datetime import datetime
from typing import Any

from router.plugin import Context, Event, Item, Reject, Skip, hookimpl
from tests.unit.testing.bad_plugins.good import Good, GoodSettings


class SendsNothing(Good):
    caught_by = "exercised"

    def item(self, event: Event, context: Context) -> Any:
        raise Skip("unsupported")


class TrustsProperties(Good):
    caught_by = "any_call"

    def body(self, event: Event) -> dict[str, Any]:
        return {**super().body(event), "value": float(event.properties.get("value", 0))}


class Exits(Good):
    caught_by = "no_base_exception"

    def body(self, event: Event) -> dict[str, Any]:
        if event.name == "</a>":
            sys.exit(3)
        return super().body(event)


class HasAnotherKind(Good):
    caught_by = "kinds_declared"

    def item(self, event: Event, context: Context) -> Any:
        return Item(self.body(event), "orders" if event.name == "Order Completed" else "")


class SendsInstants(Good):
    caught_by = "items_are_json"

    def body(self, event: Event) -> dict[str, Any]:
        return {**super().body(event), **({"at": event.timestamp} if event.name == "Order Completed" else {})}


class SendsTooMuch(Good):
    caught_by = "items_bounded"

    def body(self, event: Event) -> dict[str, Any]:
        return {**super().body(event), "history": "x" * (2_000_000 if event.name == "Order Completed" else 1)}


class GivesADetailThatIsNoText(Good):
    caught_by = "raised_outcomes"

    def item(self, event: Event, context: Context) -> Any:
        if event.name == "</a>":
            raise Reject("invalid_name", {"name": event.name})  # type: ignore[arg-type]
        return super().item(event, context)


class NamesPeopleInReasons(Good):
    caught_by = "reasons_are_words"

    @hookimpl
    def identify(self, event: Event, context: Context) -> Any:
        if not event.user_id:
            raise Skip(f"no user of {event.anonymous_id}")
        return self.item(event, context)


class PutsIdsIntoReasons(Good):
    caught_by = "reasons_are_words"

    @hookimpl
    def group(self, event: Event, context: Context) -> Any:
        raise Skip(f"unknown_{event.group_id}")


class PutsIdsIntoWarnings(Good):
    caught_by = "reasons_are_words"

    @hookimpl
    def identify(self, event: Event, context: Context) -> Any:
        if not event.user_id:
            context.warn(f"of_{event.anonymous_id}")
            raise Skip("no_user_id")
        return self.item(event, context)


class Counts(Good):
    caught_by = "deterministic"
    number = 0

    def body(self, event: Event) -> dict[str, Any]:
        self.number += 1
        return {**super().body(event), "number": self.number}


class SendsAllAsTheFirstUser(Good):
    """What an earlier event left on the instance. A second time, and in the same order elsewhere, it is the same."""

    caught_by = "deterministic"
    first: str | None = None

    def body(self, event: Event) -> dict[str, Any]:
        self.first = self.first or event.user_id
        return {**super().body(event), "user": self.first}


class ChangesEvents(Good):
    caught_by = "event_unchanged"

    def body(self, event: Event) -> dict[str, Any]:
        event.properties["seen"] = True  # type: ignore[index]
        return super().body(event)


class ChangesTraits(Good):
    caught_by = "known_unchanged"

    def item(self, event: Event, context: Context) -> Any:
        if context.user is not None:
            context.user.traits["seen"] = True  # type: ignore[index]
        return super().item(event, context)


class FailsAtReplays(Good):
    caught_by = "replay"

    def body(self, event: Event) -> dict[str, Any]:
        return {**super().body(event), **({"again": 1 // 0} if event.is_replay else {})}


class NamesReplaysAnew(Good):
    caught_by = "replay"

    def body(self, event: Event) -> dict[str, Any]:
        id = f"{event.message_id}-again" if event.is_replay else event.message_id
        return {**super().body(event), "id": id}


# ---------------------------------------------------------------- purity


class LooksIntoAFolder(Good):
    caught_by = "mapping_without_io"

    def body(self, event: Event) -> dict[str, Any]:
        os.listdir(os.curdir)
        return super().body(event)


class ReadsTheClock(Good):
    caught_by = "mapping_without_clock"

    def body(self, event: Event) -> dict[str, Any]:
        datetime.now(event.received_at.tzinfo)
        return super().body(event)


class ThrowsDice(Good):
    caught_by = "mapping_without_chance"

    def body(self, event: Event) -> dict[str, Any]:
        random.random()
        return super().body(event)


class Sleeps(Good):
    caught_by = "mapping_never_waits"

    def body(self, event: Event) -> dict[str, Any]:
        time.sleep(1)
        return super().body(event)


class StartsTasks(Good):
    caught_by = "mapping_starts_nothing"

    def body(self, event: Event) -> dict[str, Any]:
        self.task = asyncio.get_running_loop().create_task(asyncio.sleep(0))
        return super().body(event)


class StopsTheLoop(Good):
    caught_by = "process_unharmed"

    def body(self, event: Event) -> dict[str, Any]:
        asyncio.get_running_loop().stop()
        return super().body(event)


class Prints(Good):
    caught_by = "nothing_printed"

    def body(self, event: Event) -> dict[str, Any]:
        print("mapped", event.name)
        return super().body(event)


class PrintsNowAndThen(Good):
    caught_by = "nothing_printed"
    number = 0

    def body(self, event: Event) -> dict[str, Any]:
        self.number += 1
        if event.message_id == "m-500":
            print("mapped", self.number)
        return super().body(event)


class LooksIntoAFolderNowAndThen(Good):
    caught_by = "mapping_without_io"

    def body(self, event: Event) -> dict[str, Any]:
        if event.message_id == "m-500":
            os.listdir(os.curdir)
        return super().body(event)


class FailsNowAndThen(Good):
    caught_by = "any_call"

    def body(self, event: Event) -> dict[str, Any]:
        return {**super().body(event), "part": 1 / (event.message_id != "m-500")}


class Computes(Good):
    caught_by = "mapping_fast"

    def body(self, event: Event) -> dict[str, Any]:
        return {**super().body(event), "sum": sum(range(8_000_000 if len(event.properties) > 500 else 8))}


class SleepsWhenItIsMade(Good):
    caught_by = "init_quiet"

    def __init__(self, settings: GoodSettings) -> None:
        super().__init__(settings)
        time.sleep(8)


# ---------------------------------------------------------------- state


class HasNumbersAsKeys(Good):
    caught_by = "state_key_text"

    def key(self, event: Event) -> Any:
        return 7 if event.user_id == "0" else super().key(event)


class HasKeysOfAnInstance(Good):
    caught_by = "state_key_stable"

    def key(self, event: Event) -> Any:
        return f"{super().key(event)} {id(self)}"


class HasStateWithoutKey(Good):
    caught_by = "state_has_key"

    @hookimpl
    def page(self, event: Event, context: Context) -> Any:
        self.remember(event, context)
        return self.item(event, context)


class ForgetsToAssign(Good):
    caught_by = "state_assigned"

    def remember(self, event: Event, context: Context) -> None:
        if context.state is None:
            context.state = {"events": 0}
        else:
            context.state["events"] += 1


class KeepsTooMuch(Good):
    caught_by = "state_fits"

    def remember(self, event: Event, context: Context) -> None:
        super().remember(event, context)
        if event.name == "Order Completed":
            context.state = {**context.state, "order": "x" * 10_000}


class KeepsEveryId(Good):
    caught_by = "state_bounded"

    def remember(self, event: Event, context: Context) -> None:
        kept = context.state or {"events": 0, "ids": []}
        context.state = {"events": kept["events"] + 1, "ids": [*kept["ids"], event.message_id]}


class KeepsPeopleTogether(Good):
    caught_by = "state_per_person"

    def key(self, event: Event) -> Any:
        return "the latest"

    def remember(self, event: Event, context: Context) -> None:
        super().remember(event, context)
        context.state = {**context.state, "user": event.user_id}


class RingsForEver(Good):
    caught_by = "timers"

    @hookimpl
    def wake(self, key: str, at: datetime, context: Context) -> Any:
        context.wake(at)
        return super().wake(key, at, context)
