"""The vendor of the conformance checks answers like the fake vendor of tests, which is a real server."""

from __future__ import annotations

import pytest

from router.plugin import Answer, Pause, Reject, Request, RetryLater
from router.testing import FakeVendor, Garbage, Hang, Reply, ShortBody, Slow
from router.testing.around import make_destination
from router.testing.checking.vendor_in_memory import MadeUpVendor
from router.testing.clock import FakeClock
from router.testing.sender import PluginSender, open_sender
from tests.unit.testing.bad_plugins.good import Good

SETTINGS = {"token": "a-secret-of-the-test"}
OF_A_CONNECTION = ("date", "server", "content-length")
MORE = [
    Reply(204),
    Reply(429, headers={"Retry-After": "7"}),
    Reply(json={"created": 1}),
    Reply(body=b"fine", headers={"content-type": "text/plain"}),
    Garbage(status=500),
    ShortBody(status=500),
]
KINDS: list[type[Reply]] = [Reply, *(kind for kind in Reply.__subclasses__() if kind is not Hang)]
"""A time-out passes at once in one of them only."""
EVERY_KIND = [Slow(delay_s=0) if kind is Slow else kind() for kind in KINDS]


@pytest.mark.parametrize("reply", [*EVERY_KIND, *MORE], ids=lambda reply: f"{type(reply).__name__} {reply.status}")
async def test_a_plugin_gets_the_same_answer_from_both(reply: Reply) -> None:
    async with FakeVendor(reply) as vendor, open_sender(Good, SETTINGS, vendor) as sender:
        real = await _got(sender)
    made_up = await _got(PluginSender(make_destination(Good, SETTINGS), MadeUpVendor(reply), FakeClock()))
    assert made_up == real


async def _got(sender: PluginSender) -> object:
    try:
        answer: Answer = await sender.send(Request("https://good.example.com/events"))
    except (Pause, Reject, RetryLater) as outcome:
        return type(outcome), outcome.reason
    headers = {name: value for name, value in answer.headers.items() if name not in OF_A_CONNECTION}
    return answer.status, headers, answer.body
