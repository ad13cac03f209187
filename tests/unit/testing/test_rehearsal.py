"""`Rehearsal` decides and maps as the router does."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from plugins.braze import Braze
from plugins.clientsuccess import ClientSuccess
from plugins.freshsuccess import Freshsuccess
from plugins.webhook import Webhook
from router.errors import ConfigError
from router.plugin import Batch, Item, Person, as_instant
from router.testing import Bench, Rehearsal, Reply, every_call
from router.testing.fixtures import NOW_MS, came_of, played
from tests.unit.testing.greeter import Greeter

FIXTURES = Path(__file__).parent.parent.parent / "fixtures"
ACME = {"type": "group", "userId": "u1", "groupId": "acme", "traits": {"name": "Acme Inc"}}
HELLO = {"type": "track", "userId": "u1", "event": "Hello"}


@pytest.fixture
def rehearsal() -> Rehearsal:
    return Rehearsal(Greeter, {"token": "T-4711"})


def test_a_call_is_held_then_sent_as_the_gate_says(rehearsal: Rehearsal) -> None:
    assert rehearsal.take(HELLO).outcome == "held: group_unknown"
    assert rehearsal.take({**ACME, "traits": {}}).outcome == "skipped: remembered"
    assert rehearsal.take(HELLO).outcome == "held: group_name_unknown"
    rehearsal.take(ACME)
    came = rehearsal.take(HELLO)
    assert (came.outcome, came.warnings) == ("sent", ["greeted"])
    assert came.items == [Item({"who": "u1", "did": "Hello", "company": "Acme Inc"})]
    assert [request.url for request in came.requests] == ["https://greeter.example.com/events"]


def test_state_and_timers_are_kept_and_come_due(rehearsal: Rehearsal) -> None:
    rehearsal.take(ACME)
    rehearsal.take(HELLO)
    rehearsal.advance(minutes=10)
    rehearsal.take(HELLO)
    assert rehearsal.state("u1") == 2
    assert rehearsal.timers == {"u1": rehearsal.clock.now() + timedelta(minutes=30)}
    assert rehearsal.advance(minutes=29) == []
    (came,) = rehearsal.advance(minutes=1)
    assert came.items == [Item({"who": "u1", "events": 2})]
    assert rehearsal.timers == {}


@pytest.mark.parametrize(
    ("call", "outcome"),
    [
        ({**HELLO, "integrations": {"All": False}}, "filtered: integrations"),
        ({"type": "page", "userId": "u1"}, "skipped: unsupported"),
        ({**HELLO, "event": "Bad"}, "dead: bad"),
        ({**HELLO, "event": "Broken"}, "dead: plugin_error"),
    ],
)
def test_what_is_not_sent_says_why(rehearsal: Rehearsal, call: dict[str, Any], outcome: str) -> None:
    rehearsal.take(ACME)
    came = rehearsal.take(call)
    assert (came.outcome, came.requests) == (outcome, [])
    assert "T-4711" not in came.detail
    assert ("ZeroDivisionError" in came.detail) == (outcome == "dead: plugin_error")


def test_a_deletion_is_made_of_a_person_and_of_a_group() -> None:
    rehearsal = Rehearsal(Braze, {"api_key": "KEY"})
    came = rehearsal.forget(Person("u1", ("a1",)))
    assert [request.url for request in came.requests] == ["https://rest.iad-01.braze.com/users/delete"]
    with pytest.raises(KeyError):
        rehearsal.forget("acme")


def test_what_ingestion_or_the_router_refuses_is_said(rehearsal: Rehearsal) -> None:
    with pytest.raises(ValueError, match="a track call needs event"):
        rehearsal.take({"type": "track", "userId": "u1"})
    with pytest.raises(ConfigError, match=r"settings\.tokem: unknown"):
        Rehearsal(Greeter, {"token": "T", "tokem": "T"})


SETTINGS: dict[type[Any], dict[str, str]] = {
    Braze: {"api_key": "KEY"},
    ClientSuccess: {"project_id": "P", "api_key": "KEY"},
    Freshsuccess: {"event_auth_key": "AUTH", "event_api_key": "KEY", "account_api_key": "AKEY"},
    Webhook: {"url": "https://example.com/hook"},
}


@pytest.mark.parametrize("name", every_call())
def test_a_plugin_of_ours_takes_every_oddity_of_real_traffic(name: str) -> None:
    rehearsal = Rehearsal(Braze, SETTINGS[Braze])
    rehearsal.take({**ACME, "userId": "u-1042"})
    came = rehearsal.take(every_call()[name])
    assert came.outcome != "dead: plugin_error", came.detail


ONE_EACH = [
    (Braze, "braze/40-an-identify-with-both-ids-merges-the-alias-first.json"),
    (Braze, "braze/43-a-repeated-identify-is-skipped.json"),
    (ClientSuccess, "clientsuccess/08-group-name-known-from-another-user.json"),
    (Freshsuccess, "freshsuccess/17-module-switch-inside-a-session.json"),
    (Freshsuccess, "freshsuccess/35-a-session-that-nothing-followed-is-closed-by-the-timer.json"),
    (Webhook, "webhook/03-track.json"),
]
DIFFER = (
    "07-group-then-the-identify-that-waited-for-it.json",  # a worker also sends what was held
    "41-calls-of-a-server-take-no-part-in-sessions.json",  # a worker calls the timer before the call that comes in later
)
EACH = [
    (plugin, f"{folder}/{path.name}")
    for plugin, folder in {Braze: "braze", ClientSuccess: "clientsuccess", Freshsuccess: "freshsuccess"}.items()
    for path in sorted((FIXTURES / folder).glob("*.json"))
    if path.name not in DIFFER
]


def prompt(plugin: type[Any]) -> type[Any]:
    """The same plugin, which waits for no fuller batch."""

    class Prompt(plugin):  # type: ignore[misc]
        def __init__(self, settings: Any) -> None:
            super().__init__(settings)
            kinds = getattr(self, "kinds", {"": Batch()})
            self.kinds = {kind: replace(batch, linger_s=0.0) for kind, batch in kinds.items()}

    return Prompt


async def sent_by_a_worker(plugin: type[Any], case: dict[str, Any]) -> list[tuple[str, str, bytes]]:
    """What the real worker sends of the calls of a fixture."""
    async with Bench(prompt(plugin), case["settings"]) as bench:
        bench.vendor.default = Reply(201, json={"status_is_ok": True, "created": True, "message": "success"})
        bench.clock.ms = NOW_MS
        for part in ("before", "calls"):
            bench.requests.clear()
            for call in case.get(part, ()):
                at = as_instant(call.get("receivedAt"))
                bench.clock.ms = max(bench.clock.ms, round(at.timestamp() * 1000) if at else 0)
                await bench.post([json.dumps(call).encode()])
        if (until := as_instant(case.get("until"))) is not None:
            await bench.advance((until - bench.now).total_seconds())
        return [(seen.method, seen.url, seen.body) for seen in bench.requests]


async def test_the_worker_sends_what_a_fixture_says() -> None:
    for plugin, name in ONE_EACH:
        await worker_agrees(plugin, name)


@pytest.mark.slow
@pytest.mark.parametrize(("plugin", "name"), EACH, ids=lambda value: value if isinstance(value, str) else "")
async def test_the_worker_sends_what_any_fixture_says(plugin: type[Any], name: str) -> None:
    await worker_agrees(plugin, name)


async def worker_agrees(plugin: type[Any], name: str) -> None:
    case = json.loads((FIXTURES / name).read_text())
    for n, call in enumerate([*case.get("before", ()), *case["calls"]]):
        call.setdefault("messageId", f"m{n}")
    rehearsal = Rehearsal(plugin, case["settings"])
    came = played(rehearsal, case)
    assert came_of(rehearsal, came)
    rehearsed = [(one.method, one.url, one.body) for each in came for one in each.requests]
    assert await sent_by_a_worker(plugin, case) == rehearsed, name
