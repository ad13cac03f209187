"""Time estimates of Freshsuccess through kills at any instant: every session is told, and told the same however often.

Browsers send tracks that carry their own clock; sessions end by breaks of that clock, by the router's timers, or with a change of
module. What the vendor took is held against the calls that were sent: closings may be repeated after a lost answer, never differ.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest

from router.testing.vendor import FakeVendor, Received, Reply, Reset
from tests.flow.harness import Daemon, Table, assert_ledger_adds_up, destination, eventually
from tests.patience import HANG_S

TIMEOUT_MS = 600
START_MS = 1_709_287_200_000
BROWSERS = {f"anon-{n}": f"u{n % 4}" for n in range(6)}
"""anonymousId to userId: two of the users have two browsers."""


@dataclass
class Lines:
    """The lines that a vendor took, each with how often. While `faulty` it refuses some, and loses some of its answers."""

    random: Random
    faulty: bool
    taken: Counter[str] = field(default_factory=Counter)

    def answer(self, seen: Received) -> Reply:
        """Refuse, or take; sometimes the answer gets lost."""
        dice = self.random.random() if self.faulty else 1.0
        if dice < 0.2:
            return Reply(500)
        self.taken.update(line.decode() for line in seen.body.splitlines())
        return Reset() if dice < 0.3 else Reply(200, delay_s=0.05 if dice < 0.4 else 0.0)

    def of(self, browser: str, action: str) -> list[dict[str, Any]]:
        """The different lines of this action, by time."""
        lines = [line for line in map(json.loads, self.taken) if line["session_id"] == browser]
        return sorted((line for line in lines if line["action"] == action), key=lambda line: line["created_at"])


@dataclass(frozen=True)
class Sent:
    """A track that was answered 200."""

    id: str
    at: int
    module: str | None


class Browser:
    """One anonymousId: mostly short steps in time, now and then a break."""

    def __init__(self, name: str, random: Random) -> None:
        self.name, self.sent, self._random = name, list[Sent](), random
        self._at = START_MS

    async def send(self, daemon: Daemon) -> None:
        """One more track, until it has its 200."""
        rests = self._random.random() < 0.1
        self._at += self._random.randrange(TIMEOUT_MS, 5_000) if rests else self._random.randrange(1, TIMEOUT_MS)
        sent = Sent(
            f"{self.name}-{len(self.sent)}", self._at, self._random.choice([None, None, "Dashboard", "Reports"])
        )
        seconds, ms = divmod(sent.at - START_MS, 1000)
        call = {
            "userId": BROWSERS[self.name],
            "anonymousId": self.name,
            "groupId": "acme",
            "event": sent.id,
            "messageId": sent.id,
            "properties": {"module": sent.module} if sent.module else {},
            "originalTimestamp": f"2024-03-01T{10 + seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}.{ms:03}Z",
        }
        await daemon.post_until_taken("track", call)
        self.sent.append(sent)


def expected_module_ends(session: list[Sent]) -> list[tuple[int, str, int]]:
    """(created_at, module, time_spent) of each module visit in a session."""
    ends: list[tuple[int, str, int]] = []
    module, begun = session[0].module, session[0].at
    for sent in session[1:]:
        if sent.module and sent.module != module:
            if module:
                ends.append((sent.at, module, sent.at - begun))
            module, begun = sent.module, sent.at
    return [*ends, (session[-1].at, module, session[-1].at - begun)] if module else ends


def assert_time_is_exact(browser: Browser, lines: Lines, received: dict[str, int]) -> None:
    """Sessions part the calls without gap or overlap, break wherever they must, and hold exactly the time of their calls."""
    syncs = lines.of(browser.name, "sessionSync")
    ends = lines.of(browser.name, "moduleEnd")
    begins, modules = 0, []
    for sync in syncs:
        session = list(itertools.takewhile(lambda sent: sent.at <= sync["created_at"], browser.sent[begins:]))  # noqa: B023
        assert session, f"a session overlaps another one, or has no call: {sync} of {syncs}"
        assert sync["created_at"] == session[-1].at, (browser.name, sync)
        assert sync["active_duration"] == session[-1].at - session[0].at, (browser.name, sync)
        for earlier, later in itertools.pairwise(session):
            assert later.at - earlier.at < TIMEOUT_MS, (browser.name, sync)
            assert received[later.id] - received[earlier.id] < TIMEOUT_MS, (browser.name, sync)
        modules += expected_module_ends(session)
        begins += len(session)
    assert begins == len(browser.sent), (browser.name, "calls without a session")
    told = [(end["created_at"], end["module"], end["time_spent"]) for end in ends]
    assert sorted(told) == sorted(modules), browser.name
    for line in (*syncs, *ends):
        assert (line["user_id"], line["account_id"]) == (BROWSERS[browser.name], "acme")


async def run_sessions(folder: Path, seed: int, kills: int, *, faulty: bool = True) -> tuple[Lines, list[Browser]]:
    """Tracks of all browsers, with kills in between and around the ends of sessions; then everything may come to rest."""
    random = Random(seed)
    lines = Lines(Random(f"{seed}-vendor"), faulty)
    browsers = [Browser(name, Random(f"{seed}-{name}")) for name in BROWSERS]
    async with FakeVendor() as vendor:
        vendor.answer = lines.answer
        settings = {
            "events_base_url": vendor.url,
            "event_auth_key": "AUTH",
            "event_api_key": "KEY",
            "session_timeout_minutes": TIMEOUT_MS / 60_000,
        }
        async with Daemon(folder, [destination("freshsuccess", "freshsuccess", settings)]) as daemon:
            for round in range(kills + 1):
                for _ in range(40):
                    await random.choice(browsers).send(daemon)
                if round < kills:
                    # half of the kills meet calls on their way, the others the timers of their sessions
                    await daemon.kill_after(random.choice([0.0, TIMEOUT_MS / 1000]) + random.uniform(0.0, 0.3))
                    await daemon.restart()
                    assert_ledger_adds_up(await daemon.ledger())
            lines.faulty = False
            counts = (await daemon.settled(within_s=HANG_S + 5 * kills))["destinations"]["freshsuccess"]
            assert counts["delivered"] == sum(len(browser.sent) for browser in browsers)

            async def at_rest() -> bool:
                counts = (f"(SELECT count(*) FROM {table})" for table in ("parked", "lane", "timer", "state"))
                return daemon.rows(f"SELECT {' + '.join(counts)}") == [(0,)]  # one snapshot: a timer becomes a row

            await eventually(at_rest, what="no row, timer or session is left")
            received = dict(daemon.rows("SELECT message_id, received_at FROM log"))
            for browser in browsers:
                assert_time_is_exact(browser, lines, received)
    return lines, browsers


async def test_every_session_is_told_once_with_its_exact_times(tmp_path: Path) -> None:
    """Without faults no line comes twice."""
    lines, browsers = await run_sessions(tmp_path, seed=1, kills=0, faulty=False)
    assert set(lines.taken.values()) == {1}
    assert sum(len(lines.of(browser.name, "sessionSync")) for browser in browsers) > len(browsers)
    assert sum(len(lines.of(browser.name, "moduleEnd")) for browser in browsers) > len(browsers)


async def test_sessions_are_told_exactly_through_kills_at_any_instant_and_a_vendor_that_loses_answers(
    tmp_path: Path,
) -> None:
    """Session, timer and lines are one commit; what is told again is told the same."""
    lines, _ = await run_sessions(tmp_path, seed=2, kills=6)
    assert max(lines.taken.values()) > 1, "some answer was lost"


# ---------------------------------------------------------------- calls that speak to both APIs


def with_accounts(vendor: FakeVendor) -> Table:
    """A destination in account mode."""
    settings = {"event_auth_key": "AUTH", "event_api_key": "KEY", "account_api_key": "AKEY"}
    urls = {"events_base_url": vendor.url, "api_base_url": vendor.url}
    return destination("freshsuccess", "freshsuccess", {**settings, **urls})


async def test_a_move_to_another_account_is_told_after_the_session_at_the_old_one_was_taken(tmp_path: Path) -> None:
    """Lines and records are different requests of one event, the next one after the last one's answer."""
    async with FakeVendor(Reply(json={"status_is_ok": True})) as vendor:
        async with Daemon(tmp_path, [with_accounts(vendor)]) as daemon:
            ids = {"userId": "u1", "anonymousId": "anon-1"}
            await daemon.post("track", **ids, groupId="acme", event="Opened", messageId="m1")
            await daemon.becomes("m1", "freshsuccess", "delivered")
            vendor.script(Reply(500))
            await daemon.post("group", **ids, groupId="beta", traits={"name": "Beta LLC"}, messageId="g1")
            await daemon.becomes("g1", "freshsuccess", "delivered")
        assert [seen.url for seen in vendor.requests] == ["/v1/AUTH/KEY"] * 3 + ["/api/v2/accounts"]
        _, refused, taken, _ = vendor.requests
        assert refused.body == taken.body
        assert (taken.json()["action"], taken.json()["account_id"]) == ("sessionSync", "acme")


async def test_a_user_whose_account_is_missing_is_written_once_the_account_is_there(tmp_path: Path) -> None:
    """Refused for now, not for good."""
    missing = [{"message": "Account not found", "account_id": "acme", "user_id": "u1", "record": 0}]
    async with FakeVendor(Reply(json={"status_is_ok": True})) as vendor:
        async with Daemon(tmp_path, [with_accounts(vendor)]) as daemon:
            vendor.script(Reply(json={"status_is_ok": True, "failed_results": missing}))
            await daemon.post(
                "identify", userId="u1", context={"groupId": "acme"}, traits={"name": "Ada"}, messageId="i1"
            )
            await daemon.becomes("i1", "freshsuccess", "delivered")
            attempts = (await daemon.message("i1"))["destinations"]["freshsuccess"]["attempts"]
            assert attempts[0]["reason"] == "account_not_found"
        first, second = vendor.requests
        assert first.body == second.body


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(3))
async def test_sessions_are_told_exactly_through_many_kills(tmp_path: Path, seed: int) -> None:
    """The long form."""
    await run_sessions(tmp_path, 100 + seed, kills=40)
