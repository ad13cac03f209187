"""Good plugins for vendors that want something unusual: the check that may not refuse each is `passes`."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from router.plugin import (
    Answer,
    Batch,
    Context,
    Delivered,
    Event,
    Item,
    Outcome,
    Request,
    RetryLater,
    Sender,
    UserId,
    by_status,
    hookimpl,
    json_request,
    raise_for_status,
)
from router.testing import Received, Reply
from tests.unit.testing.bad_plugins.good import DELETE, Good

TOKEN = Reply(json={"access_token": "token-of-a-vendor", "expires_in": 3600})
ONE_BY_ONE: Mapping[str, Batch] = {"": Batch(), DELETE: Batch()}


class KeysItsWorkspace(Good):
    """`request` does not know the workspace, and `deliver` looks it up: the key is of the items in both."""

    passes = "idempotency_keys"

    def build(self, items: list[Item], token: str, workspace: str = "ID") -> Request:
        headers = {
            "Authorization": f"Bearer {token}",
            "Idempotency-Key": hashlib.sha256(b"".join(item.json for item in items)).hexdigest(),
        }
        url = f"{self.settings.base_url}/workspaces/{workspace}/{items[0].kind or 'events'}"
        return json_request(url, [item.body for item in items], headers=headers)

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        answer = await self.token.send(sender, lambda token: self.build(items, token, "w1"))
        return by_status(answer, len(items))


class ListsEachType(Good):
    """A vendor that takes a list of users and a list of events in one request."""

    passes = "batch_keeps_order"

    def build(self, items: list[Item], token: str) -> Request:
        lists: dict[str, list[Any]] = {"users": [], "events": []}
        for item in items:
            lists["events" if item.body.get("name") else "users"].append(item.body)
        headers = {"Authorization": f"Bearer {token}"}
        return json_request(f"{self.settings.base_url}/batch", lists, headers=headers)


class SortsByUser(Good):
    passes = "batch_keeps_order"

    def build(self, items: list[Item], token: str) -> Request:
        return super().build(sorted(items, key=lambda item: str(item.body.get("user"))), token)


class SortsByAnonymousUser(Good):
    """Takes calls of anonymous users, too."""

    passes = "batch_keeps_order"
    requires: Mapping[str, tuple[UserId, ...]] = {}
    options: ClassVar[dict[str, Any]] = {
        "calls": [{"type": "track", "event": "Hello", "anonymousId": id} for id in ("b-visitor", "a-visitor")]
    }

    def body(self, event: Event) -> dict[str, Any]:
        return {**super().body(event), "user": event.user_id or event.anonymous_id}

    def build(self, items: list[Item], token: str) -> Request:
        return super().build(sorted(items, key=lambda item: str(item.body.get("user"))), token)


def subscribes(seen: Received) -> Reply:
    if seen.url.endswith("/token"):
        return TOKEN
    members = [{"email_address": one.get("user"), "status": "subscribed"} for one in seen.json()]
    return Reply(json={"new_members": members, "errors": []})


class ReadsOnlyErrors(Good):
    """The answer tells who was added as it was asked to, and names apart who was not."""

    passes = "results_by_item"
    options: ClassVar[dict[str, Any]] = {"vendor": subscribes}

    def body(self, event: Event) -> dict[str, Any]:
        return {**super().body(event), "status": "subscribed"}

    def read(self, items: list[Item], answer: Answer) -> Any:
        told = answer.json()
        if answer.status == 200 and isinstance(told, dict) and told.get("errors"):
            return RetryLater("some_failed", for_s=60)
        return by_status(answer, len(items))


class Unsubscribes(Good):
    """A subscription that is not there is none."""

    passes = "errors_not_delivered"
    kinds = ONE_BY_ONE

    def build(self, items: list[Item], token: str) -> Request:
        place = hashlib.sha256(items[0].json).hexdigest()
        url = f"{self.settings.base_url}/subscriptions/{place}"
        return Request(url, "DELETE", {"Authorization": f"Bearer {token}"})

    def read(self, items: list[Item], answer: Answer) -> Any:
        return Delivered() if answer.status == 404 else by_status(answer, len(items))


def knows_its_address(seen: Received) -> Reply:
    if seen.url == "https://api.example.com/v1/token":
        return TOKEN
    return {"events": Reply(202), "deletions": Reply(204)}[seen.url.removeprefix("https://api.example.com/v1/")]


class HasAVendorThatKnowsItsAddress(Good):
    passes = "instances_apart"
    options: ClassVar[dict[str, Any]] = {"vendor": knows_its_address}
    given: ClassVar[dict[str, Any]] = {"base_url": "https://api.example.com/v1"}


class KeepsStateByEmail(Good):
    """Which is in the state, too."""

    passes = "state_per_person"

    @hookimpl
    def state_key(self, event: Event) -> Any:
        return event.traits.get("email")

    @hookimpl
    def identify(self, event: Event, context: Context) -> Any:
        if event.traits.get("email"):
            context.state = {"email": event.traits["email"]}
        return self.item(event, context)

    @hookimpl
    def track(self, event: Event, context: Context) -> Any:
        return self.item(event, context)


class AsksFiveTimes(Good):
    """Whether the job is done."""

    passes = "own_retries"

    async def send(self, items: list[Item], sender: Sender) -> Outcome | Sequence[Outcome]:
        raise_for_status(await self.token.send(sender, lambda token: self.build(items, token)), len(items))
        token = await self.token.get(sender)
        for _ in range(5):
            job = Request(f"{self.settings.base_url}/jobs/7", "GET", {"Authorization": f"Bearer {token}"})
            raise_for_status(await sender.send(job), len(items))
        return Delivered()


class SignsInTheQuery(Good):
    passes = "request_repeats"

    def build(self, items: list[Item], token: str) -> Request:
        built, now = super().build(items, token), time.time_ns()
        signature = hashlib.sha256(f"{now}{token}".encode()).hexdigest()
        return Request(f"{built.url}?timestamp={now}&sign={signature}", headers=built.headers, body=built.body)
