"""A plugin whose hooks take long is named, and nobody else waits for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from router.plugin_host.plugin_threads import MOST
from router.testing.vendor import FakeVendor, Reset
from tests.flow.harness import Daemon, destination, eventually
from tests.flow.test_shutdown import Tuned, ended


class Strict(Tuned):
    """Interrupts a hook after a second, and ends after three interrupts in vain."""

    tuning = "from router.daemon import hook_alarm as a; a.HELD_S, a.STOPPING_S, a.AGAIN_S, a.TRIES = 1.0, 1.0, 0.2, 3"


class Hurried(Tuned):
    """Interrupts a hook a second after it is asked to stop."""

    tuning = "from router.daemon import hook_alarm as a; a.STOPPING_S = 1.0"


class Brief(Tuned):
    """A trial may take half a second."""

    tuning = "from router.trial import in_thread; in_thread.LIMIT_S = 0.5"


def tables(vendor: FakeVendor, **delivery: str) -> list[Any]:
    """A plugin that holds the loop, and a neighbour."""
    return [
        destination("slow", "sloth", {"base_url": vendor.url}, delivery=delivery),
        destination("neighbour", "collector", {"base_url": vendor.url}),
    ]


def ids(vendor: FakeVendor) -> list[str]:
    """What the slow destination sent, in order."""
    bodies: list[Any] = [request.json() for request in vendor.requests if request.url == "/"]
    return [body["id"] for body in bodies]


async def described(daemon: Daemon, name: str) -> dict[str, Any]:
    """What `/api/destinations` says of one."""
    answer = await daemon.get("/api/destinations")
    return next(one for one in answer["destinations"] if one["name"] == name)


async def test_mapping_that_holds_the_loop_again_and_again_gets_a_thread_of_its_own(tmp_path: Path) -> None:
    async with FakeVendor() as vendor, Daemon(tmp_path, tables(vendor)) as daemon:
        calls = [{"type": "track", "userId": "u1", "event": "map", "messageId": f"m{n}", "properties": {"s": 0.4}}
                 for n in range(8)]  # fmt: skip
        await daemon.batch(calls)
        [told] = await daemon.logged("destination_isolated")
        assert told["destination"] == "slow"
        ledger = await daemon.settled()
        assert ledger["destinations"]["slow"]["delivered"] == 8
        assert ledger["destinations"]["neighbour"]["delivered"] == 8
        assert ids(vendor) == [f"m{n}" for n in range(8)]
        named = [line for line in daemon.log("plugin_slow") if line["hook"] == "track"]
        assert (named[0]["destination"], named[0]["plugin"], named[0]["message_id"]) == ("slow", "sloth", "m0")
        assert "sloth.py" in named[0]["stack"]
        slow = await described(daemon, "slow")
        assert slow["isolation"] == "thread"
        assert slow["slow_hooks"]["track"]["count"] == 8
        await daemon.reload()
        assert (await described(daemon, "slow"))["isolation"] == "thread", "nothing of it has changed"
        assert await daemon.terminate() == 0


async def test_it_is_paused_where_the_operator_chose_that(tmp_path: Path) -> None:
    async with FakeVendor() as vendor, Daemon(tmp_path, tables(vendor, slow_hooks="pause")) as daemon:
        for n in range(8):
            await daemon.post("track", userId="u1", event="map", messageId=f"m{n}", properties={"s": 0.15})
        [paused] = await daemon.logged("destination_paused")
        assert (paused["destination"], paused["reason"]) == ("slow", "slow_hooks")
        assert paused["detail"].startswith("plugin sloth: hook track held the event loop")
        await daemon.settled("neighbour")


async def test_a_deliver_that_holds_the_loop_is_named(tmp_path: Path) -> None:
    async with FakeVendor() as vendor, Daemon(tmp_path, tables(vendor)) as daemon:
        await daemon.post("track", userId="u1", event="deliver", messageId="m1", properties={"s": 1.0})
        [line] = await daemon.logged("plugin_slow")
        assert (line["destination"], line["hook"], line["message_id"]) == ("slow", "deliver", "m1")
        assert "time.sleep" in line["stack"]


async def test_a_hook_that_never_returns_holds_nobody_where_it_has_a_thread(tmp_path: Path) -> None:
    """It is named while it hangs; the reload leaves it behind; the stop ends in time."""
    settings = {"timeout": "1s", "isolation": "thread"}
    async with FakeVendor() as vendor, Daemon(tmp_path, tables(vendor, **settings)) as daemon:
        await daemon.post("track", userId="u1", event="map", messageId="m1", properties={"s": 3600})
        await daemon.post("track", userId="u2", event="quiet", messageId="m2")
        await daemon.settled("neighbour")
        [line] = await daemon.logged("loop_held")
        assert (line["destination"], line["hook"], line["message_id"]) == ("slow", "track", "m1")
        pause = (await daemon.get("/readyz"))["pauses"]["slow"]
        assert (pause["reason"], pause["ended_by"]) == ("hook_held", "reload")
        assert (await daemon.counts("slow"))["state_reason"] == "hook_held"
        told = (await daemon.message("m1"))["destinations"]["slow"]["pause"]["detail"]
        assert told.startswith("plugin sloth: hook track with m1 has not returned for ")
        daemon.destinations[0]["delivery"]["concurrency"] = 2
        daemon.write_config()
        await daemon.reload()
        [left] = await daemon.logged("plugin_failed")
        assert "left behind" in left["detail"]
        assert (await daemon.fate("m1", "neighbour"))[0] == "delivered"
        assert await daemon.terminate() == 0


async def test_in_a_thread_all_is_delivered_in_order(tmp_path: Path) -> None:
    async with FakeVendor() as vendor, Daemon(tmp_path, tables(vendor, isolation="thread")) as daemon:
        vendor.script(Reset(), Reset(), Reset())
        calls = [
            {"type": "track", "userId": f"u{n % 5}", "event": "quiet", "messageId": f"m{n:03}"} for n in range(200)
        ]
        await daemon.batch(calls)
        await daemon.settled("slow")
        sent = list(dict.fromkeys(ids(vendor)))
        assert sorted(sent, key=lambda id: (int(id[1:]) % 5, sent.index(id))) == [
            f"m{n:03}" for user in range(5) for n in range(user, 200, 5)
        ]
        status, answer = await daemon.admin("POST", "/api/destinations/slow/pause")
        assert (status, answer["state"]) == (200, "paused")
        assert (await daemon.admin("POST", "/api/destinations/slow/resume"))[0] == 200
        assert await daemon.terminate() == 0


async def test_a_hook_that_never_returns_in_the_loop_of_all_is_interrupted(tmp_path: Path) -> None:
    """Its event is a dead letter, the others go on, and its destination gets a thread of its own."""
    async with FakeVendor() as vendor, Strict(tmp_path, tables(vendor)) as daemon:
        await daemon.post("track", userId="u1", event="map", messageId="m1", properties={"s": 3600})
        [line] = await daemon.logged("destination_isolated")
        assert (line["destination"], line["hook"], line["message_id"]) == ("slow", "track", "m1")
        await daemon.post("track", userId="u1", event="quiet", messageId="m2")
        await daemon.becomes("m2", "slow", "delivered")
        await daemon.becomes("m1", "slow", "dead", "plugin_error")
        letter = (await daemon.message("m1"))["destinations"]["slow"]["detail"]
        assert "plugin sloth, hook track" in letter
        assert "time.sleep" in letter
        await daemon.settled("neighbour")
        assert "hook track" in (await daemon.get("/readyz"))["isolated"]["slow"]
        assert await daemon.terminate() == 0


async def test_one_that_lets_no_thread_run_pauses_its_destination(tmp_path: Path) -> None:
    """A thread of its own would stop everybody else as well."""
    async with FakeVendor() as vendor, Strict(tmp_path, tables(vendor)) as daemon:
        await daemon.post("track", userId="u1", event="regex", messageId="m1")
        [line] = await daemon.logged("destination_paused")
        assert (line["destination"], line["reason"]) == ("slow", "slow_hooks")
        await daemon.becomes("m1", "slow", "dead", "plugin_error")
        await daemon.settled("neighbour")
        assert await daemon.terminate() == 0


async def test_a_stop_does_not_wait_for_a_hook_that_never_returns(tmp_path: Path) -> None:
    async with FakeVendor() as vendor, Hurried(tmp_path, tables(vendor)) as daemon:
        await daemon.post("track", userId="u1", event="map", messageId="m1", properties={"s": 3600})
        await daemon.logged("loop_held")
        assert await daemon.terminate() == 0


async def test_one_that_cannot_be_interrupted_ends_the_process_and_has_a_thread_at_the_next_start(
    tmp_path: Path,
) -> None:
    async with FakeVendor() as vendor, Strict(tmp_path, tables(vendor, timeout="1s")) as daemon:
        await daemon.post("track", userId="u1", event="stubborn", messageId="m1")
        assert await ended(daemon) == 1
        assert (
            "its destination runs in its own thread after the next start" in daemon.log("plugin_failed")[-1]["detail"]
        )
        await daemon.restart()
        [line] = daemon.log("destination_isolated")
        assert (line["destination"], line["hook"], line["message_id"]) == ("slow", "track", "m1")
        await daemon.becomes("m1", "neighbour", "delivered")
        assert "hook track" in (await daemon.get("/readyz"))["isolated"]["slow"]
        assert (await described(daemon, "slow"))["isolation"] == "thread"
        daemon.destinations[0]["enabled"] = False
        await daemon.reload()
        assert not (tmp_path / "router.db.held.json").exists(), "the table has changed"
        assert await daemon.terminate() == 0


async def test_a_hook_that_never_returns_in_a_trial_is_interrupted_and_makes_room_for_the_next_trial(
    tmp_path: Path,
) -> None:
    async with FakeVendor() as vendor, Brief(tmp_path, tables(vendor)) as daemon:

        async def tried(name: str) -> dict[str, Any]:
            """Twenty events: an interrupt each, if what is left went on after the first."""
            events = [{"type": "track", "userId": "u1", "event": name}] * 20
            _, told = await daemon.admin("POST", "/api/try", {"events": events})
            return {} if told.get("code") == "busy" else told

        for _ in range(MOST + 1):
            told = await eventually(lambda: tried("spin"), what="a thread is free for a trial")
            assert told["code"] == "timeout"
        assert len((await eventually(lambda: tried("good")))["events"]) == 20
        assert await daemon.terminate() == 0
