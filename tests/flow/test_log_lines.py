"""What the log says of one event, from its acceptance to its end: which lines, in which order, with which fields."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from router.testing.vendor import FakeVendor, Reply
from tests.flow.harness import Daemon, Table, destination

HEAD = ["timestamp", "level", "event"]
EVENT = ["message_id", "source", "user_key", "type"]


def collector(vendor: FakeVendor, **settings: bool) -> Table:
    """A collector, pointed at a vendor of ours."""
    return destination("crm", "collector", {"base_url": vendor.url, **settings})


def told(daemon: Daemon, message_id: str) -> list[tuple[str, str | None, str | None]]:
    """Name, outcome and reason of the lines about a message, in order."""
    lines = [line for line in daemon.log() if line.get("message_id") == message_id]
    return [(line["event"], line.get("outcome"), line.get("reason")) for line in lines]


def line(daemon: Daemon, name: str) -> Mapping[str, Any]:
    """The one line of this name."""
    (found,) = daemon.log(name)
    return found


async def test_an_event_that_is_delivered_at_once_has_three_lines_that_say_whose_it_is(tmp_path: Path) -> None:
    async with FakeVendor(Reply(200, json={})) as vendor, Daemon(tmp_path, [collector(vendor)]) as daemon:
        await daemon.post("track", userId="u1", event="E", messageId="m1", properties={"n": 1})
        await daemon.settled()
        assert await daemon.terminate() == 0
        assert told(daemon, "m1") == [
            ("event_accepted", None, None),
            ("decision_made", "deliver", ""),
            ("event_delivered", None, ""),
        ]
        assert list(line(daemon, "event_accepted")) == [*HEAD, *EVENT]
        assert list(line(daemon, "decision_made")) == [*HEAD, "destination", *EVENT, "outcome", "reason"]
        assert list(line(daemon, "event_delivered")) == [*HEAD, "destination", *EVENT, "reason"]
        for name in ("event_accepted", "decision_made", "event_delivered"):
            assert [line(daemon, name)[field] for field in EVENT] == ["m1", "website", "user:u1", "track"]


async def test_an_event_that_waits_for_its_group_is_held_released_and_delivered(tmp_path: Path) -> None:
    async with FakeVendor(Reply(200, json={})) as vendor, Daemon(tmp_path, [collector(vendor, gated=True)]) as daemon:
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await daemon.becomes("m1", "crm", "held")
        await daemon.post("group", userId="u1", groupId="acme", traits={"name": "Acme"}, messageId="g1")
        await daemon.emptied()
        assert await daemon.terminate() == 0
        assert told(daemon, "m1") == [
            ("event_accepted", None, None),
            ("decision_made", "held", "group_unknown"),
            ("event_released", None, None),
            ("event_delivered", None, ""),
        ]


async def test_an_event_that_is_tried_again_says_how_often_and_one_that_is_refused_is_dead(tmp_path: Path) -> None:
    """What waited behind it is told of when its turn comes, and once."""
    async with FakeVendor(Reply(200, json={})) as vendor, Daemon(tmp_path, [collector(vendor)]) as daemon:
        vendor.script(Reply(503), Reply(422))
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await vendor.received(1)
        await daemon.post("track", userId="u1", event="E", messageId="m2")
        await daemon.settled()
        assert await daemon.terminate() == 0
        assert told(daemon, "m1") == [
            ("event_accepted", None, None),
            ("decision_made", "deliver", ""),
            ("event_retrying", None, "status_503"),
            ("event_dead", None, "rejected"),
        ]
        retrying = line(daemon, "event_retrying")
        assert list(retrying) == [*HEAD, "destination", *EVENT, "reason", "attempt", "due_at"]
        assert retrying["attempt"] == 1
        assert told(daemon, "m2") == [
            ("event_accepted", None, None),
            ("decision_made", "deliver", ""),
            ("event_delivered", None, ""),
        ]


async def test_exceptions_only_leaves_out_the_three_lines_and_keeps_every_other(tmp_path: Path) -> None:
    log = {"decisions": "exceptions"}
    async with FakeVendor(Reply(200, json={})) as vendor, Daemon(tmp_path, [collector(vendor)], log=log) as daemon:
        vendor.script(Reply(422))
        await daemon.post("track", userId="u1", event="E", messageId="refused")
        await daemon.post("page", userId="u1", messageId="unsupported")
        await daemon.post("track", userId="u1", event="E", messageId="good")
        await daemon.settled()
        assert await daemon.terminate() == 0
        assert told(daemon, "good") == []
        assert told(daemon, "refused") == [("event_dead", None, "rejected")]
        assert told(daemon, "unsupported") == [("decision_made", "skipped", "unsupported")]
