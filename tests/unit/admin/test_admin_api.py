"""Each path of the admin API on a real application, store and runner: its shape, and its errors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp.test_utils import TestClient, TestServer

from router.admin.app import make_admin_app
from router.admin.daemon_port import ClockJump, InForce, Preview, Reloaded, ReloadedAt, ReloadRefused
from router.config import Config, Proposal, SourceConfig, SourcePrivacyConfig
from router.counts import Counted, Counts
from router.deliver.runner import Runner
from router.deliver.runner_port import DestinationRunner
from router.errors import ConfigError, ConfirmationRequired, RestartRequired
from router.event import Discard
from router.judge import SourcePlan
from router.metrics import Metrics
from router.plugin import Pause, Reject, RetryLater
from router.plugin_host.plugin_threads import PluginThreads
from router.privacy import SourcePrivacy
from router.source_activity import Active
from router.store import Demand, Regulation
from router.store.disk_space import Room
from router.testing.clock import START_MS
from tests.contract.rig import Gated, Rig, open_rig
from tests.contract.store_case import StoreCase

NOW = "2026-03-02T09:30:00.000Z"
SEVEN = ("delivered", "skipped", "filtered", "held", "retrying", "queued", "dead")


class FakeDaemon:
    """What the API needs of a daemon, around a rig."""

    def __init__(self, rig: Rig) -> None:
        self.store: StoreCase = rig.store
        self.runners: dict[str, Runner] = {"d": rig.runner}
        self.metrics = Metrics()
        self.plugin_threads = PluginThreads()
        self._clock = rig.clock
        self.disk_problem = self.backup_problem = ""
        self.last_backup_ms = 0
        self.isolated: dict[str, str] = {}
        self.unmarked: list[str] = []
        self.elsewhere: list[ReloadedAt] = []  #: what a reload comes to at other nodes
        self.error: Exception | None = None
        self.is_stopping = False
        self.started_ms, self.listens = rig.clock.now_ms(), "http://127.0.0.1:8400"
        self.clock_jump: ClockJump | None = None
        self.loop_lags_s: dict[str, float] = {"": 0.0}
        self.standing_s: dict[str, float] = {}

        self.config = Config(path=Path("/etc/config.toml"), state_dir=Path("/var"), text='[admin]\ntoken = "a-token"\n')
        website = SourceConfig.model_validate({"name": "website", "write_key": "wk_website"})
        self.config = self.config.model_copy(update={"sources": [website]})
        self.in_force = InForce(START_MS, "start")
        self.last_refused: ReloadRefused | None = None

    def activity_of(self, source: str) -> Active:
        return Active(0, 0.0, 0, 0, 0, 0)

    async def is_exchanged(self, name: str, former: DestinationRunner) -> bool:
        return self.runners[name] is not former

    async def preview(self, proposal: Proposal | None = None) -> Preview:
        return Preview("restart_required", ["log.level: changed"], await self.reload(is_confirmed=False, via="api"))

    async def reload(self, *, is_confirmed: bool, via: str) -> Reloaded:
        if isinstance(self.error, ConfirmationRequired) and is_confirmed:
            self.error = None
        if self.error is not None:
            raise self.error
        return Reloaded(["e"], ["d"], [], ["website"], [], ["a warning"])

    async def reload_everywhere(self, *, is_confirmed: bool, via: str) -> list[ReloadedAt]:
        done = ReloadedAt("a", "1", await self.reload(is_confirmed=is_confirmed, via=via))
        return [done, *self.elsewhere]

    async def drop(self, name: str) -> dict[str, int]:
        return await self.store.drop(name)

    def unwritten_counts(self) -> tuple[int, dict[Counted, Counts]]:
        return self._clock.now_ms(), {}

    def unmark(self, name: str) -> None:
        self.unmarked.append(name)

    @property
    def now_ms(self) -> int:
        return self._clock.now_ms()

    def privacy_of(self, source: str) -> SourcePrivacy | None:
        return SourcePrivacy(SourcePrivacyConfig(drop=("properties.secret",)), None)

    def plan_of(self, source: str) -> SourcePlan | None:
        return None

    async def regulate(self, demand: Demand) -> Regulation:
        regulation = await self.store.people.begin(demand)
        if regulation.is_under_way:
            await self.runners["d"].forget(regulation)
        while regulation.is_under_way:
            regulation = await self.store.erasure.erase_on(regulation.id)
        return regulation

    def describe_sources(self) -> list[dict[str, Any]]:
        return [{"name": "website"}]


class Api:
    """A client of the admin API and the rig behind it."""

    def __init__(self, rig: Rig, daemon: FakeDaemon, client: TestClient[Any, Any]) -> None:
        self.rig, self.daemon, self._client = rig, daemon, client

    async def get(self, path: str, status: int = 200, **headers: str) -> Any:
        async with self._client.get(path, headers=headers) as response:
            assert (response.status, response.content_type) == (status, "application/json"), await response.text()
            return await response.json()

    async def text(self, path: str) -> str:
        async with self._client.get(path) as response:
            assert response.status == 200
            return await response.text()

    async def post(self, path: str, body: Any = None, status: int = 200, raw: bytes | None = None) -> Any:
        options: dict[str, Any] = {"json": {} if body is None else body}
        if raw is not None:
            options = {"data": raw, "headers": {"Content-Type": "application/json"}}
        async with self._client.post(path, **options) as response:
            assert (response.status, response.content_type) == (status, "application/json"), await response.text()
            return await response.json()


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with open_api(tmp_path) as made:
        yield made


@asynccontextmanager
async def open_api(folder: Path, token: str | None = None) -> AsyncIterator[Api]:
    """The application around a rig. `token`: of the listener."""
    async with open_rig(folder) as rig:
        await rig.store.cursor("d", START_MS)
        rig.start(Gated)
        await rig.runner.worker()
        daemon = FakeDaemon(rig)
        client: TestClient[Any, Any] = TestClient(TestServer(make_admin_app(daemon, token, "127.0.0.1", rig.log)))
        await client.start_server()
        try:
            yield Api(rig, daemon, client)
        finally:
            await client.close()


async def hold(api: Api, *message_ids: str, user: str = "u1") -> None:
    """Have these tracks held."""
    for message_id in message_ids:
        await api.rig.call("track", message_id, userId=user, event="E")
    await api.rig.quiet()


# ------------------------------------------------------------ health


async def test_health_and_readiness_of_a_router_that_is_well(api: Api) -> None:
    assert await api.get("/healthz") == {"status": "ok", "problems": [], "troubles": []}
    assert await api.get("/readyz") == {
        "status": "ready",
        "problems": [],
        "troubles": [],
        "destinations": {},
        "pauses": {},
        "isolated": {},
    }


async def test_a_destination_in_trouble_is_named_but_the_router_stays_ready(api: Api) -> None:
    await api.rig.runner.pause()
    told = await api.get("/readyz")
    assert told["destinations"] == {"d": "by_hand"}
    pause = {"state": "paused", "reason": "by_hand", "since": NOW, "next_probe_at": None, "ends_at": None}
    assert told["pauses"] == {"d": {**pause, "ended_by": "resume d"}}


async def test_a_pause_says_when_it_probes_or_ends_and_the_words_of_the_vendor_need_a_token(api: Api) -> None:
    api.rig.vendor.answer = lambda bodies: Pause("quota_used_up", "500 of 500", after_s=60)
    await api.rig.call("identify", "i", userId="u1")
    await api.rig.quiet()
    in_a_minute = "2026-03-02T09:31:00.000Z"
    pause = (await api.get("/api/destinations"))["destinations"][0]["pause"]
    assert (pause["reason"], pause["detail"]) == ("quota_used_up", "500 of 500")
    assert (pause["next_probe_at"], pause["ends_at"]) == (in_a_minute, None)
    assert (await api.get("/api/messages/i"))["destinations"]["d"]["pause"] == pause
    assert "detail" not in (await api.get("/readyz"))["pauses"]["d"]
    assert (await api.get("/api/ledger"))["destinations"]["d"]["state_until"] == in_a_minute


async def test_one_destination_shows_its_last_good_and_its_last_failed_request(api: Api) -> None:
    assert (await api.get("/api/destinations/d"))["last"] == {"delivered": None, "failed": None}
    await api.rig.call("identify", "good", userId="u1")
    await api.rig.quiet()
    api.rig.vendor.answer = lambda bodies: Reject("no", "words")
    await api.rig.call("identify", "bad", userId="u1")
    await api.rig.quiet()
    told = await api.get("/api/destinations/d")
    assert (told["name"], told["state"], told["dead"]) == ("d", "running", 1)
    for kind in ("delivered", "failed"):
        assert told["last"][kind] == {
            "at": NOW, "duration_ms": 0, "status": None, "error": "", "request": None, "answer": None,
        }  # fmt: skip
    await api.get("/api/destinations/nowhere", 404)


async def test_a_full_disk_makes_the_router_unready_but_not_unhealthy(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.rig.store.disk, "room", lambda: Room.DELIVERIES)
    body = await api.get("/readyz", 503)
    assert body["status"] == "not ready"
    assert "min_free" in body["problems"][0]
    assert (await api.get("/healthz"))["problems"] == body["problems"]


async def test_a_store_that_cannot_write_makes_the_router_unready(api: Api) -> None:
    api.rig.store.writer.broken = "disk I/O error"
    body = await api.get("/readyz", 503)
    assert "disk I/O error" in body["problems"][0]
    api.rig.store.writer.broken = ""


# ------------------------------------------------------------ questions


async def test_the_ledger_adds_up_and_says_how_each_destination_is(api: Api) -> None:
    await hold(api, "m1", "m2")
    await api.rig.call("identify", "i", userId="u1")
    await api.rig.call("identify", "i", userId="u1")
    await api.rig.quiet()
    ledger = await api.get("/api/ledger")
    assert {key: ledger[key] for key in ("accepted", "duplicates", "discarded")} == {
        "accepted": 3,
        "duplicates": 1,
        "discarded": 0,
    }
    told = ledger["destinations"]["d"]
    assert sum(told[name] for name in SEVEN) == 3
    assert set(told) == {
        *SEVEN, "dry_run", "replayed", "cursor", "head", "oldest_queued_s", "mode", "state", "state_reason", "state_since",
        "state_detail", "state_until", "timers", "next_timer_at", "beside",
    }  # fmt: skip
    assert (told["mode"], told["state"], told["held"], told["delivered"]) == ("live", "running", 2, 1)


async def test_a_disabled_destination_says_so_in_the_ledger(api: Api) -> None:
    await api.rig.stop()
    api.rig.start(Gated, enabled=False)
    await api.rig.runner.worker()
    api.daemon.runners["d"] = api.rig.runner
    assert (await api.get("/api/ledger"))["destinations"]["d"]["state"] == "disabled"
    assert (await api.get("/api/destinations"))["destinations"][0]["state"] == "disabled"


async def test_a_message_tells_its_fate_at_each_destination(api: Api) -> None:
    await hold(api, "m1")
    assert await api.get("/api/messages/m1") == {
        "message_id": "m1",
        "source": "website",
        "type": "track",
        "user_id": "u1",
        "anonymous_id": None,
        "received_at": NOW,
        "destinations": {"d": {"state": "held", "reason": "group_unknown", "at": NOW, "attempts": []}},
    }


async def test_a_message_tells_its_attempts(api: Api) -> None:
    api.rig.vendor.answer = lambda bodies: RetryLater("status_503", "busy")
    await api.rig.call("identify", "i", userId="u1")
    await api.rig.quiet()
    [attempt] = (await api.get("/api/messages/i"))["destinations"]["d"]["attempts"]
    assert attempt == {"at": NOW, "duration_ms": 0, "status": None, "error": "busy", "reason": "status_503"}


async def test_an_unknown_message_is_404(api: Api) -> None:
    assert (await api.get("/api/messages/nowhere", 404))["code"] == "unknown_message"


async def test_a_message_of_another_source_is_404(api: Api) -> None:
    await hold(api, "m1")
    assert (await api.get("/api/messages/m1?source=website"))["source"] == "website"
    await api.get("/api/messages/m1?source=app", 404)


@pytest.mark.parametrize("message_id", ["a/b", "a b", "ü", "100%", "a?b", "a#b", "../x"])
async def test_a_message_id_may_hold_any_sign(api: Api, message_id: str) -> None:
    from urllib.parse import quote

    from yarl import URL

    await hold(api, message_id)
    path = str(URL(f"/api/messages/{quote(message_id, safe='')}", encoded=True))
    async with api._client.session.get(
        URL(str(api._client.make_url("/")).rstrip("/") + path, encoded=True)
    ) as response:
        assert response.status == 200
        assert (await response.json())["message_id"] == message_id


async def test_find_tells_what_a_word_may_be_and_needs_one(api: Api) -> None:
    call = api.rig.make("group", "g1", userId="u1", groupId="acme", traits={"name": "Acme"})
    await api.rig.accept([call])
    found = await api.get("/api/find?q=acme")
    assert found["groups"] == [{"id": "acme", "name": "Acme"}]
    assert (found["events"], found["people"], found["names"], found["discarded"]) == ([], [], [], None)
    assert (await api.get("/api/find?q=g1"))["events"] == [{"message_id": "g1", "source": "website"}]
    assert (await api.get("/api/find?q=", 400))["code"] == "invalid_request"


async def test_destinations_tell_what_is_configured_and_how_it_is(api: Api) -> None:
    await hold(api, "m1")
    [told] = (await api.get("/api/destinations"))["destinations"]
    assert told == {
        "name": "d", "plugin": "test", "mode": "live", "enabled": True, "sources": ["*"], "state": "running",
        "state_reason": "", "state_detail": "", "state_since": None, "state_until": None, "in_flight": 0, "mapped": 0, "warnings": {},
        "isolation": "loop", "slow_hooks": {}, "plugin_version": "", "restart_required": False,
        "held": 1, "retrying": 0, "queued": 0, "dead": 0, "oldest_queued_s": 0, "beside": dict.fromkeys(SEVEN, 0),
        "waiting": {"group_unknown": {"events": 1, "users": 1, "oldest_s": 0.0}},
        "timers": 0, "next_timer_at": None, "pause": None,
    } | {"state_since": told["state_since"]}  # fmt: skip


async def test_sources_are_told(api: Api) -> None:
    assert await api.get("/api/sources") == {"sources": [{"name": "website"}]}


async def test_discards_are_told_by_source_and_code_and_the_newest_in_full(api: Api) -> None:
    await api.rig.store.append([], [], [Discard("web", START_MS, "no_user", "words", "m9", "track", "{}")])
    assert await api.get("/api/discards") == {
        "since": NOW,
        "counts": {"web": {"no_user": 1}},
        "days": [{"day": NOW[:10], "source": "web", "code": "no_user", "entries": 1}],
        "items": [
            {
                "at": NOW, "source": "web", "code": "no_user", "message": "words", "message_id": "m9", "type": "track",
                "excerpt": "{}",
            }
        ],
    }  # fmt: skip


async def test_discards_of_a_source_and_a_time_are_asked_for_and_odd_questions_refused(api: Api) -> None:
    await api.rig.store.append([], [], [Discard("web", START_MS, "no_user", "words", "m9", "track", "{}")])
    assert (await api.get("/api/discards?source=web&since=1h"))["counts"] == {"web": {"no_user": 1}}
    assert (await api.get("/api/discards?source=app&since=1h"))["counts"] == {}
    refused = await api.get("/api/discards?since=yesterday", 400)
    assert refused["error"] == "since: not a time; write 2026-01-31T10:00:00Z, or 36h for so long ago"
    assert (await api.get("/api/discards?code=no_user", 400))["error"] == "unknown: code; known: source, since"


async def test_held_tells_who_waits_for_what_and_until_when(api: Api) -> None:
    await hold(api, "m1", "m2")
    await api.rig.call("track", "m3", userId="u2", groupId="acme", event="E")
    await api.rig.quiet()
    body = await api.get("/api/destinations/d/held")
    assert (body["held"], body["next"]) == (3, None)
    expected = {"since": NOW, "expires_at": "2026-04-01T09:30:00.000Z"}
    assert body["users"] == [
        {"user": "user:u1", "waiting_for": "group_unknown", "group_id": None, "events": 2, **expected},
        {"user": "user:u2", "waiting_for": "group_name_unknown", "group_id": "acme", "events": 1, **expected},
    ]


@pytest.mark.parametrize(("user", "found"), [("u1", 1), ("user:u1", 1), ("anonymous:u1", 0), ("u9", 0)])
async def test_held_of_one_user(api: Api, user: str, found: int) -> None:
    await hold(api, "m1")
    await hold(api, "m2", user="u2")
    assert len((await api.get(f"/api/destinations/d/held?user={user}"))["users"]) == found


async def test_dead_letters_tell_why(api: Api) -> None:
    api.rig.vendor.answer = lambda bodies: Reject("rejected", "no such plan")
    await api.rig.call("identify", "i", userId="u1")
    await api.rig.quiet()
    body = await api.get("/api/destinations/d/dead")
    assert (body["dead"], body["next"]) == (1, None)
    [item] = body["items"]
    assert {key: item[key] for key in ("message_id", "type", "user", "at", "reason", "detail")} == {
        "message_id": "i", "type": "identify", "user": "user:u1", "at": NOW, "reason": "rejected", "detail": "no such plan",
    }  # fmt: skip
    assert len(item["attempts"]) == 1


@pytest.mark.parametrize(
    ("query", "found"), [("", 1), ("?reason=rejected", 1), ("?reason=expired", 0), ("?after=1", 0)]
)
async def test_dead_letters_are_filtered(api: Api, query: str, found: int) -> None:
    api.rig.vendor.answer = lambda bodies: Reject("rejected")
    await api.rig.call("identify", "i", userId="u1")
    await api.rig.quiet()
    assert len((await api.get(f"/api/destinations/d/dead{query}"))["items"]) == found


@pytest.mark.parametrize("after", ["x", "1.5", "9" * 30, "%00", "9999999999999999999"])
async def test_a_page_that_is_no_position_is_the_askers_fault(api: Api, after: str) -> None:
    await api.get(f"/api/destinations/d/dead?after={after}", 400)


@pytest.mark.parametrize("since", ["99999999999999999999d", "9" * 400 + "d", "800000d", "0001-01-01T00:00:00%2B23:00"])
async def test_a_time_that_no_clock_can_show_is_the_askers_fault(api: Api, since: str) -> None:
    assert (await api.get(f"/api/destinations/d/dead?since={since}", 400))["code"] == "invalid_request"


async def test_what_a_timer_sent_and_was_refused_is_among_the_dead_letters(api: Api) -> None:
    from router.store import CommitBatch, DeadRow

    dead = DeadRow(-5000, START_MS, "u:u1", "rejected", "", START_MS, "", "wake", "wake:d:1:2", "", b"", None, "", 1)
    worker = await api.rig.runner.worker()
    await worker.context.claim.commit(CommitBatch("d", dead=[dead], at=START_MS))
    assert [item["message_id"] for item in (await api.get("/api/destinations/d/dead"))["items"]] == ["wake:d:1:2"]


# ------------------------------------------------------------ commands


async def test_a_resume_lifts_the_mark_of_a_destination_that_ended_the_process(api: Api) -> None:
    await api.post("/api/destinations/d/resume")
    assert api.daemon.unmarked == ["d"]


async def test_who_has_a_thread_of_its_own_since_it_held_the_loop_is_named(api: Api) -> None:
    api.daemon.isolated["d"] = "plugin test: hook track held the event loop for 30 s"
    assert (await api.get("/readyz"))["isolated"] == api.daemon.isolated


async def test_pause_and_resume(api: Api) -> None:
    paused = {"state": "paused", "state_reason": "by_hand"}
    assert await api.post("/api/destinations/d/pause") == paused
    assert await api.post("/api/destinations/d/pause") == paused
    running = {"state": "running", "state_reason": ""}
    assert await api.post("/api/destinations/d/resume") == {**running, "was": "paused"}
    assert await api.post("/api/destinations/d/resume") == {**running, "was": "running"}


async def test_release_is_refused_while_the_group_is_unknown(api: Api) -> None:
    await hold(api, "m1")
    body = await api.post("/api/destinations/d/release", {"user": "u1"}, 409)
    assert body["code"] == "requirements_missing"


async def test_release_by_hand_on_behalf_of_a_group(api: Api) -> None:
    await hold(api, "m1", "m2")
    group = {"id": "acme", "name": "Acme"}
    assert await api.post("/api/destinations/d/release", {"user": "user:u1", "group": group}) == {"released": 2}
    await api.rig.quiet()
    assert [(b["m"], b["group"], b["name"]) for b in api.rig.vendor.received] == [
        ("m1", "acme", "Acme"),
        ("m2", "acme", "Acme"),
    ]


async def test_drop_makes_dead_letters(api: Api) -> None:
    await hold(api, "m1", "m2")
    assert await api.post("/api/destinations/d/release", {"user": "u1", "drop": True}) == {"dropped": 2}
    await api.rig.quiet()
    assert (await api.get("/api/destinations/d/dead?reason=dropped"))["dead"] == 2


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "invalid_request"),
        ({"user": ""}, 400, "invalid_request"),
        ({"user": 7}, 400, "invalid_request"),
        ({"user": "u1", "group": "acme"}, 400, "invalid_request"),
        ({"user": "u1", "group": {"name": "Acme"}}, 400, "invalid_request"),
        ({"user": "u1", "group": {"id": ""}}, 400, "invalid_request"),
        ({"user": "u1", "group": {"id": "g", "name": {"first": "Acme"}}}, 400, "invalid_request"),
        ({"user": "nobody"}, 404, "not_held"),
        ({"user": "nobody", "drop": True}, 404, "not_held"),
        ([], 400, "invalid_request"),
    ],
    ids=str,
)
async def test_a_release_that_cannot_be_is_refused_with_a_code(api: Api, body: Any, status: int, code: str) -> None:
    assert (await api.post("/api/destinations/d/release", body, status))["code"] == code


@pytest.mark.parametrize("raw", [b"{", b"\xff", b"nothing", b"null", b"[" * 60_000, b'{"user": NaN}'])
async def test_a_body_that_is_no_json_object_is_the_askers_fault(api: Api, raw: bytes) -> None:
    await api.post("/api/destinations/d/release", raw=raw, status=400)


async def test_reload_tells_what_it_did(api: Api) -> None:
    done = {
        "added": ["e"],
        "changed": ["d"],
        "removed": [],
        "sources": ["website"],
        "restart_required": [],
        "warnings": ["a warning"],
    }
    assert await api.post("/api/reload") == {"reloaded": True, **done}


async def test_the_configuration_is_told_with_its_secrets_masked_and_the_last_refusal(api: Api) -> None:
    body = await api.get("/api/configuration")
    assert (body["path"], body["text"]) == ("/etc/config.toml", '[admin]\ntoken = "••••"\n')
    assert (body["since"], body["via"], body["refused"]) == (NOW, "start", None)
    assert (body["reload"]["code"], body["reload"]["changes"]["added"]) == ("restart_required", ["e"])
    api.daemon.last_refused = ReloadRefused(START_MS, "signal", "invalid_config", ["one"])
    refused = {"at": NOW, "via": "signal", "code": "invalid_config", "errors": ["one"]}
    assert (await api.get("/api/configuration"))["refused"] == refused


async def test_a_faulty_config_is_409_with_every_problem(api: Api) -> None:
    api.daemon.error = ConfigError(["one", "two"])
    body = await api.post("/api/reload", status=409)
    assert (body["code"], body["errors"]) == ("invalid_config", ["one", "two"])


async def test_a_change_that_needs_a_restart_is_409(api: Api) -> None:
    api.daemon.error = RestartRequired(["store.url", "server.listen"])
    body = await api.post("/api/reload", status=409)
    assert body["code"] == "restart_required"
    assert [error.split(":")[0] for error in body["errors"]] == ["store.url", "server.listen"]


async def test_another_privacy_key_is_409_until_it_is_confirmed(api: Api) -> None:
    api.daemon.error = ConfirmationRequired(["privacy.key: changed"])
    for body in ({}, {"yes": False}):
        refused = await api.post("/api/reload", body, status=409)
        assert (refused["code"], refused["errors"]) == ("confirmation_required", ["privacy.key: changed"])
    assert (await api.post("/api/reload", {"yes": "yes"}, status=400))["code"] == "invalid_request"
    assert (await api.post("/api/reload", {"yes": True}))["reloaded"] is True


async def test_a_reload_everywhere_tells_what_it_came_to_at_each_node(api: Api) -> None:
    told = await api.post("/api/reload?everywhere=true")
    assert (told["reloaded"], [one["node"] for one in told["nodes"]]) == (True, ["a"])
    assert told["nodes"][0]["added"] == ["e"]
    api.daemon.elsewhere = [
        ReloadedAt("b", "2", None, "invalid_config", ["one", "two"]),
        ReloadedAt("c", "3", None, "under_way", ["not done yet"], 17),
    ]
    told = await api.post("/api/reload?everywhere=true", status=409)
    assert (told["code"], told["error"]) == ("not_everywhere", "not reloaded: b, c")
    _, b, c = told["nodes"]
    assert (b["code"], b["errors"], b["command"]) == ("invalid_config", ["one", "two"], None)
    assert (c["reloaded"], c["command"]) == (False, 17)


async def test_with_a_file_the_cluster_is_this_process(api: Api) -> None:
    await api.rig.call("track", "m1", userId="u1", event="E")
    await api.rig.quiet()
    told = await api.get("/api/cluster")
    [node], [unit] = told["nodes"], told["units"]
    assert (told["shared"], told["differs"]) == (False, [])
    assert (node["is_this"], node["is_alive"], node["alive_until"], node["units"]) == (True, True, None, 1)
    assert (unit["destination"], unit["node"], unit["epoch"], unit["lag"]) == ("d", node["name"], None, 0)
    assert (unit["state"], unit["without_owner_s"]) == ("running", 0.0)
    assert told["duties"] == [{"duty": "housekeeping", "node": node["name"]}, {"duty": "notices", "node": None}]


@pytest.mark.parametrize(
    ("method", "path"),
    [("get", "held"), ("get", "dead"), ("post", "release"), ("post", "pause"), ("post", "resume")],
)
async def test_an_unknown_destination_is_404_and_names_those_there_are(api: Api, method: str, path: str) -> None:
    body = await getattr(api, method)(f"/api/destinations/x/{path}", status=404)
    assert (body["code"], "configured: d" in body["error"]) == ("not_found", True)


# ------------------------------------------------------------ while destinations are exchanged


@pytest.mark.parametrize("path", ["/api/ledger", "/api/destinations", "/metrics"])
async def test_an_answer_shows_the_destinations_that_were_there_when_it_began(
    api: Api, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    questions = api.rig.store.queries
    asked = questions.ledger

    async def ledger(names: list[str]) -> dict[str, Any]:
        answer = await asked(names)
        api.daemon.runners = {}  # as a reload does, while the store is asked
        return answer

    monkeypatch.setattr(questions, "ledger", ledger)
    assert '"d"' in await api.text(path)


# ------------------------------------------------------------ events and the first page


async def test_events_are_searched_by_the_words_of_the_query(api: Api) -> None:
    await hold(api, "m1", "m2")
    await hold(api, "m3", user="u2")
    found = await api.get("/api/events?user=u1&limit=1")
    assert [event["message_id"] for event in found["items"]] == ["m2"]
    more = await api.get(f"/api/events?user=u1&before={found['next']}&state=held@d")
    assert [event["message_id"] for event in more["items"]] == ["m1"]


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=501", "before=x", "state=odd", "usr=u1", "since=then"])
async def test_a_search_that_cannot_be_understood_is_refused(api: Api, query: str) -> None:
    assert (await api.get(f"/api/events?{query}", 400))["code"] == "invalid_request"


async def test_what_looks_personal_is_counted_without_its_value(api: Api) -> None:
    await hold(api, "m1", user="eva@example.com")
    found = await api.get("/api/privacy/scan?source=website&since=1h")
    finding = {"source": "website", "path": "userId", "what": "email", "by": "shape", "events": 1}
    assert (found["events"], found["found"], found["next"]) == (1, [finding], None)
    assert (await api.get("/api/privacy/scan?source=elsewhere"))["events"] == 0


@pytest.mark.parametrize("query", ["since=then", "before=x", "user=u1"])
async def test_a_scan_that_cannot_be_understood_is_refused(api: Api, query: str) -> None:
    assert (await api.get(f"/api/privacy/scan?{query}", 400))["code"] == "invalid_request"


async def test_a_browser_finds_links_at_the_root(api: Api) -> None:
    page = await api.text("/")
    for path in ("/healthz", "/readyz", "/api/ledger", "/api/events", "/api/destinations", "/api/sources"):
        assert f'<a href="{path}">' in page
        await api.get(path)


# ------------------------------------------------------------ trials

TRACK = {"type": "track", "userId": "u9", "event": "E", "messageId": "tried"}


async def test_a_trial_shows_what_would_become_of_an_event_and_stores_nothing(api: Api) -> None:
    told = await api.post("/api/try", {"events": [TRACK]})
    assert (told["source"], told["events"][0]["message_id"], told["events"][0]["user"]) == (
        "website",
        "tried",
        "user:u9",
    )
    at_d = told["events"][0]["destinations"]["d"]
    assert (at_d["outcome"], at_d["reason"]) == ("held", "group_unknown")
    assert (await api.get("/api/ledger"))["accepted"] == 0


async def test_a_trial_takes_the_user_and_the_group_as_known_if_told_so(api: Api) -> None:
    for known in ({"user_known": True}, {"group": {"id": "acme", "name": "Acme Inc"}}):
        told = await api.post("/api/try", {"events": [TRACK], "destination": "d", **known})
        assert told["events"][0]["destinations"]["d"]["outcome"] == "deliver", known
    told = await api.post("/api/try", {"events": [TRACK], "group": {"id": "acme"}})
    assert told["events"][0]["destinations"]["d"]["reason"] == "group_name_unknown"


async def test_a_trial_shows_why_a_call_would_be_discarded(api: Api) -> None:
    told = await api.post("/api/try", {"events": [{"type": "track", "userId": "u1"}, {"type": "nope"}]})
    assert [event["discarded"] and event["discarded"]["code"] for event in told["events"]] == [
        "event_not_defined",
        "unknown_type",
    ]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({}, 400, "`events` must be a list of 1 to 100 calls"),
        ({"events": []}, 400, "`events` must be a list of 1 to 100 calls"),
        ({"events": [TRACK], "evnts": 1}, 400, "unknown key 'evnts'"),
        ({"events": [TRACK], "source": "nope"}, 404, "there is no source 'nope'; configured are website"),
        ({"events": [TRACK], "destination": "nope"}, 404, "there is no destination 'nope'; running are d"),
        ({"events": [TRACK], "user_known": "yes"}, 400, "`user_known` must be true or false"),
        ({"events": [TRACK], "answer": "500"}, 400, "`answer` must be one of 200, 400, 429, timeout, garbage"),
        ({"events": [TRACK], "settings": []}, 400, "`settings` must be an object"),
        ({"events": [TRACK], "settings": {}}, 400, "`settings` needs a `destination`"),
        ({"events": [TRACK], "group": "acme"}, 400, "`group` must be an object with an `id`"),
    ],
)
async def test_a_trial_that_cannot_be_read_is_refused(api: Api, body: Any, status: int, words: str) -> None:
    assert words in (await api.post("/api/try", body, status))["error"]


# ------------------------------------------------------------ people


async def test_a_person_is_forgotten_by_segments_body_and_the_answer_names_nobody(api: Api) -> None:
    await api.rig.call("identify", "i1", userId="u1", anonymousId="a1", traits={"name": "U"})
    await hold(api, "m1", "m2")
    body = {"regulationType": "DELETE_INTERNAL", "subjectType": "USER_ID", "subjectIds": ["u1"]}
    assert await api.post("/api/regulations", {**body, "preview": True}) == {"data": {"joined": {"u1": ["a1"]}}}
    made = (await api.post("/api/regulations", body))["data"]["regulateId"]
    told = (await api.get(f"/api/regulations/{made}"))["data"]["regulation"]
    assert (told["overallStatus"], told["subjects"]) == ("FINISHED", 1)
    assert told["erased"] == {"directory": 2, "waiting": 2, "events": 3}
    assert (await api.get("/api/regulations"))["data"]["regulations"] == [told]
    assert (await api.get("/api/messages/m1"))["forgotten"]
    events = (await api.get("/api/events"))["items"]
    assert {(one["user"], one["message_id"]) for one in events} == {(None, "")}


async def test_ids_of_one_person_are_given_as_they_come(api: Api) -> None:
    body = {"regulationType": "SUPPRESS_ONLY", "subjectType": "USER_ID", "subjectIds": [7, " 7 "]}
    await api.post("/api/regulations", body)
    assert await api.get("/api/suppressions") == {"suppressed": 1}
    await api.post("/api/regulations", {**body, "regulationType": "UNSUPPRESS", "subjectIds": ["7"]})
    assert await api.get("/api/suppressions") == {"suppressed": 0}


async def test_five_thousand_people_are_taken_at_once_and_no_more(api: Api) -> None:
    ids = [f"00000000-0000-4000-8000-{n:012}" for n in range(5_001)]
    body = {"regulationType": "DELETE_INTERNAL", "subjectType": "USER_ID", "subjectIds": ids}
    assert "1 to 5000 ids" in (await api.post("/api/regulations", body, 400))["error"]
    made = (await api.post("/api/regulations", {**body, "subjectIds": ids[1:]}))["data"]["regulateId"]
    assert (await api.get(f"/api/regulations/{made}"))["data"]["regulation"]["subjects"] == 5_000


async def test_an_unknown_regulation_is_told(api: Api) -> None:
    assert (await api.get("/api/regulations/reg_0", 404))["code"] == "unknown_regulation"


@pytest.mark.parametrize("path", ["/api/violations", "/api/privacy/scan", "/api/events", "/api/destinations/d/dead"])
@pytest.mark.parametrize(
    ("since", "words"),
    [
        ("yesterday", "not a time"),
        ("9" * 400 + "w", "there is no such time"),
        ("99999999999999w", "there is no such time"),
        ("9999-12-31T23:59:59-12:00", "there is no such time"),
        ("0001-01-01T00:00:00+12:00", "there is no such time"),
    ],
)
async def test_a_time_that_there_is_not_is_400_everywhere(api: Api, path: str, since: str, words: str) -> None:
    answer = await api.get(f"{path}?since={quote(since)}", 400)
    assert answer["code"] == "invalid_request"
    assert words in answer["error"]
    assert "since" in answer["error"]
