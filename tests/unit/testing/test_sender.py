"""The Sender of the kit is the router's: what it says of a vendor's answers, and what it masks."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from router.plugin import Delivered, Item, Outcome, Pause, Reject, Request, RetryLater, Sender, hookimpl
from router.testing import FakeVendor, Garbage, PluginSender, Redirect, Reply, Reset, ShortBody, open_sender
from tests.unit.testing.greeter import Greeter

SECRET = "T-4711-secret"
ITEM = Item({"who": "u1"})


@pytest.fixture
async def sender(fake_vendor: FakeVendor) -> AsyncIterator[PluginSender]:
    async with open_sender(Greeter, {"token": SECRET}, fake_vendor) as sender:
        yield sender


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(204), Delivered()),
        (ShortBody(), Delivered()),
        (Garbage(), Delivered()),
        (Reply(503), RetryLater("status_503", "{}")),
        (Reply(429, headers={"Retry-After": "7"}), RetryLater("status_429", "{}", after_s=7.0)),
        (Reply(401), Pause("credentials", "status 401: {}")),
        (Reply(422), Reject("rejected", "status_422: {}")),
        (Redirect(), Pause("set_up", "status 302: a redirect; is base_url right?")),
    ],
    ids=str,
)
async def test_items_are_sent_once_and_the_answer_read(
    sender: PluginSender, fake_vendor: FakeVendor, reply: Reply, outcome: Outcome
) -> None:
    if reply.status not in (200, 204, 302):
        reply = Reply(reply.status, json={}, headers=reply.headers)
    fake_vendor.script(reply)
    assert await sender.deliver([ITEM]) == [outcome]
    (seen,) = fake_vendor.requests
    assert (seen.url, seen.json()) == ("https://greeter.example.com/events", {"who": "u1"})


async def test_a_reset_is_tried_later(sender: PluginSender, fake_vendor: FakeVendor) -> None:
    fake_vendor.default = Reset()
    (outcome,) = await sender.deliver([ITEM])
    assert isinstance(outcome, RetryLater)
    assert outcome.reason == "connection"


async def test_what_the_plugin_reads_is_whole_and_what_is_shown_is_masked(
    sender: PluginSender, fake_vendor: FakeVendor
) -> None:
    fake_vendor.default = Reply(200, json={"echo": [SECRET, "told-at-run-time"]})
    sender.secret("told-at-run-time")
    answer = await sender.send(Request("https://greeter.example.com/me"))
    assert answer.json() == {"echo": [SECRET, "told-at-run-time"]}
    assert sender.shown(answer.body.decode()) == '{"echo":["***","***"]}'


class Checking(Greeter):
    """With a check and a lifetime."""

    is_open = False

    @hookimpl
    async def lifetime(self) -> AsyncIterator[None]:
        self.is_open = True
        yield
        self.is_open = False

    @hookimpl
    async def check(self, sender: Sender) -> str:
        return f"open: {self.is_open}, {(await sender.send(Request('https://x.test/me'))).status}"


async def test_check_runs_inside_the_lifetime(fake_vendor: FakeVendor) -> None:
    async with open_sender(Checking, {"token": SECRET}, fake_vendor) as sender:
        assert await sender.check() == "open: True, 200"
        plugin = sender.plugin
    assert not plugin.is_open


async def test_a_url_without_a_host_is_refused_as_in_the_router(fake_vendor: FakeVendor) -> None:
    async with open_sender(Greeter, {"token": SECRET, "base_url": "greeter"}, fake_vendor) as sender:
        (outcome,) = await sender.deliver([ITEM])
    assert isinstance(outcome, Pause)
    assert (outcome.reason, fake_vendor.requests) == ("set_up", [])
