"""Tracking plans in a real daemon: every worked case in both forms, a plan that is mended, gates, and forwarded violations."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.flow.harness import Daemon, destination
from tests.unit.plans.plan_cases import CASES, PLAN, Case, in_older_form

FORMS = {"a": PLAN, "b": in_older_form(PLAN)}
SETTINGS = list({json.dumps(case.settings): case.settings for case in CASES}.values())


def source_of(form: str, case: Case) -> str:
    """One source for each form of the plan and each distinct setting."""
    return f"{form}-{SETTINGS.index(case.settings)}"


def source(name: str, plan: str, **keys: Any) -> dict[str, Any]:
    return {"name": name, "write_key": f"wk_{name}", "plan": plan, **keys}


def id_of(form: str, case: Case) -> str:
    return f"{form}-case-{case.n}"


async def lines_of(file: Path) -> dict[str, dict[str, Any]]:
    """What a file destination was given, by message id."""
    text = await asyncio.to_thread(lambda: file.read_text() if file.exists() else "")
    return {line["messageId"]: line for line in map(json.loads, text.splitlines())}


def without_requirement(plan: dict[str, Any]) -> dict[str, Any]:
    """The same plan with nothing required of properties and traits."""
    mended: dict[str, Any] = json.loads(json.dumps(plan))
    for rule in mended["rules"]:
        for container in ("properties", "traits"):
            rule["jsonSchema"]["properties"].get(container, {}).pop("required", None)
    return mended


def expected_of(case: Case, name: str) -> dict[str, Any]:
    """`context.protocols` of a case, without what the sender put there."""
    keys = ("violations", "omitted", "omitted_on_violation")
    found = {key: case.expected[key] for key in keys if case.expected[key]}
    return {"sourceId": name, **found} if found else {}


async def test_every_case_and_a_mended_plan(tmp_path: Path) -> None:
    for form, plan in FORMS.items():
        (tmp_path / f"{form}.json").write_text(json.dumps(plan))
    file, gated = tmp_path / "out.jsonl", tmp_path / "gated.jsonl"
    daemon = Daemon(
        tmp_path,
        [
            destination("out", "file", {"path": file}),
            destination("gated", "file", {"path": gated}, hold={"require": ["group.id"]}),
        ],
    )
    daemon.more_sources = [
        source(f"{form}-{n}", f"{form}.json", on_violation=settings)
        for form in FORMS
        for n, settings in enumerate(SETTINGS)
    ]
    async with daemon:
        for form in FORMS:
            for case in CASES:
                call = {**case.event, "messageId": id_of(form, case), "userId": f"u-{case.n}"}
                await daemon.batch([call], f"wk_{source_of(form, case)}")
        await daemon.settled()
        sent = await lines_of(file)
        for form in FORMS:
            for case in CASES:
                await a_case_came_to_what_is_expected(daemon, form, case, sent)

        # a blocked group call teaches nobody: the user stays held
        group = next(case for case in CASES if case.n == 21)
        track = {
            "type": "track",
            "event": "Page Viewed",
            "userId": "u-21",
            "messageId": "later",
            "properties": {"path": "/"},
        }
        await daemon.batch([track], f"wk_{source_of('a', group)}")
        await daemon.becomes("later", "gated", "held", "group_unknown")
        await daemon.becomes(id_of("a", group), "gated", "filtered", "plan")

        # mended and read again, a replay asks again, and only then does the directory learn
        mended = without_requirement(PLAN)
        (tmp_path / "a.json").write_text(json.dumps(mended))
        await daemon.reload()
        blocked = [case for case in CASES if case.n in (3, 19)]
        for case in blocked:
            assert await daemon.fate(id_of("a", case), "out") == ("filtered", "plan")
            await daemon.admin("POST", "/api/destinations/out/replay", {"message_id": id_of("a", case)})
            await daemon.becomes(id_of("a", case), "out", "delivered", "")
        sent = await lines_of(file)
        assert all("protocols" not in sent[id_of("a", case)]["context"] for case in blocked)
        for name in ("out", "gated"):
            assert await daemon.fate("later", "gated") == ("held", "group_unknown")
            await daemon.admin("POST", f"/api/destinations/{name}/replay", {"message_id": id_of("a", group)})
            await daemon.becomes(id_of("a", group), name, "delivered", "")
        await daemon.becomes("later", "gated", "delivered", "")
    assert [line["sources"] for line in daemon.log("config_reloaded")] == [[f"a-{n}" for n in range(len(SETTINGS))]]


async def a_case_came_to_what_is_expected(
    daemon: Daemon, form: str, case: Case, sent: dict[str, dict[str, Any]]
) -> None:
    message_id, name = id_of(form, case), source_of(form, case)
    protocols = expected_of(case, name)
    told = await daemon.message(message_id)
    plan = told.get("plan", {})
    assert {key: value for key, value in plan.items() if key != "blocked"} == protocols, case
    if case.expected["result"] == "block":
        first = case.expected["violations"][0]
        for fate in told["destinations"].values():
            assert (fate["state"], fate["reason"]) == ("filtered", "plan"), case
            assert fate["detail"] == f"{first['type']}: {first['field']}", case
        assert plan["blocked"] is True
        assert message_id not in sent
    elif message_id in sent:
        line = sent[message_id]
        container = "traits" if case.event["type"] in ("identify", "group") else "properties"
        assert line.get(container) == case.expected["sent"], case
        own = case.event.get("context", {}).get("protocols", {})
        assert line["context"].get("protocols", {}) == {**own, **protocols}, case
    else:
        assert case.event["type"] == "alias", case  # the file plugin has no use for it


async def test_violations_are_forwarded_once_also_after_a_crash_and_tell_nothing_of_themselves(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    forward = {"violations": "quality", "blocked": "quarantine"}
    reactions = {"track": {"unplanned_events": "block", "common_violations": "block"}}
    quality, quarantine = tmp_path / "quality.jsonl", tmp_path / "quarantine.jsonl"
    daemon = Daemon(
        tmp_path,
        [
            destination("quality", "file", {"path": quality}, sources=["quality"]),
            destination("quarantine", "file", {"path": quarantine}, sources=["quarantine"]),
        ],
    )
    daemon.source = {"plan": "plan.json", "forward": forward, "on_violation": reactions}
    daemon.more_sources = [source(name, "plan.json", on_violation=reactions) for name in ("quality", "quarantine")]
    async with daemon:
        good = {"type": "track", "event": "Order Completed", "userId": "u1", "context": {"app": {"version": "4.2"}}}
        calls = [
            {**good, "messageId": f"m{n}", "properties": {"total": "9", "quantity": 0, "order_id": "o"}}
            for n in range(3)
        ]
        await daemon.batch(calls)
        blocked = {"type": "identify", "userId": "u2", "messageId": "fine", "traits": {"email": "a@x.io"}}
        unplanned = {"type": "track", "event": "Nope", "userId": "u2", "messageId": "blocked", "properties": {"a": 1}}
        await daemon.batch([blocked, unplanned])
        await daemon.settled()
        daemon.kill()
        await daemon.restart()
        await daemon.batch(calls)  # the client got no answer, and sends them again
        await daemon.settled()

        told = [line["properties"] for line in (await lines_of(quality)).values()]
        assert sorted((one["eventMessageID"], one["violationType"], one["violationField"]) for one in told) == [
            ("blocked", "Unplanned Event", "event"),
            *[(f"m{n}", *kind) for n in range(3) for kind in KINDS],
        ]
        assert {one["trackingPlanID"] for one in told} == {"tp_demo"}
        assert {one.get("appVersion") for one in told} == {"4.2", None}
        text = await asyncio.to_thread(quality.read_text)
        assert len(text.splitlines()) == len(told) == 7

        [line] = (await lines_of(quarantine)).values()
        assert (line["messageId"], line["event"], line["properties"]) == ("blocked-blocked", "Nope", {"a": 1})
        assert line["context"]["protocols"]["sourceId"] == "website"
        assert line["context"]["protocols"]["violations"][0]["type"] == "Unplanned Event"

        # forwarded events are held against no plan, also when they are replayed
        await daemon.admin("POST", "/api/destinations/quarantine/replay", {"message_id": "blocked-blocked"})
        await daemon.settled()
        assert await daemon.fate("blocked-blocked", "quarantine") == ("delivered", "")


KINDS = [("Invalid Type", "properties.total"), ("Out Of Range", "properties.quantity")]
