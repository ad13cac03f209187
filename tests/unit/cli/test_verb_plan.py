"""`plan check`, `plan test` and `plan draft`, and `violations` and `why` while the daemon is down."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from router.accept import Acceptor
from router.cli import main
from router.clock import SystemClock
from router.config import load
from router.ingest.parse import parse_batch
from router.judge import Forwarder, Judge, SourcePlans, ViolationReport
from router.logger import make_log
from router.testing.intake import accept
from tests.contract.store_case import open_case

RULE = {"properties": {"properties": {"properties": {"n": {"type": "integer"}}, "required": ["n"]}}}
PLAN = {"name": "Acme", "rules": [{"type": "TRACK", "key": "E", "version": 1, "jsonSchema": RULE}]}
CALLS: list[dict[str, Any]] = [
    {"type": "track", "event": "E", "properties": {"n": 1, "secret": "private-1"}},
    {"type": "track", "event": "E", "properties": {"n": "x", "list": [{"a": 1.5}, {"a": 2}]}},
    {"type": "track", "event": "E", "properties": {}},
    {"type": "track", "event": "Other", "properties": {"deep": {"b": None}}},
    {"type": "identify", "traits": {"email": "private-2"}},
    {"type": "page", "name": "Home", "properties": {"path": "/"}},
    {"type": "alias", "previousId": "before"},
]


async def fill(config: Path) -> None:
    """The calls, accepted by their plan."""
    loaded = load(config, {})
    plans = SourcePlans()
    plans.replace(loaded)
    async with open_case(loaded.store.path, SystemClock, dedupe_window_s=3600, min_free_bytes=0) as (store, clock):
        report = ViolationReport(clock.now_ms, lambda name, **fields: None, lambda *labels: None)
        judge = Judge(plans, Forwarder(clock.now_ms, lambda *labels: None), report)
        listed = [{"userId": "u", "messageId": f"m{n}", **call} for n, call in enumerate(CALLS)]
        calls, _ = parse_batch(msgspec.json.encode({"batch": listed})).calls("website", clock.now_ms(), None)
        await accept(
            Acceptor(store.log, store.people.suppressions, make_log("error", "json", clock=clock), judge), calls
        )


@pytest.fixture
def config(write_config: Callable[[str], Path]) -> Path:
    """A config.toml by which no daemon runs, and a store with some events."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    path = write_config(f"""
        [admin]
        listen = "127.0.0.1:{port}"
        [store]
        url = "sqlite:router.db"
        [[source]]
        name = "website"
        write_key = "k"
        plan = "plan.json"
        [source.on_violation]
        track = {{ unplanned_events = "block", violations = "omit" }}
        [[source]]
        name = "quality"
        write_key = "q"
        [[destination]]
        name = "out"
        plugin = "file"
        settings = {{ path = "out.jsonl" }}
    """)
    path.with_name("plan.json").write_text(json.dumps(PLAN))
    asyncio.run(fill(path))
    return path


@pytest.fixture
def run(config: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a verb on that config: exit code, standard output, standard error."""

    def verb(*words: str) -> tuple[int, str, str]:
        code = main([*words, "--config", str(config)])
        return code, *capsys.readouterr()

    return verb


Run = Callable[..., tuple[int, str, str]]


def test_plan_check_lists_the_rules_and_says_what_segment_would_not_accept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    newer = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    odd = [
        {"type": "TRACK", "key": "E ", "version": 0, "jsonSchema": newer},
        {"type": "GROUP", "key": None, "version": 1, "jsonSchema": {}},
        {"type": "GROUP", "key": None, "version": 2, "jsonSchema": {}},
        {"type": "TRACK", "key": None, "version": 1, "jsonSchema": {}},
    ]
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(odd))
    assert main(["plan", "check", str(file)]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0] == "the plan is good: 4 rules"
    assert err.count("warning: ") == 2
    assert [line.split(": ")[2].split(", and")[0] for line in err.splitlines() if line.startswith("not for Segment")] == [
        "$schema is https://json-schema.org/draft/2020-12/schema", "Segment counts versions from 1", "Segment has versions of track events only",
        "Segment has versions of track events only", "Segment needs the name of the event as key",
    ]  # fmt: skip
    assert main(["plan", "check", str(file), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["rules"]) == 4


def test_plan_check_tells_every_problem_and_ends_with_78(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "plan.json"
    file.write_text('[{"type": "SALE"}, {"type": "TRACK", "key": "E", "jsonSchema": {"$ref": "http://x.io/s"}}]')
    assert main(["plan", "check", str(file)]) == 78
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_plan_test_counts_what_would_have_happened_by_the_settings_of_each_source(run: Run, config: Path) -> None:
    code, out, _ = run("plan", "test", str(config.with_name("plan.json")), "--json")
    found = json.loads(out)
    assert code == 0
    assert found["events"] == len(CALLS)
    assert found["results"] == {"allowed": 5, "omitted": 1, "blocked": 1}
    assert {(row["event"], row["type"], row["field"]): (row["count"], row["example"]) for row in found["items"]} == {
        ("E", "Required", "properties.n"): (1, "m2"),
        ("E", "Invalid Type", "properties.n"): (1, "m1"),
        ("Other", "Unplanned Event", "event"): (1, "m3"),
        ("E", "Unplanned Property", "properties.list"): (1, "m1"),
        ("E", "Unplanned Property", "properties.secret"): (1, "m0"),
    }


def test_plan_test_tells_it_in_a_sentence_and_a_table(run: Run, config: Path) -> None:
    _, out, _ = run("plan", "test", str(config.with_name("plan.json")), "--source", "website", "--since", "1h")
    assert out.startswith("7 events: 5 would go on as they are, from 1 something would be omitted")
    assert "Unplanned Event" in out
    assert run("plan", "test", str(config.with_name("plan.json")), "--source", "quality")[1].startswith("0 events")
    code, _, err = run("plan", "test", str(config.with_name("plan.json")), "--source", "no")
    assert (code, "no source 'no'" in err) == (1, True)


def test_a_draft_holds_names_types_and_frequencies_and_no_value(run: Run) -> None:
    code, out, err = run("plan", "draft", "website")
    assert code == 0
    assert err.splitlines()[-1] == "made from 6 events"
    rules = {(rule["type"], rule["key"]): rule["jsonSchema"]["properties"] for rule in json.loads(out)["rules"]}
    assert set(rules) == {("TRACK", "E"), ("TRACK", "Other"), ("IDENTIFY", None), ("PAGE", None)}
    assert rules["TRACK", "E"]["properties"]["properties"] == {
        "list": {
            "type": "array",
            "description": "present in 1 of 3",
            "items": {"type": "object", "properties": {"a": {"type": "number", "description": "present in 2 of 2"}}},
        },
        "n": {"type": ["integer", "string"], "description": "present in 2 of 3"},
        "secret": {"type": "string", "description": "present in 1 of 3"},
    }
    assert "private" not in out


def test_what_a_draft_was_made_from_fits_it(run: Run, config: Path) -> None:
    file = config.with_name("draft.json")
    file.write_text(run("plan", "draft", "website")[1])
    found = json.loads(run("plan", "test", str(file), "--json")[1])
    assert found["items"] == []


def test_a_draft_of_a_source_that_sent_nothing_fails_with_a_reason(run: Run) -> None:
    code, _, err = run("plan", "draft", "quality")
    assert code == 1
    assert "no event of source 'quality' is stored since then" in err


def test_violations_are_listed_and_why_shows_those_of_one_event(run: Run) -> None:
    code, out, _ = run("violations", "website", "--json")
    found: list[dict[str, Any]] = json.loads(out)["items"]
    assert code == 0
    assert sorted((row["event"], row["type"], row["count"], *row["message_ids"]) for row in found) == [
        ("E", "Invalid Type", 1, "m1"),
        ("E", "Required", 1, "m2"),
        ("Other", "Unplanned Event", 1, "m3"),
    ]
    assert "Unplanned Event" in run("violations", "--since", "1h")[1]
    assert run("violations", "quality")[1].startswith("no violation was met in calls of quality; `sources` shows")
    assert run("violations", "--since", "yesterday")[0] == 2
    told = run("why", "m1")[1]
    assert "plan: Invalid Type: properties.n: Invalid type. Expected: integer, given: string" in told
    assert "plan: left out (a violation): n" in told


def test_try_asks_the_plan_of_the_source(run: Run, config: Path) -> None:
    file = config.with_name("event.json")
    events = [{"type": "track", "userId": "u", "event": name, "properties": {"n": "x"}} for name in ("Other", "E")]
    file.write_text(json.dumps(events))
    blocked, omitted = json.loads(run("try", "--event", str(file), "--json")[1])["events"]
    assert (blocked["plan"]["blocked"], blocked["destinations"]["out"]["reason"]) == (True, "plan")
    assert omitted["plan"]["omitted_on_violation"] == ["n"]
    assert omitted["destinations"]["out"]["outcome"] == "deliver"
    out = run("try", "--event", str(file))[1]
    assert "would be filtered: the tracking plan of its source blocks it" in out
    assert "plan: left out (a violation): n" in out
    assert "plan" not in json.loads(run("try", "--event", str(file), "--source", "quality", "--json")[1])["events"][0]


@pytest.mark.parametrize("verb", ["check", "sources"])
def test_the_plan_and_the_consent_of_each_source_are_shown(
    config: Path, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    text = config.read_text().replace('name = "quality"', 'name = "quality"\nprivacy = { drop = ["context.ip"] }')
    config.write_text(text + "\n[consent]\nfollow = true\n")
    assert main([verb, "--config", str(config), "--json"]) == 0
    website, quality = json.loads(capsys.readouterr().out)["sources"]
    blocks = {"unplanned_events": "block", "violations": "omit"}
    assert website["plan"] == {
        "name": "Acme",
        "files": ["plan.json"],
        "rules": 1,
        "on_violation": {"track": blocks, "page": blocks, "screen": blocks},
        "forward": {},
    }
    assert (website["consent"], quality["plan"], quality["privacy"]["drop"]) == ({"follow": True}, None, ["context.ip"])
    assert main([verb, "--config", str(config)]) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "Acme (plan.json)" in out
    assert "unplanned_events block, violations omit" in out
    assert "followed" in out
