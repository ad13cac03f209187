"""The story of the product: events wait on disk for their group, and arrive once, in order, when it is known."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from router.cli import main
from router.testing.vendor import FakeVendor, Received, Reply
from tests.flow.harness import Daemon, Table, assert_ledger_adds_up, destination, eventually

BRAZE_OK = Reply(201, json={"message": "success"})
ACCOUNTS_OK = Reply(200, json={"status_is_ok": True})


def clientsuccess(vendor: FakeVendor, name: str = "clientsuccess") -> Table:
    """ClientSuccess, pointed at a vendor of ours."""
    return destination(name, "clientsuccess", {"project_id": "PID", "api_key": "CSKEY", "base_url": vendor.url})


def freshsuccess(vendor: FakeVendor, **hold: Any) -> Table:
    """Freshsuccess with accounts, pointed at a vendor of ours."""
    settings = {"event_auth_key": "FSAUTH", "event_api_key": "FSKEY", "account_api_key": "FSACC"}
    urls = {"events_base_url": vendor.url, "api_base_url": vendor.url}
    return destination("freshsuccess", "freshsuccess", {**settings, **urls}, hold=hold)


def braze(vendor: FakeVendor) -> Table:
    """Braze, pointed at a vendor of ours."""
    return destination("braze", "braze", {"api_key": "BZKEY", "base_url": vendor.url, "track_all_pages": True})


def usage(seen: Received) -> tuple[str, str, str, str]:
    """User, event, organization id and name of a request to ClientSuccess."""
    name = unquote(urlsplit(seen.url).path.rsplit("/", 1)[1])
    identity = seen.json()["identity"]
    return identity["user"]["id"], name, identity["organization"]["id"], identity["organization"]["name"]


def of_user(vendor: FakeVendor, user: str) -> list[str]:
    """The names of a user's events at ClientSuccess, in order of arrival."""
    return [name for who, name, _, _ in map(usage, vendor.requests) if who == user]


def features(vendor: FakeVendor) -> list[str]:
    """The features Freshsuccess got, in order."""
    posts = [seen for seen in vendor.requests if seen.url.startswith("/v1/")]
    lines = [line for seen in posts for line in seen.body.splitlines()]
    return [Received("", "", {}, line).json()["feature"] for line in lines if b'"feature":' in line]


async def test_events_sent_before_their_group_survive_a_crash_and_reach_clientsuccess_once_and_in_order(
    tmp_path: Path,
) -> None:
    """The promise, from the first track of two unknown users to the last line of the ledger."""
    async with FakeVendor(Reply(201, json={"created": True})) as cs, FakeVendor(BRAZE_OK) as bz, FakeVendor() as fs:
        fs.answer = lambda seen: ACCOUNTS_OK if seen.url.startswith("/api/") else Reply(200)
        destinations = [clientsuccess(cs), braze(bz), freshsuccess(fs)]
        async with Daemon(tmp_path, destinations) as daemon:
            for user in ("u1", "u2"):
                await daemon.post("track", userId=user, event="First", messageId=f"{user}-0")
                await daemon.post("page", userId=user, name="Docs", messageId=f"{user}-1")
                await daemon.post("track", userId=user, event="Third", messageId=f"{user}-2")
            await daemon.post("identify", userId="u1", traits={"email": "Ann@x.org", "name": "Ann"}, messageId="id1")
            ledger = await daemon.settled("clientsuccess", "braze", "freshsuccess")
            assert ledger["accepted"] == 7
            assert ledger["destinations"]["clientsuccess"]["held"] == 6
            assert ledger["destinations"]["clientsuccess"]["skipped"] == 1, "the identify is remembered"
            assert ledger["destinations"]["braze"]["delivered"] == 7
            assert ledger["destinations"]["freshsuccess"]["delivered"] == 4, "the tracks"
            assert ledger["destinations"]["freshsuccess"]["held"] == 1, "the identify: no user without an account there"
            assert not cs.requests
            assert sorted(features(fs)) == ["First", "First", "Third", "Third"]
            await assert_told_of_the_wait(daemon)

            daemon.kill()
            await daemon.restart()
            assert_ledger_adds_up(await daemon.ledger())
            await assert_told_of_the_wait(daemon)

            await daemon.post("group", userId="u1", groupId="acme", messageId="g1")
            await daemon.becomes("u1-0", "clientsuccess", "held", "group_name_unknown")
            assert not cs.requests, "a group without a name is not enough"
            waits = {user["user"]: user for user in (await daemon.held("clientsuccess"))["users"]}
            assert waits["user:u1"]["waiting_for"] == "group_name_unknown"
            assert waits["user:u1"]["group_id"] == "acme"

            await daemon.post("group", userId="u2", groupId="acme", traits={"name": "Acme"}, messageId="g2")
            for user in ("u1", "u2"):
                await daemon.post("track", userId=user, event="Later", messageId=f"{user}-3")
            ledger = await daemon.emptied()
            assert_ledger_adds_up(ledger)
            assert ledger["destinations"]["clientsuccess"]["delivered"] == 8
            assert ledger["destinations"]["clientsuccess"]["held"] == 0
            for user in ("u1", "u2"):
                assert of_user(cs, user) == ["First", "Viewed Docs Page", "Third", "Later"]
            assert {seen[2:] for seen in map(usage, cs.requests)} == {("acme", "Acme")}
            first = next(seen for seen in cs.requests if usage(seen)[0] == "u1").json()
            assert first["identity"]["user"]["email"] == "ann@x.org", "the traits told meanwhile travel along"
            assert await daemon.fate("u1-0", "clientsuccess") == ("delivered", "")
            assert (await daemon.held("clientsuccess"))["users"] == []
            assert daemon.rows("SELECT count(*) FROM parked") == [(0,)]
            assert daemon.rows("SELECT count(*) FROM lane") == [(0,)]


async def assert_told_of_the_wait(daemon: Daemon) -> None:
    """Message page and list of the held agree on who waits for what."""
    assert await daemon.fate("u1-0", "clientsuccess") == ("held", "group_unknown")
    assert await daemon.fate("u2-1", "clientsuccess") == ("held", "group_unknown")
    assert await daemon.fate("u1-0", "braze") == ("delivered", "")
    answer = await daemon.held("clientsuccess")
    assert answer["held"] == 6
    assert [(user["user"], user["waiting_for"], user["events"]) for user in answer["users"]] == [
        ("user:u1", "group_unknown", 3),
        ("user:u2", "group_unknown", 3),
    ]


async def test_a_group_call_that_fails_for_now_keeps_events_held_until_it_succeeds(tmp_path: Path) -> None:
    """Seeing a group call is never enough: the vendor must have taken it."""
    async with FakeVendor() as fs:
        fs.answer = lambda seen: Reply(500) if seen.url.startswith("/api/") else Reply(200)
        async with Daemon(tmp_path, [freshsuccess(fs, require=["group.id"])]) as daemon:
            await daemon.post("track", userId="u1", event="Early", messageId="m1")
            await daemon.becomes("m1", "freshsuccess", "held", "group_unknown")
            await daemon.post("group", userId="u1", groupId="acme", traits={"name": "Acme"}, messageId="g1")
            await daemon.becomes("g1", "freshsuccess", "retrying", "status_500")
            await daemon.post("track", userId="u1", event="Later", messageId="m2")
            await daemon.post("track", userId="u1", event="Own", context={"groupId": "acme"}, messageId="m3")
            await daemon.becomes("m2", "freshsuccess", "held")
            assert await daemon.fate("m1", "freshsuccess") == ("held", "group_unknown")
            assert features(fs) == []
            daemon.kill()
            await daemon.restart()
            assert (await daemon.fate("m1", "freshsuccess"))[0] == "held"
            assert features(fs) == []
            fs.answer = lambda seen: ACCOUNTS_OK if seen.url.startswith("/api/") else Reply(200)
            await daemon.emptied()
            assert features(fs) == ["Early", "Later", "Own"]
            attempts = (await daemon.message("g1"))["destinations"]["freshsuccess"]["attempts"]
            assert [attempt["status"] for attempt in attempts][-2:] == [500, 200]


async def test_a_group_call_the_vendor_refused_opens_nothing_and_a_later_good_one_does(tmp_path: Path) -> None:
    """A dead group call does not supply."""
    async with FakeVendor() as fs:
        refused = Reply(200, json={"status_is_ok": False, "message": "bad account"})
        fs.answer = lambda seen: refused if seen.url.startswith("/api/") else Reply(200)
        async with Daemon(tmp_path, [freshsuccess(fs, require=["group.id"])]) as daemon:
            await daemon.post("track", userId="u1", event="Early", messageId="m1")
            await daemon.post("group", userId="u1", groupId="acme", traits={"name": "Acme"}, messageId="g1")
            await daemon.becomes("g1", "freshsuccess", "dead", "rejected")
            await daemon.post("track", userId="u1", event="Later", messageId="m2")
            await daemon.becomes("m2", "freshsuccess", "held")
            daemon.kill()
            await daemon.restart()
            await daemon.post("track", userId="u1", event="Last", messageId="m3")
            await daemon.becomes("m3", "freshsuccess", "held")
            assert features(fs) == []
            fs.answer = lambda seen: ACCOUNTS_OK if seen.url.startswith("/api/") else Reply(200)
            await daemon.post("group", userId="u1", groupId="acme", traits={"name": "Acme"}, messageId="g2")
            ledger = await daemon.emptied()
            assert features(fs) == ["Early", "Later", "Last"]
            assert ledger["destinations"]["freshsuccess"]["dead"] == 1


async def test_a_destination_added_later_sends_at_once_for_users_whose_group_came_before_it(tmp_path: Path) -> None:
    """What lies before a destination's start supplies; what was accepted before it is not sent."""
    async with (
        FakeVendor(Reply(201, json={"created": True})) as old,
        FakeVendor(Reply(201)) as new,
        Daemon(tmp_path, [clientsuccess(old)]) as daemon,
    ):
        await daemon.post("group", userId="u1", groupId="acme", traits={"name": "Acme"}, messageId="g1")
        await daemon.post("track", userId="u1", event="Before", messageId="m1")
        await daemon.post("track", userId="u2", event="Nobody", messageId="m2")
        await daemon.settled()
        daemon.destinations.append(clientsuccess(new, "later"))
        await daemon.reload()
        await eventually(lambda: begun(daemon, "later"), what="the new destination begins")
        await daemon.post("track", userId="u1", event="After", messageId="m3")
        await daemon.post("track", userId="u2", event="Still nobody", messageId="m4")
        ledger = await daemon.settled()
        assert daemon.starts() == {"later": 3}
        assert_ledger_adds_up(ledger, {"later": 3})
        assert [usage(seen)[1] for seen in new.requests] == ["After"]
        assert ledger["destinations"]["later"]["held"] == 1
        assert of_user(old, "u1") == ["Before", "After"]
        assert "later" not in (await daemon.message("m1"))["destinations"]
        daemon.kill()
        await daemon.restart()
        await daemon.post("group", userId="u2", groupId="acme", messageId="g2")
        await daemon.emptied()
        assert [usage(seen)[1] for seen in new.requests] == ["After", "Still nobody"]
        assert of_user(old, "u2") == ["Nobody", "Still nobody"]


async def begun(daemon: Daemon, name: str) -> bool:
    """Whether a destination stands in the ledger."""
    return name in (await daemon.ledger())["destinations"]


async def test_an_operator_releases_held_events_with_a_group_is_refused_without_one_and_may_drop_them(
    tmp_path: Path,
) -> None:
    """By hand, where no group call will come."""
    async with FakeVendor(Reply(201, json={"created": True})) as cs, Daemon(tmp_path, [clientsuccess(cs)]) as daemon:
        for user in ("u1", "u2"):
            await daemon.batch(
                [{"type": "track", "userId": user, "event": f"E{i}", "messageId": f"{user}-{i}"} for i in range(3)]
            )
        await daemon.settled()
        path = "/api/destinations/clientsuccess/release"
        status, body = await daemon.admin("POST", path, {"user": "u1"})
        assert (status, body["code"]) == (409, "requirements_missing")
        status, body = await daemon.admin("POST", path, {"user": "nobody"})
        assert status == 404
        status, body = await daemon.admin("POST", path, {"user": "u1", "group": {"id": "byhand"}})
        assert (status, body["code"]) == (409, "requirements_missing"), "nobody has told the name of this group"
        assert body["error"] == "the name of group byhand is not known here: give it too"
        group = {"id": "byhand", "name": "By Hand"}
        status, body = await daemon.admin("POST", path, {"user": "u1", "group": group})
        assert (status, body) == (200, {"released": 3})
        status, body = await daemon.admin("POST", path, {"user": "u2", "drop": True})
        assert (status, body) == (200, {"dropped": 3})
        ledger = await daemon.emptied()
        assert_ledger_adds_up(ledger)
        assert ledger["destinations"]["clientsuccess"]["delivered"] == 3
        assert ledger["destinations"]["clientsuccess"]["dead"] == 3
        expected = [("u1", f"E{i}", "byhand", "By Hand") for i in range(3)]
        assert [usage(seen) for seen in cs.requests] == expected
        assert await daemon.fate("u2-0", "clientsuccess") == ("dead", "dropped")
        dead = await daemon.get("/api/destinations/clientsuccess/dead")
        assert [item["message_id"] for item in dead["items"]] == ["u2-0", "u2-1", "u2-2"]
        await daemon.post("track", userId="u1", event="Next", messageId="u1-next")
        await daemon.becomes("u1-next", "clientsuccess", "held", "group_unknown")


async def test_a_group_call_kept_from_a_destination_by_its_sender_still_opens_its_gate(tmp_path: Path) -> None:
    """Filtered is settled: there will be nothing more to wait for."""
    async with FakeVendor(Reply(201, json={"created": True})) as cs, Daemon(tmp_path, [clientsuccess(cs)]) as daemon:
        await daemon.post("track", userId="u1", event="Early", messageId="m1")
        await daemon.becomes("m1", "clientsuccess", "held")
        await daemon.post(
            "group", userId="u1", groupId="acme", traits={"name": "Acme"}, messageId="g1",
            integrations={"ClientSuccess": False},
        )  # fmt: skip
        await daemon.emptied()
        assert await daemon.fate("g1", "clientsuccess") == ("filtered", "integrations")
        assert [usage(seen) for seen in cs.requests] == [("u1", "Early", "acme", "Acme")]


async def test_what_is_held_for_an_anonymous_visitor_joins_the_user_who_turns_out_to_be_them(tmp_path: Path) -> None:
    """The group is the user's; the events were sent before anybody knew the user."""
    async with FakeVendor() as vendor:
        gated = destination("gated", "collector", {"base_url": vendor.url, "gated": True})
        async with Daemon(tmp_path, [gated]) as daemon:
            for n in range(3):
                await daemon.post("track", anonymousId="a1", event="E", properties={"n": n}, messageId=f"m{n}")
            await daemon.becomes("m2", "gated", "held")
            await daemon.post("identify", userId="u1", anonymousId="a1", messageId="id1")
            await daemon.post("track", userId="u1", event="E", properties={"n": 3}, messageId="m3")
            await daemon.becomes("m3", "gated", "held")
            daemon.kill()
            await daemon.restart()

            async def is_held_for_the_user() -> bool:  # what was joined asks its gate again after the start
                return [user["user"] for user in (await daemon.held("gated"))["users"]] == ["user:u1"]

            await eventually(is_held_for_the_user, what="all of it is held for the user")
            await daemon.post("group", userId="u1", groupId="acme", traits={"name": "Acme"}, messageId="g1")
            await daemon.post("track", userId="u1", event="E", properties={"n": 4}, messageId="m4")
            await daemon.emptied()
            sent = [item for seen in vendor.requests for item in seen.json() if item["type"] == "track"]
            assert [item["n"] for item in sent] == [0, 1, 2, 3, 4]
            assert {item["user"] for item in sent} == {"u1"}
            assert {item["group_name"] for item in sent} == {"Acme"}


async def test_a_released_track_never_overtakes_an_identify_that_was_sent_before_it(tmp_path: Path) -> None:
    """Calls without the requirement may overtake held ones; never the other way round."""
    async with FakeVendor() as vendor:
        vendor.answer = lambda seen: Reply(500) if b'"id":"g2"' in seen.body else Reply(200)
        gated = destination("gated", "collector", {"base_url": vendor.url, "gated": True})
        async with Daemon(tmp_path, [gated]) as daemon:
            await daemon.post("track", userId="u1", event="E", messageId="t1")
            await daemon.post("group", userId="u1", groupId="acme", traits={"name": "Acme"}, messageId="g2")
            await daemon.becomes("g2", "gated", "retrying")
            await daemon.post("identify", userId="u1", traits={"a": 1}, messageId="i3")
            await daemon.post("track", userId="u1", event="E", messageId="t4")
            await daemon.becomes("t4", "gated", "held")
            vendor.requests.clear()
            vendor.answer = None
            await daemon.emptied()
            arrived = [item["id"] for seen in vendor.requests for item in seen.json()]
            arrived = [id for id in arrived if id != "g2"]
            assert arrived == ["t1", "i3", "t4"]


async def test_a_track_whose_own_group_is_named_meanwhile_waits_for_the_users_earlier_track_that_is_being_retried(
    tmp_path: Path,
) -> None:
    """An open gate is no way past what the same user sent before."""
    async with FakeVendor() as vendor:
        vendor.answer = lambda seen: Reply(500) if b'"id":"t2"' in seen.body else Reply(200)
        gated = destination("gated", "collector", {"base_url": vendor.url, "gated": True})
        async with Daemon(tmp_path, [gated]) as daemon:
            await daemon.post("group", userId="u1", groupId="acme", traits={"name": "Acme"}, messageId="g1")
            await daemon.post("track", userId="u1", event="E", messageId="t2")
            await daemon.becomes("t2", "gated", "retrying")
            await daemon.post("track", userId="u1", event="E", context={"groupId": "other"}, messageId="t3")
            await daemon.becomes("t3", "gated", "held", "group_name_unknown")
            await daemon.post("group", userId="u2", groupId="other", traits={"name": "Other"}, messageId="g4")
            await daemon.becomes("g4", "gated", "delivered")
            vendor.answer = None
            await daemon.emptied()
            arrived = [item["id"] for seen in vendor.requests for item in seen.json()]
            assert arrived.index("t3") > max(n for n, id in enumerate(arrived) if id == "t2")


async def test_many_anonymous_visitors_identified_in_a_burst_all_take_what_is_held_for_them_along(
    tmp_path: Path,
) -> None:
    """Joining depends on nothing that a commit at the same moment could change: some visitors are in memory, some on disk."""
    async with FakeVendor() as vendor:
        gated = destination("gated", "collector", {"base_url": vendor.url, "gated": True})
        visitors = range(120)

        def track(n: int, i: int) -> dict[str, Any]:
            return {"type": "track", "anonymousId": f"a{n}", "event": "E", "messageId": f"t{n}-{i}"}

        def identify(n: int) -> dict[str, Any]:
            return {"type": "identify", "anonymousId": f"a{n}", "userId": f"u{n}", "messageId": f"i{n}"}

        async with Daemon(tmp_path, [gated]) as daemon:
            await daemon.batch([track(n, 0) for n in visitors if n % 2])
            await daemon.settled()
            daemon.kill()
            await daemon.restart()
            for first in range(0, 120, 4):
                await daemon.batch([track(n, 1) for n in range(first, first + 4) if n % 2 == 0])
                await daemon.batch([identify(n) for n in range(first, first + 4)])
            await daemon.settled()
            users = []
            answer = await daemon.held("gated")
            while True:
                users += [user["user"] for user in answer["users"]]
                if answer["next"] is None:
                    break
                answer = await daemon.get(f"/api/destinations/gated/held?after={answer['next']}")
            assert sorted(users) == sorted(f"user:u{n}" for n in visitors)


async def test_an_event_released_by_its_group_call_that_meets_a_wrong_key_is_queued_and_held_nowhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever looks for it must find the pause, and what ends it: not the group, which is known."""
    async with (
        FakeVendor(Reply(401, json={"error": "bad key CSKEY"})) as cs,
        Daemon(tmp_path, [clientsuccess(cs)]) as daemon,
    ):

        async def said(*words: str, expected: int = 0) -> str:
            code = await asyncio.to_thread(main, [*words, "--config", str(daemon.config)])
            assert code == expected
            return capsys.readouterr().out

        for n in (1, 2):
            await daemon.post("track", userId="u1", event=f"Event {n}", messageId=f"m{n}")
        await daemon.becomes("m2", "clientsuccess", "held", "group_unknown")
        assert "m1: " in await said("why", "m1")
        await daemon.post("group", userId="u1", groupId="acme", traits={"name": "Acme"}, messageId="g1")
        await eventually(lambda: _met_a_401(daemon, "m1"), what="the vendor refuses the key")
        assert [line["message_id"] for line in daemon.log("event_released")] == ["m1"]

        assert [await daemon.fate(m, "clientsuccess") for m in ("m1", "m2")] == [("queued", "released")] * 2
        counts = await daemon.counts("clientsuccess")
        assert (counts["held"], counts["queued"], counts["skipped"], counts["state"]) == (0, 2, 1, "paused")
        assert await daemon.held("clientsuccess") == {"held": 0, "users": [], "next": None}
        pause = (await daemon.get("/readyz"))["pauses"]["clientsuccess"]
        assert (pause["reason"], pause["ended_by"]) == ("credentials", "resume clientsuccess")
        assert pause["next_probe_at"] > pause["since"]

        ends = "nothing is lost: correct the key, then `reload`; otherwise it tries again 20"
        why = await said("why", "m2")
        assert (
            "clientsuccess: queued: its group is known, so it was released; it goes out in its turn: m1 was accepted"
            in why
        )
        assert "clientsuccess is paused because the vendor refused our key (status 401" in why
        assert ends in why
        status = await said("status", expected=1)
        assert ends in " ".join(status.split())
        assert "wait for a group" not in status
        assert await said("held") == "nothing is held\n"
        shown = await said("destinations", "clientsuccess")
        assert "the last request that failed" in shown
        assert "CSKEY" not in shown

        cs.answer = lambda seen: Reply(201, json={"created": True})
        await daemon.admin("POST", "/api/destinations/clientsuccess/resume")
        await daemon.emptied()
        attempts = (await daemon.message("m1"))["destinations"]["clientsuccess"]["attempts"]
        assert [attempt["status"] for attempt in attempts] == [401, 201]
        last = (await daemon.get("/api/destinations/clientsuccess"))["last"]
        assert (last["delivered"]["status"], last["failed"]["status"]) == (201, 401)
        assert last["failed"]["answer"]["body"] == '{"error":"bad key ***"}'


async def _met_a_401(daemon: Daemon, message_id: str) -> bool:
    attempts = (await daemon.message(message_id))["destinations"]["clientsuccess"]["attempts"]
    return [attempt["status"] for attempt in attempts] == [401]
