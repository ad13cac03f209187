"""The whole contract of a plugin through a running daemon: keyed state, timers, a token, a look-up, requirements."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from router.testing.vendor import FakeVendor, Received, Reply
from tests.flow.harness import Daemon, assert_ledger_adds_up, destination, eventually

# ---------------------------------------------------------------- sessions: state and timers

USERS = [f"u{n}" for n in range(6)]


@dataclass
class Closings:
    """What a vendor of sessions was told. A session is known by its user and its first event."""

    sessions: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    differing: list[Any] = field(default_factory=list)
    refuse: float = 0.0
    random: Random = field(default_factory=lambda: Random(1))

    def answer(self, seen: Received) -> Reply:
        """Take them, or refuse them all for now."""
        if self.random.random() < self.refuse:
            return Reply(500)
        for session in seen.json():
            first = self.sessions.setdefault((session["user"], session["first"]), session)
            if first != session:
                self.differing.append((first, session))
        return Reply(200, json={})

    def count(self, user: str) -> int:
        """Tracks in the closed sessions of a user."""
        return sum(s["count"] for (who, _), s in self.sessions.items() if who == user)


def assert_sessions_are_exact(closings: Closings, sent: dict[str, list[tuple[str, int]]]) -> None:
    """Every track is in one session, sessions do not overlap, and each closed exactly when its silence was over."""
    stray = [session for session in closings.sessions.values() if session["first"] is None]
    assert not stray, f"a timer was due again after it had closed its session: {stray}"
    assert not closings.differing, closings.differing[:2]
    for user, tracks in sent.items():
        place = {id: index for index, (id, _) in enumerate(tracks)}
        sessions = sorted(
            (s for (who, _), s in closings.sessions.items() if who == user), key=lambda s: place[s["first"]]
        )
        begins = 0
        for session in sessions:
            assert place[session["first"]] == begins, (user, session)
            ends = place[session["last"]] + 1
            assert session["count"] == ends - begins, (user, session)
            assert session["sum"] == sum(n for _, n in tracks[begins:ends]), (user, session)
            at, due = datetime.fromisoformat(session["at"]), datetime.fromisoformat(session["closes_at"])
            assert abs((at - due).total_seconds()) < 0.002, f"closed by a timer that had been set anew: {session}"
            begins = ends
        assert begins == len(tracks), (user, "sessions end before the last track")


async def send_tracks(daemon: Daemon, sent: dict[str, list[tuple[str, int]]], random: Random, n: int) -> None:
    """Numbered tracks of random users; each is sent until it has its 200."""
    for _ in range(n):
        user = random.choice(USERS)
        number = random.randrange(1000)
        id = f"{user}-{len(sent[user])}"
        call = {"userId": user, "event": "E", "properties": {"n": number}, "messageId": id}
        await daemon.post_until_taken("track", call)
        sent[user].append((id, number))


async def run_sessions(folder: Path, seed: int, kills: int) -> None:
    """Sessions through kills at random instants, with a vendor that refuses every third request."""
    random = Random(seed)
    closings = Closings(refuse=0.33, random=Random(f"{seed}-vendor"))
    sent: dict[str, list[tuple[str, int]]] = {user: [] for user in USERS}
    async with FakeVendor() as vendor:
        vendor.answer = closings.answer
        settings = {"base_url": vendor.url, "silence_s": 0.4}
        async with Daemon(folder, [destination("sessions", "sessions", settings)]) as daemon:
            for _ in range(kills):
                await send_tracks(daemon, sent, random, 40)
                await daemon.kill_after(random.uniform(0.0, 0.8))
                await daemon.restart()
                assert_ledger_adds_up(await daemon.ledger())
            closings.refuse = 0.0
            await daemon.settled()

            async def all_closed() -> bool:
                return all(closings.count(user) >= len(sent[user]) for user in USERS)

            await eventually(all_closed, what="all sessions are closed")
            assert_sessions_are_exact(closings, sent)
            ledger = await daemon.settled()
            counts = ledger["destinations"]["sessions"]
            assert (counts["skipped"], counts["delivered"]) == (ledger["accepted"], 0), "timers stand in no ledger"

            async def nothing_left() -> bool:
                rows = [daemon.rows(f"SELECT count(*) FROM {table}")[0][0] for table in ("parked", "lane", "timer")]
                return rows == [0, 0, 0] and daemon.rows("SELECT count(*) FROM state") == [(0,)]

            await eventually(nothing_left, what="no row, timer or state is left")


async def test_sessions_close_once_with_the_right_totals_through_kills_at_any_instant(tmp_path: Path) -> None:
    """State, timer and item are one commit."""
    await run_sessions(tmp_path, seed=1, kills=6)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(5))
async def test_sessions_close_once_with_the_right_totals_through_many_kills(tmp_path: Path, seed: int) -> None:
    """The long form."""
    await run_sessions(tmp_path, seed=100 + seed, kills=40)


async def test_a_timer_set_anew_at_the_moment_it_is_due_closes_no_session_early(tmp_path: Path) -> None:
    """Tracks arrive all the time around the instant their session would end."""
    closings, random = Closings(), Random(7)
    sent: dict[str, list[tuple[str, int]]] = {user: [] for user in USERS}
    async with FakeVendor() as vendor:
        vendor.answer = closings.answer
        settings = {"base_url": vendor.url, "silence_s": 0.02}
        async with Daemon(tmp_path, [destination("sessions", "sessions", settings)]) as daemon:
            await send_tracks(daemon, sent, random, 1000)
            await daemon.settled()

            async def all_closed() -> bool:
                return all(closings.count(user) >= len(sent[user]) for user in USERS)

            await eventually(all_closed, what="all sessions are closed")
            assert_sessions_are_exact(closings, sent)
            assert len(closings.sessions) > 20, "there were sessions to close"


async def test_more_keyed_states_than_memory_keeps_lose_no_change(tmp_path: Path) -> None:
    """What is forgotten in memory is read again from the store: never before it stands there."""
    users, rounds, together = 12_000, 2, 500
    async with FakeVendor() as vendor:
        settings = {"base_url": vendor.url, "silence_s": 3600}
        log = {"level": "warning"}
        async with Daemon(tmp_path, [destination("sessions", "sessions", settings)], log=log) as daemon:
            assert (await daemon.admin("POST", "/api/destinations/sessions/pause"))[0] == 200
            for first in range(0, users, together):
                for again in range(rounds):
                    numbers = range(first, first + together)
                    await daemon.batch([numbered_track(f"u{n}", f"u{n}-{again}") for n in numbers])
            assert (await daemon.admin("POST", "/api/destinations/sessions/resume"))[0] == 200
            await daemon.settled()
            counts = Counter(json.loads(value)["count"] for (value,) in daemon.rows("SELECT value FROM state"))
            assert counts == {rounds: users}


def numbered_track(user: str, id: str) -> dict[str, Any]:
    """A track of the number 1."""
    return {"type": "track", "userId": user, "event": "E", "properties": {"n": 1}, "messageId": id}


# ---------------------------------------------------------------- a token, and a look-up before each update

CLIENT_SECRET = "the-client-secret-9321"


@dataclass
class ContactsVendor:
    """Gives tokens that last for a few requests; knows every contact by a number."""

    lasts: int = 4
    tokens: int = 0
    used: int = 0
    updates: list[dict[str, Any]] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    down: bool = False

    def answer(self, seen: Received) -> Reply:
        """One of the three requests."""
        path = seen.url.split("?")[0]
        self.asked[f"{seen.method} {path.rstrip('0123456789')}"] += 1
        if path == "/token":
            assert CLIENT_SECRET.encode() in seen.body
            self.tokens, self.used = self.tokens + 1, 0
            return Reply(200, json={"access_token": f"secret-token-{self.tokens}", "refresh_token": CLIENT_SECRET})
        if seen.headers.get("authorization") != f"Bearer secret-token-{self.tokens}" or self.used >= self.lasts:
            return Reply(401)
        self.used += 1
        if self.down:
            return Reply(503, body=f"not now, secret-token-{self.tokens}, nor {CLIENT_SECRET}".encode())
        if seen.method == "GET":
            return Reply(200, json={"id": int(re.sub(r"\D", "", seen.url.split("?")[1]))})
        self.updates.append(seen.json())
        return Reply(204)


def assert_leaves_no_trace(folder: Path, *secrets: str) -> None:
    """No file the daemon wrote holds any of these words."""
    for path in folder.iterdir():
        if path.name != "config.toml" and path.is_file():
            content = path.read_bytes()
            for secret in secrets:
                assert secret.encode() not in content, f"{secret} stands in {path.name}"


async def test_a_plugin_that_sends_several_requests_for_an_event_refreshes_its_token_and_leaves_no_trace_of_it(
    tmp_path: Path,
) -> None:
    """A token that expires in the middle costs nothing but a request; no secret is written anywhere."""
    contacts = ContactsVendor()
    async with FakeVendor() as vendor:
        vendor.answer = contacts.answer
        settings = {"base_url": vendor.url, "client_secret": CLIENT_SECRET}
        table = destination("contacts", "contacts", settings, delivery={"concurrency": 1})
        async with Daemon(tmp_path, [table], log={"level": "debug"}) as daemon:
            for n in range(10):
                await daemon.post("track", userId=f"u{n}", event=f"E{n}", messageId=f"m{n}")
            ledger = await daemon.settled()
            assert ledger["destinations"]["contacts"]["delivered"] == 10
            assert sorted(update["did"] for update in contacts.updates) == [f"E{n}" for n in range(10)]
            assert contacts.tokens >= 4
            contacts.down = True
            await daemon.post("track", userId="u1", event="Late", messageId="late")
            await daemon.becomes("late", "contacts", "retrying", "status_503")
            contacts.down = False
            await daemon.becomes("late", "contacts", "delivered")
            message = await daemon.message("late")
            assert "not now, ***, nor ***" in str(message)
            assert CLIENT_SECRET not in str(message)
            assert "secret-token" not in str(message)
        assert_leaves_no_trace(tmp_path, CLIENT_SECRET, "secret-token")


async def test_a_dry_run_shows_what_would_go_out_and_calls_nobody(tmp_path: Path) -> None:
    """Also for a plugin whose sending is code of its own."""
    async with FakeVendor() as vendor:
        settings = {"base_url": vendor.url, "client_secret": CLIENT_SECRET}
        tables = [
            destination("contacts", "contacts", settings, mode="dry-run"),
            destination("hook", "collector", {"base_url": vendor.url}, mode="dry-run"),
        ]
        async with Daemon(tmp_path, tables) as daemon:
            await daemon.post("track", userId="u1", event="Opened", messageId="m1")
            ledger = await daemon.settled()
            assert ledger["destinations"]["contacts"]["dry_run"] == 1
            message = (await daemon.message("m1"))["destinations"]
            assert (message["contacts"]["state"], message["contacts"]["reason"]) == ("delivered", "dry_run")
            shown = message["contacts"]["attempts"][0]["request"]
            assert shown == {"items": [{"user": "u1", "did": "Opened", "plan": None}]}
            shown = message["hook"]["attempts"][0]["request"]
            assert shown["url"] == f"{vendor.url}/collect"
            assert '"id":"m1"' in shown["body"]
            assert not vendor.requests


async def test_what_an_operator_requires_beyond_the_plugin_holds_events_of_a_plugin_that_asks_for_nothing(
    tmp_path: Path,
) -> None:
    """hold.require: any trait of the group."""
    contacts = ContactsVendor(lasts=1000)
    async with FakeVendor() as vendor:
        vendor.answer = contacts.answer
        settings = {"base_url": vendor.url, "client_secret": CLIENT_SECRET}
        table = destination("contacts", "contacts", settings, hold={"require": ["group.id", "group.plan"]})
        async with Daemon(tmp_path, [table]) as daemon:
            await daemon.post("track", userId="u1", event="Early", messageId="m1")
            await daemon.becomes("m1", "contacts", "held", "group_unknown")
            await daemon.post("group", userId="u1", groupId="acme", traits={"name": "Acme"}, messageId="g1")
            await daemon.becomes("m1", "contacts", "held", "group_plan_unknown")
            daemon.kill()
            await daemon.restart()
            await daemon.post("group", userId="u2", groupId="acme", traits={"plan": "gold"}, messageId="g2")
            await daemon.emptied()
            assert contacts.updates == [{"user": "u1", "did": "Early", "plan": "gold"}]


async def test_a_plugin_that_raises_in_a_hook_costs_that_event_and_nothing_else(tmp_path: Path) -> None:
    """A dead letter with the traceback; the worker lives."""
    closings = Closings()
    async with FakeVendor() as vendor:
        vendor.answer = closings.answer
        settings = {"base_url": vendor.url, "silence_s": 0.2}
        async with Daemon(tmp_path, [destination("sessions", "sessions", settings)]) as daemon:
            await daemon.post("track", userId="u1", event="E", properties={"n": 1}, messageId="m1")
            await daemon.post("track", userId="u1", event="E", messageId="bad")
            await daemon.post("track", userId="u1", event="E", properties={"n": 2}, messageId="m2")
            await daemon.becomes("bad", "sessions", "dead", "plugin_error")
            dead = await daemon.get("/api/destinations/sessions/dead")
            assert "KeyError" in dead["items"][0]["detail"]

            async def closed() -> bool:
                return closings.count("u1") == 2

            await eventually(closed, what="the session is closed")
            assert [s["sum"] for s in closings.sessions.values()] in ([3], [1, 2])
