"""What goes wrong, and what follows: at the start, at a vendor, for one event."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from router.testing.vendor import FakeVendor, Received, Reply, Reset
from tests.flow.harness import Daemon, Table, assert_ledger_adds_up, destination, environment, eventually, serve_command
from tests.flow.verbs import verb
from tests.patience import HANG_S

COLLECTOR = destination("hook", "collector", {"base_url": "http://127.0.0.1:9"})
OK = Reply(200, json={})
BRAZE_OK = Reply(201, json={"message": "success"})


def collector(name: str, vendor: FakeVendor, **tables: Any) -> Table:
    """A collector, pointed at a vendor of ours."""
    return destination(name, "collector", {"base_url": vendor.url}, **tables)


def braze(vendor: FakeVendor) -> Table:
    """Braze, pointed at a vendor of ours; its batches linger, so that a busy machine does not split them."""
    settings = {"api_key": "BZKEY", "base_url": vendor.url}
    return destination("braze", "braze", settings, delivery={"linger": "500ms"})


def ids(vendor: FakeVendor) -> list[str]:
    """The ids a vendor of collectors was sent, in order."""
    return [item["id"] for seen in vendor.requests for item in seen.json()]


def names(seen: Received) -> list[str]:
    """The event names in a request to Braze."""
    return [event["name"] for event in seen.json().get("events", [])]


# ---------------------------------------------------------------- at the start


async def refused(daemon: Daemon) -> tuple[int, str]:
    """Exit code and output of a start that must not come about."""
    process = await asyncio.create_subprocess_exec(
        *serve_command(daemon.config), cwd=daemon.folder, env=environment(),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(HANG_S):
            _, words = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    return process.returncode or 0, words.decode()


async def assert_refused(daemon: Daemon, code: int, *words: str) -> None:
    """It ends with this code and one message for people that holds these words."""
    found, told = await refused(daemon)
    assert found == code, told
    assert "Traceback" not in told
    assert len(told.strip().splitlines()) <= 3, told
    for word in words:
        assert word in told


BAD_CONFIGS: list[tuple[str, Table, tuple[str, ...]]] = [
    ("unknown plugin", {"plugin": "colector"}, ("colector", "collector")),
    ("misspelt key", {"modee": "live"}, ("modee", "mode")),
    ("misspelt setting", {"settings": {"base_url": "http://127.0.0.1:9", "gatd": True}}, ("gatd", "gated")),
    (
        "missing secret",
        {
            "plugin": "braze",
            "settings": {"api_key": {"env": "NO_SUCH_VARIABLE_HERE"}, "base_url": "http://127.0.0.1:9"},
        },
        ("api_key", "NO_SUCH_VARIABLE_HERE"),
    ),
]


@pytest.mark.parametrize(("table", "words"), [case[1:] for case in BAD_CONFIGS], ids=[case[0] for case in BAD_CONFIGS])
async def test_a_faulty_config_is_refused_with_exit_code_78_and_a_message_that_names_the_fault(
    tmp_path: Path, table: Table, words: tuple[str, ...]
) -> None:
    """Before anything is opened."""
    daemon = Daemon(tmp_path, [{**COLLECTOR, **table}])
    daemon.write_config()
    await assert_refused(daemon, 78, "hook", *words)
    assert not daemon.store.exists()


async def test_a_port_in_use_ends_the_start_with_exit_code_1_and_names_the_port(tmp_path: Path) -> None:
    """Whoever holds it."""
    daemon = Daemon(tmp_path, [COLLECTOR])
    daemon.write_config()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", daemon.port))
        other.listen()
        await assert_refused(daemon, 1, str(daemon.port), "server.listen", "another process")


async def test_a_store_that_cannot_be_written_ends_the_start_with_exit_code_1(tmp_path: Path) -> None:
    """Its folder is a file: nobody can write there, root included."""
    (tmp_path / "occupied").write_text("a file")
    daemon = Daemon(tmp_path, [COLLECTOR], store={"url": "sqlite:occupied/router.db"})
    daemon.write_config()
    await assert_refused(daemon, 1, "occupied", "store.url")


async def test_a_file_that_is_no_store_ends_the_start_with_exit_code_1_and_stays_as_it_is(tmp_path: Path) -> None:
    """Whatever it was, it is somebody's."""
    daemon = Daemon(tmp_path, [COLLECTOR])
    daemon.write_config()
    daemon.store.write_bytes(b"precious words, no database" * 500)
    before = daemon.store.read_bytes()
    await assert_refused(daemon, 1, "router.db", "store")
    assert daemon.store.read_bytes() == before


async def test_a_store_of_a_newer_version_ends_the_start_with_exit_code_1_and_stays_as_it_is(tmp_path: Path) -> None:
    """It may only be read by who understands it."""
    daemon = Daemon(tmp_path, [COLLECTOR])
    daemon.write_config()
    db = sqlite3.connect(daemon.store)
    db.execute("PRAGMA user_version = 99")
    db.close()
    await assert_refused(daemon, 1, "99", "newer version")
    assert sqlite3.connect(daemon.store).execute("PRAGMA user_version").fetchone() == (99,)


async def test_a_second_process_on_the_same_store_ends_with_exit_code_1_and_troubles_nobody(tmp_path: Path) -> None:
    """The first one goes on."""
    async with FakeVendor() as vendor, Daemon(tmp_path, [collector("hook", vendor)]) as daemon:
        second = Daemon(tmp_path, [COLLECTOR])
        second.config = tmp_path / "second.toml"
        second.write_config()
        await assert_refused(second, 1, "router.db", "another segment-router process")
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await daemon.becomes("m1", "hook", "delivered")


async def test_a_daemon_that_says_it_is_ready_takes_events_at_that_very_moment(tmp_path: Path) -> None:
    """Whoever waits for /readyz sends next."""
    async with FakeVendor() as vendor, Daemon(tmp_path, [collector("hook", vendor)]) as daemon:
        for n in range(8):
            daemon.kill()
            daemon.spawn()
            while not await daemon.is_ready():
                pass
            await daemon.post("track", userId="u1", event="E", messageId=f"m{n}")


# ---------------------------------------------------------------- one event, one answer


async def test_a_500_then_a_201_leave_two_attempts_at_the_message(tmp_path: Path) -> None:
    """The second one is the delivery."""
    async with FakeVendor(Reply(201, json={})) as vendor, Daemon(tmp_path, [collector("hook", vendor)]) as daemon:
        vendor.script(Reply(500, body=b"out of order"))
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await daemon.becomes("m1", "hook", "delivered")
        attempts = (await daemon.message("m1"))["destinations"]["hook"]["attempts"]
        assert [(attempt["status"], attempt["reason"]) for attempt in attempts] == [(500, "status_500"), (201, "")]
        assert "out of order" in attempts[0]["error"]
        assert ids(vendor) == ["m1", "m1"]


async def test_a_429_pauses_the_destination_as_long_as_asked_and_touches_no_lane(tmp_path: Path) -> None:
    """It is no attempt of any event."""
    async with (
        FakeVendor() as vendor,
        FakeVendor() as other,
        Daemon(tmp_path, [collector("hook", vendor), collector("other", other)]) as daemon,
    ):
        vendor.script(Reply(429, headers={"Retry-After": "2"}))
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await vendor.received(1)
        asked_at = time.monotonic()
        await daemon.post("track", userId="u2", event="E", messageId="m2")
        await eventually(lambda: has_state(daemon, "hook", "paused"), what="the destination pauses")
        counts = await daemon.counts("hook")
        assert (counts["state_reason"], counts["queued"], counts["retrying"]) == ("retry_after", 2, 0)
        await daemon.becomes("m2", "other", "delivered")
        assert len(vendor.requests) == 1
        await vendor.received(2)
        assert time.monotonic() - asked_at >= 1.95
        for table in ("lane", "parked"):
            assert daemon.rows(f"SELECT count(*) FROM {table} WHERE destination = 'hook'") == [(0,)]
        assert daemon.rows("SELECT status FROM attempt WHERE destination = 'hook'") == [(429,)], "for `why`"
        await daemon.settled()
        assert (await daemon.counts("hook"))["state"] == "running"
        assert sorted(ids(vendor)) == ["m1", "m1", "m2"]


async def test_a_429_that_asks_for_no_wait_at_all_stops_nothing(tmp_path: Path) -> None:
    """Retry-After: 0 is an answer that real vendors give."""
    async with FakeVendor() as vendor, Daemon(tmp_path, [collector("hook", vendor)]) as daemon:
        vendor.script(*[Reply(429, headers={"Retry-After": "0"})] * 5)
        for n in range(10):
            await daemon.post("track", userId=f"u{n}", event="E", messageId=f"m{n}")
        ledger = await daemon.settled()
        assert ledger["destinations"]["hook"]["delivered"] == 10
        assert ledger["destinations"]["hook"]["state"] == "running"


async def test_a_pause_the_vendor_asked_for_outlives_a_restart(tmp_path: Path) -> None:
    """Its end is stored."""
    async with FakeVendor() as vendor, Daemon(tmp_path, [collector("hook", vendor)]) as daemon:
        vendor.script(Reply(429, headers={"Retry-After": "4"}))
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await vendor.received(1)
        asked_at = time.monotonic()
        await eventually(lambda: has_stored_state(daemon, "hook", "paused"), what="the pause is stored")
        daemon.kill()
        await daemon.restart()
        await vendor.received(2)
        assert time.monotonic() - asked_at >= 3.9
        await daemon.becomes("m1", "hook", "delivered")


async def has_state(daemon: Daemon, name: str, state: str) -> bool:
    """Whether a destination is in this state."""
    return bool((await daemon.counts(name))["state"] == state)


async def has_stored_state(daemon: Daemon, name: str, state: str) -> bool:
    """Whether the store says so too. The running daemon says it a few milliseconds before: until its commit."""
    return daemon.rows(f"SELECT state FROM cursor WHERE destination = '{name}'") == [(state,)]


async def test_a_401_pauses_one_destination_burns_nothing_and_goes_on_when_resumed(tmp_path: Path) -> None:
    """All others are untouched."""
    async with (
        FakeVendor() as vendor,
        FakeVendor() as other,
        Daemon(tmp_path, [collector("hook", vendor), collector("other", other)]) as daemon,
    ):
        vendor.default = Reply(401)
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await eventually(lambda: has_state(daemon, "hook", "paused"), what="the destination pauses")
        for n in range(2, 6):
            await daemon.post("track", userId=f"u{n}", event="E", messageId=f"m{n}")
        await daemon.settled("other")
        counts = await daemon.counts("hook")
        assert (counts["state_reason"], counts["queued"], counts["dead"]) == ("credentials", 5, 0)
        assert len(vendor.requests) == 1
        attempts = (await daemon.message("m1"))["destinations"]["hook"]["attempts"]
        assert [attempt["status"] for attempt in attempts] == [401]
        assert (await daemon.get("/readyz"))["destinations"] == {"hook": "credentials"}
        await eventually(lambda: has_stored_state(daemon, "hook", "paused"), what="the pause is stored")
        daemon.kill()
        await daemon.restart()
        await daemon.settled("other")
        assert len(vendor.requests) == 1, "the pause is stored"
        code, _, said = await verb(daemon, "resume", "hook")
        assert (code, said.startswith("it was paused again at once: hook is paused")) == (1, True), said
        vendor.default = OK
        assert (await verb(daemon, "resume", "hook"))[0] == 0
        ledger = await daemon.settled()
        assert ledger["destinations"]["hook"]["delivered"] == 5
        assert sorted(ids(vendor)[-5:]) == [f"m{n}" for n in range(1, 6)]


async def test_an_event_the_vendor_refuses_is_dead_and_neither_its_user_nor_others_wait(tmp_path: Path) -> None:
    """One poison event among good ones, also while it is being retried for its batch."""
    async with FakeVendor() as vendor, Daemon(tmp_path, [collector("hook", vendor)]) as daemon:
        vendor.answer = lambda seen: Reply(422, body=b"no such thing") if b'"poison"' in seen.body else OK
        await daemon.batch(
            [{"type": "track", "userId": f"u{n % 4}", "event": "E", "messageId": f"m{n}"} for n in range(20)]
            + [{"type": "track", "userId": "u1", "event": "E", "messageId": "poison"}]
            + [{"type": "track", "userId": f"u{n % 4}", "event": "E", "messageId": f"m{n}"} for n in range(20, 40)]
        )
        ledger = await daemon.settled()
        counts = ledger["destinations"]["hook"]
        assert (counts["delivered"], counts["dead"], counts["state"]) == (40, 1, "running")
        dead = await daemon.get("/api/destinations/hook/dead")
        assert [(item["message_id"], item["reason"], item["user"]) for item in dead["items"]] == [
            ("poison", "rejected", "user:u1")
        ]
        assert "no such thing" in dead["items"][0]["detail"]


async def test_an_event_that_always_fails_keeps_back_its_own_user_only(tmp_path: Path) -> None:
    """Its lane is blocked, in order; everybody else flows, and nothing is lost when it is over."""
    async with FakeVendor() as vendor, Daemon(tmp_path, [collector("hook", vendor)]) as daemon:
        vendor.answer = lambda seen: Reply(500) if b'"poison"' in seen.body else OK
        await daemon.post("track", userId="sick", event="E", messageId="poison")
        await daemon.becomes("poison", "hook", "retrying", "status_500")
        for n in range(30):
            await daemon.post("track", userId="sick", event="E", messageId=f"sick-{n}")
            await daemon.post("track", userId=f"u{n % 5}", event="E", messageId=f"m{n}")
        for n in range(30):
            await daemon.becomes(f"m{n}", "hook", "delivered")
        assert await daemon.fate("sick-0", "hook") == ("queued", "behind_lane")
        assert not any(id.startswith("sick-") for id in ids(vendor))
        vendor.answer = None
        await daemon.settled()
        assert [id for id in ids(vendor) if id.startswith("sick-")] == [f"sick-{n}" for n in range(30)]


# ---------------------------------------------------------------- batches


async def in_one_batch(daemon: Daemon, name: str, events: list[str]) -> None:
    """Events of as many users, gathered behind a pause, so that they go out together."""
    assert (await daemon.admin("POST", f"/api/destinations/{name}/pause"))[0] == 200
    calls = [{"type": "track", "userId": f"u-{event}", "event": event, "messageId": event} for event in events]
    await daemon.batch(calls)
    assert (await daemon.admin("POST", f"/api/destinations/{name}/resume"))[0] == 200


async def test_an_object_refused_inside_a_201_is_dead_and_its_neighbours_are_delivered(tmp_path: Path) -> None:
    """Braze names it by its place."""

    def answer(seen: Received) -> Reply:
        found = [{"type": "bad", "input_array": "events", "index": n} for n, e in enumerate(names(seen)) if e == "E3"]
        return Reply(201, json={"message": "success", "errors": found})

    async with FakeVendor() as vendor, Daemon(tmp_path, [braze(vendor)]) as daemon:
        vendor.answer = answer
        await in_one_batch(daemon, "braze", [f"E{n}" for n in range(8)])
        ledger = await daemon.settled()
        counts = ledger["destinations"]["braze"]
        assert (counts["delivered"], counts["dead"]) == (7, 1)
        assert await daemon.fate("E3", "braze") == ("dead", "rejected")
        assert [len(names(seen)) for seen in vendor.requests] == [8]


async def test_a_batch_refused_without_a_word_per_event_is_halved_until_the_bad_one_is_alone(tmp_path: Path) -> None:
    """Only that one is dead; nothing goes out twice once it was taken."""
    async with FakeVendor(BRAZE_OK) as vendor, Daemon(tmp_path, [braze(vendor)]) as daemon:
        vendor.answer = lambda seen: Reply(400, json={"message": "bad"}) if "E5" in names(seen) else BRAZE_OK
        await in_one_batch(daemon, "braze", [f"E{n}" for n in range(16)])
        ledger = await daemon.settled()
        counts = ledger["destinations"]["braze"]
        assert (counts["delivered"], counts["dead"]) == (15, 1)
        assert await daemon.fate("E5", "braze") == ("dead", "rejected")
        assert [len(names(seen)) for seen in vendor.requests if "E5" in names(seen)] == [16, 8, 4, 2, 1]
        taken = [name for seen in vendor.requests if "E5" not in names(seen) for name in names(seen)]
        assert sorted(taken) == sorted(f"E{n}" for n in range(16) if n != 5)


async def test_a_batch_that_fails_for_now_comes_back_in_smaller_ones(tmp_path: Path) -> None:
    """5xx for a batch may be one poison event: a retried item travels with at most half as many."""
    async with FakeVendor(BRAZE_OK) as vendor, Daemon(tmp_path, [braze(vendor)]) as daemon:
        vendor.answer = lambda seen: Reply(500) if "E5" in names(seen) else BRAZE_OK
        await in_one_batch(daemon, "braze", [f"E{n}" for n in range(16)])
        for n in range(16):
            if n != 5:
                await daemon.becomes(f"E{n}", "braze", "delivered")
        assert (await daemon.fate("E5", "braze"))[0] == "retrying"
        assert_ledger_adds_up(await daemon.ledger())


# ---------------------------------------------------------------- a vendor that is down


@pytest.mark.parametrize("reply", [Reply(503), Reset()], ids=["503", "reset"])
async def test_a_vendor_that_is_down_opens_the_breaker_the_cursor_stands_still_and_recovery_closes_it(
    tmp_path: Path, reply: Reply
) -> None:
    """A dead destination costs nothing but a probe now and then."""
    async with (
        FakeVendor() as vendor,
        FakeVendor() as other,
        Daemon(tmp_path, [collector("hook", vendor), collector("other", other)]) as daemon,
    ):
        vendor.default = reply
        for n in range(40):
            await daemon.post("track", userId=f"u{n}", event="E", messageId=f"m{n}")
        await eventually(lambda: has_state(daemon, "hook", "breaker_open"), what="the breaker opens")
        before, tried = await daemon.counts("hook"), len(vendor.requests)
        for n in range(40, 440, 50):
            calls = range(n, n + 50)
            await daemon.batch(
                [{"type": "track", "userId": f"u{m}", "event": "E", "messageId": f"m{m}"} for m in calls]
            )
        await daemon.settled("other")
        counts, probes = await daemon.counts("hook"), len(vendor.requests) - tried
        assert counts["state"] == "breaker_open"
        assert counts["cursor"] - before["cursor"] <= 10 * (probes + 1), "only what a probe carried has a row"
        assert counts["queued"] >= 390
        assert probes < 10
        vendor.default = OK
        ledger = await daemon.settled()
        assert ledger["destinations"]["hook"]["delivered"] == 440
        assert ledger["destinations"]["hook"]["state"] == "running"
        assert daemon.log("breaker_opened")
        assert daemon.log("breaker_closed")


async def test_a_single_user_who_fails_does_not_open_the_breaker(tmp_path: Path) -> None:
    """Ten failures in a row must come from three users."""
    async with FakeVendor() as vendor, Daemon(tmp_path, [collector("hook", vendor)]) as daemon:
        script: Callable[[Received], Reply] = lambda seen: Reply(500) if b'"user":"sick"' in seen.body else OK  # noqa: E731
        vendor.answer = script
        await daemon.post("track", userId="sick", event="E", messageId="s1")
        await vendor.received(4, 20)
        await daemon.post("track", userId="well", event="E", messageId="w1")
        await daemon.becomes("w1", "hook", "delivered")
        assert (await daemon.counts("hook"))["state"] == "running"


async def test_a_403_for_one_user_is_that_users_trouble_and_for_three_it_is_the_keys(tmp_path: Path) -> None:
    """Paused only on evidence."""
    async with FakeVendor() as vendor, Daemon(tmp_path, [collector("hook", vendor)]) as daemon:
        vendor.answer = lambda seen: Reply(403) if b'"user":"bad' in seen.body else OK
        await daemon.post("track", userId="good", event="E", messageId="g1")
        await daemon.post("track", userId="bad", event="E", messageId="b1")
        await daemon.becomes("b1", "hook", "dead", "rejected")
        attempts = (await daemon.message("b1"))["destinations"]["hook"]["attempts"]
        assert [attempt["status"] for attempt in attempts] == [403, 403, 403]
        await daemon.post("track", userId="good", event="E", messageId="g2")
        await daemon.becomes("g2", "hook", "delivered")
        for n in range(3):
            await daemon.post("track", userId=f"bad{n}", event="E", messageId=f"c{n}")
        await eventually(lambda: has_state(daemon, "hook", "paused"), what="the destination pauses")
        assert (await daemon.counts("hook"))["state_reason"] == "credentials"
        assert (await daemon.counts("hook"))["dead"] == 1
