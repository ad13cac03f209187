"""Bad plugins: batches, and the results of single items."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any

from router.plugin import JSON, Delivered, Event, Item, Outcome, Request, RetryLater, Sender, json_request
from tests.unit.testing.bad_plugins.also_good import ReadsAMixedBatch
from tests.unit.testing.bad_plugins.good import Good, ReadsResults


class SendsTheFirst(Good):
    caught_by = "batch_is_whole"

    def build(self, items: list[Item], token: str) -> Request:
        return super().build(items[:1], token)


class LosesAllAfterTheSecond(Good):
    caught_by = "batch_is_whole"

    def build(self, items: list[Item], token: str) -> Request:
        return super().build(items[:2], token)


class HasTheCompanyOfTheFirst(Good):
    """In the URL of all."""

    caught_by = "batch_is_whole"

    def body(self, event: Event) -> dict[str, Any]:
        return {**super().body(event), "company": event.group_id}

    def build(self, items: list[Item], token: str) -> Request:
        built = super().build(items, token)
        events = [{name: value for name, value in item.body.items() if name != "company"} for item in items]
        url = f"{built.url}/{items[0].body.get('company') or 'none'}"
        return json_request(url, events, headers=built.headers)


class Sorts(Good):
    caught_by = "batch_keeps_order"

    def build(self, items: list[Item], token: str) -> Request:
        return super().build(sorted(items, key=lambda item: item.json), token)


class Reverses(Good):
    caught_by = "batch_keeps_order"

    def build(self, items: list[Item], token: str) -> Request:
        return super().build(items[::-1], token)


class SortsByType(Good):
    """Into one list: what a user did, and then who it is."""

    caught_by = "batch_keeps_order"

    def build(self, items: list[Item], token: str) -> Request:
        return super().build(sorted(items, key=lambda item: item.body.get("name") is None), token)


# ---------------------------------------------------------------- a request for each item


class SendsOneByOne(Good):
    """Each with an outcome of its own. After a failure the rest waits for the next attempt."""

    caught_by = "batch_is_one_request"

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        outcomes: list[Outcome] = []
        for item in items:
            if outcomes and not isinstance(outcomes[-1], Delivered):
                outcomes.append(outcomes[-1])
            else:
                outcomes.append(await self.send_alone(item, sender))
        return outcomes

    async def send_alone(self, item: Item, sender: Sender) -> Outcome:
        answer = await self.token.send(sender, lambda token: self.build([item], token))
        outcome: Outcome = self.read([item], answer)
        return outcome


class SendsOneByOneToItsPlace(SendsOneByOne):
    caught_by = "batch_is_one_request"

    def build(self, items: list[Item], token: str) -> Request:
        built = super().build(items, token)
        place = hashlib.sha256(items[0].json).hexdigest()
        return Request(f"{built.url}/{place}", method="PUT", headers=built.headers, body=built.body)


class SendsAllAtOnce(SendsOneByOne):
    caught_by = "batch_is_one_request"

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        return await asyncio.gather(*(self.send_alone(item, sender) for item in items))


# ---------------------------------------------------------------- results


class FindsResultsByUser(ReadsResults):
    """Of two items of one user both get the result of the second one."""

    caught_by = "results_by_item"

    def results_for(self, items: list[Item], results: list[JSON]) -> list[JSON]:
        by_user = {result.get("user"): result for result in results if isinstance(result, dict)}
        return [by_user.get(item.body.get("user")) for item in items]


class BlamesTheUser(ReadsResults):
    """It counts the results, and then rejects all items of a user of whom one was refused."""

    caught_by = "results_by_item"

    def results_for(self, items: list[Item], results: list[JSON]) -> list[JSON]:
        if len(results) != len(items) or not all(isinstance(result, dict) for result in results):
            return [None for _ in items]
        refused = {result.get("user") for result in results if not result.get("ok")}
        return [{"ok": item.body.get("user") not in refused, "error": "refused"} for item in items]


class GroupsByUser(ReadsResults):
    """It sends what belongs to a user together, and gives the outcomes in that order."""

    caught_by = "results_by_item"

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        return await super().send(sorted(items, key=lambda item: str(item.body.get("user"))), sender)

    def results_for(self, items: list[Item], results: list[JSON]) -> list[JSON]:
        return results if len(results) == len(items) else [None for _ in items]


class IsPleasedWithAnyResult(ReadsResults):
    """What the result says is not looked at."""

    caught_by = "results_by_item"

    def outcome_of(self, result: JSON) -> Outcome:
        return Delivered() if isinstance(result, dict) else RetryLater("unreadable_answer")


class MissesNoResult(ReadsResults):
    """An item without a result counts as delivered."""

    caught_by = "results_by_item"

    def results_for(self, items: list[Item], results: list[JSON]) -> list[JSON]:
        if not all(isinstance(result, dict) and isinstance(result.get("id"), str) for result in results) or not results:
            return super().results_for(items, results)
        by_id = {result["id"]: result for result in results}
        return [by_id.get(item.body.get("id"), {"ok": True}) for item in items]


class ZipsTheListsOfAMixedBatch(ReadsAMixedBatch):
    """It gives the results of people and then those of events to the items as they came."""

    caught_by = "results_by_item"

    def in_order(self, items: list[Item], people: list[JSON], events: list[JSON]) -> list[JSON]:
        return [*people, *events]


class TrustsEachIdToBeThere(ReadsResults):
    caught_by = "results_by_item"

    def results_for(self, items: list[Item], results: list[JSON]) -> list[JSON]:
        by_id = {result.get("id"): result for result in results if isinstance(result, dict) and "user" in result}
        return [by_id[item.body.get("id")] for item in items] if by_id else [None for _ in items]
