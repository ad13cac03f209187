"""Tracking plans at a destination: what a blocked call opens and tells, when a plan is asked again, and what is counted."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from router.accept import Acceptor
from router.deliver.runner import ReplayOrder
from router.directory import facts
from router.event import Call, verdict_of
from router.judge import Forwarder, Judge, SourcePlan, SourcePlans, ViolationReport
from router.plans import Policy, read_plan
from router.plugin import Delivered, Outcome, Reject, RetryLater
from router.store import PART, DeadLetterFilter, Opening, Unit, violation_kinds
from tests.contract.rig import Gated, Plain, Rig, open_rig
from tests.contract.test_people import forget

pytestmark = pytest.mark.usefixtures("backend")
only_sqlite = pytest.mark.only_sqlite  # nobody can be forgotten on the other one yet

BLOCK = Policy("block", "omit", "block", "block")
OMIT = Policy(violations="omit", unplanned_properties="omit")


def schema(container: str, *required: str, **properties: Any) -> dict[str, Any]:
    return {"properties": {container: {"required": list(required), "properties": properties}}}


STRICT = {
    "TRACK": schema("properties", "a", a={"type": "string"}),
    "GROUP": schema("traits", "plan", plan={"type": "string"}, name={}),
    "IDENTIFY": schema("traits", "email", email={"type": "string"}),
}
MENDED = {
    "TRACK": schema("properties", a={"type": "string"}),
    "GROUP": schema("traits", plan={}, name={}),
    "IDENTIFY": schema("traits", email={}),
}


class Planned:
    """A rig whose one source has a plan."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.plans = rig, SourcePlans()
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.counted: list[tuple[str, str, str]] = []
        self.left_out: list[tuple[str, str]] = []
        now_ms = rig.clock.now_ms
        report = ViolationReport(
            now_ms, lambda line, **fields: self.told.append((line, fields)), lambda *labels: self.counted.append(labels)
        )
        forwarder = Forwarder(now_ms, lambda *labels: self.left_out.append(labels))
        rig.acceptor = Acceptor(
            rig.store.log, rig.store.people.suppressions, rig.log, Judge(self.plans, forwarder, report)
        )

    def plan(self, rules: dict[str, Any], policy: Policy = BLOCK, **forward: str) -> None:
        """From now on this is the plan, as after a reload."""
        listed = [
            {"type": kind, "key": "E" if kind == "TRACK" else None, "jsonSchema": rule} for kind, rule in rules.items()
        ]
        plan = read_plan([("plan.json", json.dumps(listed).encode())])
        policies = dict.fromkeys(("track", "identify", "group", "page", "screen"), policy)
        self.plans.__init__([SourcePlan("website", plan, policies, **forward)])  # type: ignore[misc]

    def start(self, plugin: type[Any] = Plain, **tables: Any) -> None:
        self.rig.start(plugin, **tables)
        self.rig.runner.judge_by(self.plans)

    async def restart(self, plugin: type[Any] = Plain, **tables: Any) -> None:
        await self.rig.stop()
        self.start(plugin, **tables)
        await self.rig.quiet()

    async def replay(self, message_id: str) -> None:
        pos = await self.rig.store.queries.position(message_id, None)
        assert pos is not None
        await self.rig.runner.replay(ReplayOrder(pos=pos))
        await self.rig.quiet()

    async def body(self, message_id: str) -> bytes:
        call = await self.rig.store.queries.stored_call(message_id, None)
        assert call is not None
        return call.body


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with open_rig(tmp_path) as opened:
        opened.opens_first = True
        yield opened


@pytest.fixture
def planned(rig: Rig) -> Planned:
    made = Planned(rig)
    made.plan(STRICT)
    return made


# ---------------------------------------------------------------- what is stored


async def test_the_stored_call_stays_as_it_was_received(planned: Planned) -> None:
    await planned.rig.call("track", "m", userId="u", event="E", properties={"a": 1, "b": 2})
    line, _, raw = (await planned.body("m")).partition(b"\n")
    assert json.loads(raw)["properties"] == {"a": 1, "b": 2}
    assert json.loads(line)["b"] is True


async def test_a_call_that_fits_its_plan_is_stored_as_without_one(planned: Planned) -> None:
    await planned.rig.call("track", "m", userId="u", event="E", properties={"a": "x"})
    assert (await planned.body("m")).startswith(b"{}\n")


async def test_the_directory_learns_nothing_of_a_blocked_call_and_not_what_is_omitted(planned: Planned) -> None:
    rig = planned.rig
    await rig.call("identify", "blocked", userId="u", anonymousId="x", traits={"name": "Ann"})
    planned.plan(STRICT, OMIT)
    await rig.call("identify", "m", userId="u", traits={"name": "Ann", "email": "a@x.io"})
    known = await rig.store.known([("u:u", 9), ("a:x", 9)], [])
    assert known.people == {"u:u": {"email": "a@x.io"}}
    assert not any(known.links.values())


async def test_a_call_with_very_many_values_is_looked_at_up_to_its_first_violation(planned: Planned) -> None:
    planned.plan(STRICT, OMIT)
    await planned.rig.call("track", "m", userId="u", event="E", properties={"a": [1] * 3000})
    await planned.rig.call("track", "n", userId="u", event="E", properties={"a": [1] * 30})
    blocked, omitted = verdict_of(await planned.body("m")), verdict_of(await planned.body("n"))
    assert blocked is not None
    assert (blocked.is_blocked, len(blocked.violations)) == (True, 1)
    assert omitted is not None
    assert omitted.omitted_on_violation == ["a"]


# ---------------------------------------------------------------- destinations


async def test_a_blocked_call_is_filtered_after_the_source_and_before_the_filters(planned: Planned) -> None:
    planned.start(Plain, filter="type = 'page'")
    await planned.rig.call("track", "m", userId="u", event="Unplanned")
    await planned.rig.quiet()
    assert await planned.rig.fate("m") == ("filtered", "plan")
    await planned.restart(Plain, sources=["another"])
    await planned.rig.call("track", "n", userId="u", event="Unplanned")
    await planned.rig.quiet()
    assert await planned.rig.fate("n") == ("filtered", "source")


async def test_why_names_the_first_violation_at_each_destination_and_all_of_the_event(planned: Planned) -> None:
    planned.start()
    await planned.rig.call("track", "m", userId="u", event="E", properties={"a": 1})
    await planned.rig.quiet()
    answer = await planned.rig.store.queries.message("m", None, ["d"])
    assert answer is not None
    assert answer["destinations"]["d"]["detail"] == "Invalid Type: properties.a"
    words = "Invalid type. Expected: string, given: integer"
    violation = {"type": "Invalid Type", "field": "properties.a", "description": words}
    assert answer["plan"] == {"blocked": True, "sourceId": "website", "violations": [violation]}


async def test_a_blocked_group_call_opens_no_gate_and_one_that_passes_does(planned: Planned) -> None:
    rig = planned.rig
    planned.start(Gated)
    await rig.call("group", "g1", userId="u", groupId="acme", traits={"name": "Acme"})
    await rig.call("track", "t", userId="u", event="E", properties={"a": "x"})
    await rig.quiet()
    assert await rig.fate("g1") == ("filtered", "plan")
    assert await rig.fate("t") == ("held", "group_unknown")
    await rig.call("group", "g2", userId="u", groupId="acme", traits={"name": "Acme", "plan": "pro"})
    await rig.quiet()
    assert await rig.fate("t") == ("delivered", "")
    assert rig.vendor.ids() == ["g2", "t"]


async def test_a_replay_after_the_plan_was_mended_lets_a_group_call_through_and_only_then_tells_it(
    planned: Planned,
) -> None:
    rig = planned.rig
    planned.start(Gated)
    await rig.call("group", "g", userId="u", groupId="acme", traits={"name": "Acme"})
    await rig.call("track", "t", userId="u", event="E", properties={"a": "x"})
    await rig.quiet()
    planned.plan(MENDED)
    await planned.restart(Gated)
    assert await rig.fate("t") == ("held", "group_unknown")
    await planned.replay("g")
    assert (await rig.fate("g"), await rig.fate("t")) == (("delivered", ""), ("delivered", ""))
    assert rig.vendor.received[-1]["name"] == "Acme"


async def test_a_replay_elsewhere_opens_no_gate_here_also_after_a_restart(planned: Planned) -> None:
    rig = planned.rig
    planned.start(Gated)
    group = {"userId": "u", "groupId": "acme", "traits": {"name": "Acme"}}
    await rig.call("group", "g", **group)
    await rig.quiet()
    other = await rig.store.claims.open(Unit(PART, "other"), Opening(rig.clock.now_ms(), "live", True, ""))
    told = facts(rig.make("group", "g", **group))
    assert told is not None
    await other.replays.teach([(1, told)])
    await planned.restart(Gated)
    await rig.call("track", "t", userId="u", event="E", properties={"a": "x"})
    await rig.quiet()
    assert (await rig.fate("t"))[0] == "held"


async def test_the_same_blocked_group_call_is_remembered_once(planned: Planned) -> None:
    rig = planned.rig
    planned.start(Gated)
    for n in range(20):
        await rig.call("group", f"g{n}", userId="u", groupId="acme", traits={"name": "Acme"})
    await rig.quiet()
    claim = await rig.store.claims.open(Unit(PART, "d"), Opening(rig.clock.now_ms(), "live", True, ""))
    assert [row.pos for row in await claim.group_calls()] == [1]


# ---------------------------------------------------------------- asked once, and again by a replay


async def test_a_held_event_is_not_asked_again_after_the_plan_was_mended(planned: Planned) -> None:
    rig = planned.rig
    planned.start(Gated)
    await rig.call("track", "t", userId="u", event="E", properties={"a": "x"})
    await rig.quiet()
    planned.plan({"TRACK": schema("properties", "never")})
    await planned.restart(Gated)
    await rig.call("group", "g", userId="u", groupId="acme", traits={"name": "Acme"})
    await rig.quiet()
    assert await rig.fate("t") == ("delivered", "")


async def test_a_replay_asks_again_of_what_was_delivered_and_of_dead_letters(planned: Planned) -> None:
    rig = planned.rig

    def refuses(bodies: list[dict[str, Any]]) -> Outcome:
        return Reject("no") if bodies[0]["m"] == "dead" else Delivered()

    rig.vendor.answer = refuses
    planned.start()
    for message_id in ("good", "dead"):
        await rig.call("track", message_id, userId="u", event="E", properties={"a": "x"})
    await rig.quiet()
    assert (await rig.fate("dead"))[0] == "dead"
    sent = len(rig.vendor.calls)
    planned.plan({"TRACK": schema("properties", "never")})
    await planned.replay("good")
    await rig.runner.replay(ReplayOrder(letters=DeadLetterFilter()))
    await rig.quiet()
    assert await rig.fate("dead") == ("filtered", "plan")
    assert len(rig.vendor.calls) == sent


async def test_a_replay_that_is_cut_asks_today_s_plan_when_it_goes_on(planned: Planned) -> None:
    rig = planned.rig
    planned.start()
    await rig.call("track", "m", userId="u", event="E", properties={})
    await rig.quiet()
    await rig.runner.pause()
    planned.plan(MENDED)
    pos = await rig.store.queries.position("m", None)
    await rig.runner.replay(ReplayOrder(pos=pos))
    await rig.quiet()
    await rig.crash()
    planned.start()
    await rig.quiet()
    await rig.runner.resume()
    await rig.quiet()
    assert await rig.fate("m") == ("delivered", "")


@pytest.mark.parametrize(
    ("tables", "reason"),
    [({"filter": "event != 'E'"}, "filter"), ({"consent": ["ads"], "consent_missing": "block"}, "consent_missing")],
)
async def test_what_a_replay_brought_past_a_mended_plan_is_asked_by_a_new_filter_while_it_is_retried(
    planned: Planned, tables: dict[str, Any], reason: str
) -> None:
    rig = planned.rig
    planned.start()
    await rig.call("track", "m", userId="u", event="E", properties={})
    await rig.quiet()
    assert await rig.fate("m") == ("filtered", "plan")
    planned.plan(MENDED)
    rig.vendor.answer = lambda bodies: RetryLater("status_503")
    await planned.replay("m")
    assert await rig.fate("m") == ("retrying", "status_503")
    sent = len(rig.vendor.calls)
    await planned.restart(**tables)
    await rig.pass_time(600)
    assert await rig.fate("m") == ("filtered", reason)
    assert len(rig.vendor.calls) == sent


async def test_a_replay_of_a_source_whose_plan_was_taken_away_lets_all_through(planned: Planned) -> None:
    rig = planned.rig
    planned.start()
    await rig.call("track", "m", userId="u", event="Unplanned")
    await rig.quiet()
    planned.plans.__init__()  # type: ignore[misc]
    await planned.replay("m")
    assert await rig.fate("m") == ("delivered", "")


# ---------------------------------------------------------------- counts


async def kinds(rig: Rig, **which: Any) -> list[tuple[str, str, int, list[str]]]:
    found = await rig.store.input_reports.violations(which.get("source"), which.get("event"), which.get("since", 0))
    return [(row["event"], row["field"], row["count"], row["message_ids"]) for row in found["items"]]


async def test_violations_are_counted_by_kind_with_the_last_five_ids_and_duplicates_not_at_all(
    planned: Planned,
) -> None:
    rig = planned.rig
    for n in (*range(7), 6, 6):
        await rig.call("track", f"m{n}", userId="u", event="E", properties={})
    await rig.call("track", "other", userId="u", event="Nope")
    assert await kinds(rig) == [
        ("E", "properties.a", 7, [f"m{n}" for n in range(2, 7)]),
        ("Nope", "event", 1, ["other"]),
    ]
    assert await kinds(rig, event="Nope") == [("Nope", "event", 1, ["other"])]
    assert await kinds(rig, source="another") == await kinds(rig, since=rig.clock.now_ms() + 1) == []
    assert planned.counted.count(("website", "Required", "blocked")) == 7


async def test_the_log_tells_of_each_type_once_a_minute_with_its_count(planned: Planned) -> None:
    rig = planned.rig
    for n in range(3):
        await rig.call("track", f"m{n}", userId="u", event="E", properties={})
    rig.clock.advance(61)
    await rig.call("track", "later", userId="u", event="E", properties={})
    assert [(name, fields["type"], fields["count"]) for name, fields in planned.told] == [
        ("plan_violation", "Required", 1),
        ("plan_violation", "Required", 4),
    ]
    assert {fields["name"] for _, fields in planned.told} == {"E"}


async def test_what_is_kept_of_violations_is_bounded(planned: Planned, monkeypatch: pytest.MonkeyPatch) -> None:
    rig = planned.rig
    monkeypatch.setattr(violation_kinds, "KEPT", 3)
    monkeypatch.setattr(violation_kinds, "KINDS_AT_ONCE", 2)
    for n in range(3):
        rig.clock.advance(1)
        names = (f"{n}-{part}" for part in "abc")
        await rig.accept([rig.make("track", name, userId="u", event=name) for name in names])
    assert {event for event, *_ in await kinds(rig)} == {"1-b", "2-a", "2-b"}


# ---------------------------------------------------------------- forwarding


async def test_at_most_a_hundred_violations_of_a_type_are_forwarded_in_a_minute_and_the_rest_is_counted(
    planned: Planned,
) -> None:
    rig = planned.rig
    planned.plan(STRICT, violations_to="quality")

    async def burst(first: int) -> None:
        calls = [rig.make("track", f"m{n}", userId="u", event="E") for n in range(first, first + 120)]
        await rig.accept(calls)

    await burst(0)
    assert rig.store.head == 220
    assert planned.left_out == [("website", "Required")] * 20
    rig.clock.advance(61)
    await burst(120)
    assert rig.store.head == 440


async def test_a_blocked_group_call_that_is_forwarded_tells_the_directory_nothing(planned: Planned) -> None:
    rig = planned.rig
    planned.plan(STRICT, blocked_to="quarantine")
    await rig.call("group", "g", userId="u", groupId="acme", traits={"name": "Acme"})
    call = await rig.store.queries.stored_call("blocked-g", None)
    assert isinstance(call, Call)
    assert (call.source, call.type, call.user_key) == ("quarantine", "group", "u:u")
    known = await rig.store.known([("u:u", 9)], ["acme"])
    assert not any(known.memberships.values())
    assert not known.companies


@only_sqlite
async def test_violations_name_no_event_of_a_forgotten_person(planned: Planned) -> None:
    planned.plan(STRICT, Policy())
    planned.start()
    for n, user in enumerate(("user-one", "user-two")):
        await planned.rig.call("track", f"m{n}", userId=user, event="E", properties={"n": "text"})
    await planned.rig.quiet()
    await forget(planned.rig, "u:user-one")
    assert await kinds(planned.rig) == [("E", "properties.a", 2, ["m1"])]


@pytest.mark.parametrize(("about", "fate"), [("," * 3_000, "delivered"), (list(range(3_000)), "filtered")])
async def test_a_call_of_thousands_of_values_is_not_omitted_from_but_one_of_many_commas_is(
    planned: Planned, about: Any, fate: str
) -> None:
    planned.plan(STRICT, OMIT)
    planned.start()
    await planned.rig.call("track", "m", userId="u", event="E", properties={"a": 7, "about": about})
    await planned.rig.quiet()
    assert (await planned.rig.fate("m"))[0] == fate
