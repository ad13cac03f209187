"""The reading verbs while the daemon is down: they read its store, say so, and give the same shapes."""

from __future__ import annotations

import asyncio
import json
import socket
import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from plugins.clientsuccess import ClientSuccess
from plugins.webhook import Webhook
from router.cli import main
from router.clock import SystemClock
from router.directory import facts
from router.ingest.parse import parse_batch
from router.store import ORDER_KEY_STEP, CommitBatch, LaneRow, ParkedRow
from router.testing.fixtures import Fixture
from router.vocabulary import LaneMode, Queue
from tests.contract.store_case import open_case

CALLS = [
    {"type": "track", "userId": "u1", "event": "Hello", "messageId": "m1"},
    {"type": "page", "userId": "u1", "messageId": "m2"},
    {"type": "track", "event": "nobody", "messageId": "m3"},
]


async def fill(path: Path) -> None:
    """Two accepted events and a discard: held at crm, delivered and skipped at mail."""
    async with open_case(path, SystemClock, dedupe_window_s=3600, min_free_bytes=0) as (store, clock):
        now = clock.now_ms()
        for name in ("crm", "mail"):
            await store.cursor(name, now)
        calls, discards = parse_batch(msgspec.json.encode({"batch": CALLS})).calls("website", now, None)
        await store.append(calls, [facts(call) for call in calls], discards)
        mail = CommitBatch("mail", pos=2, settled={1: ("delivered", ""), 2: ("skipped", "unsupported")}, at=now)
        mail.ledger = {"delivered": 1, "skipped": 1}
        await store.commit(mail)
        crm = CommitBatch("crm", pos=2, at=now, ledger={"held": 2})
        for row in await store.read(0, 10, 1_000_000):
            crm.park[row.pos] = ParkedRow(
                row.pos, row.user_key, Queue.HELD, row.pos * ORDER_KEY_STEP, "held", "group_unknown", now, row.received_at,
                row.source, row.type, row.message_id, "", "", row.body, None, "", 0, 0,
            )  # fmt: skip
        crm.lanes["u:u1"] = LaneRow(
            "u:u1", LaneMode.WAITING, "u:u1", "group_unknown", "", None, 0, 2, 0, now, ORDER_KEY_STEP
        )
        await store.commit(crm)


async def accept(path: Path, calls: list[dict[str, object]]) -> None:
    """Put these calls into a new store."""
    path.parent.mkdir()
    async with open_case(path, SystemClock, dedupe_window_s=3600, min_free_bytes=0) as (store, clock):
        accepted, discards = parse_batch(msgspec.json.encode({"batch": calls})).calls("website", clock.now_ms(), None)
        await store.append(accepted, [facts(call) for call in accepted], discards)


@pytest.fixture
def config(write_config: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config.toml by which no daemon runs."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    path = write_config(f"""
        [admin]
        listen = "127.0.0.1:{port}"
        [store]
        url = "sqlite:kept/router.db"
        [[destination]]
        name = "crm"
        plugin = "clientsuccess"
        mode = "dry-run"
        [[destination]]
        name = "mail"
        plugin = "braze"
        enabled = false
    """)
    monkeypatch.setenv("SEGMENT_ROUTER_CONFIG", str(path))
    monkeypatch.setenv("SEGMENT_ROUTER_COMMAND", "./run")
    monkeypatch.setenv("COLUMNS", "200")
    for name in ("STATE_DIRECTORY", "SEGMENT_ROUTER_URL", "SEGMENT_ROUTER_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return path


@pytest.fixture
def store(config: Path) -> Path:
    path = config.parent / "kept" / "router.db"
    path.parent.mkdir()
    asyncio.run(fill(path))
    return path


def test_every_reading_verb_reads_the_store_and_says_so(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verbs = ("ledger", "why m1", "why --user u1", "events", "held", "held crm --user u1", "destinations", "discards")
    for verb in (*verbs, "sources", "dead crm", "errors crm"):
        assert main(verb.split()) == 0
        said = capsys.readouterr()
        assert said.err == f"daemon is not running; reading {store}\n", verb
        assert said.out
        assert main([*verb.split(), "--json"]) == 0
        said = capsys.readouterr()
        assert said.err == f"daemon is not running; reading {store}\n"
        assert isinstance(json.loads(said.out), dict)


def test_a_destination_that_config_toml_has_no_more_is_told_from_the_store_too(
    store: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head, _, rest = config.read_text().partition('name = "crm"')
    config.write_text(head + 'name = "new"' + rest)
    for verb in ("status", "ledger", "destinations", "held"):
        main([verb])
        assert "crm was removed from config.toml, and 2 held are kept" in capsys.readouterr().out
    assert main(["destinations", "crm"]) == 1
    told = capsys.readouterr().err
    assert "crm was removed from config.toml, and 2 held are kept" in told
    assert "`./run destinations drop crm`" in told


def test_the_ledger_of_a_store_adds_up_and_knows_the_configuration(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ledger", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["accepted"], found["discarded"]) == (2, 1)
    crm, mail = found["destinations"]["crm"], found["destinations"]["mail"]
    assert (crm["held"], crm["mode"], crm["state"], crm["last_state"]) == (2, "dry-run", "stopped", "running")
    assert (mail["delivered"], mail["skipped"], mail["state"]) == (1, 1, "disabled")
    assert main(["ledger"]) == 0
    assert "crm: the seven states add up to the 2 accepted events" in capsys.readouterr().out


def test_why_is_answered_from_the_store(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why", "m2"]) == 0
    said = capsys.readouterr().out
    assert "m2: page of user:u1, from website" in said
    assert "waits for a group call for user:u1" in said
    assert "mail: skipped" in said
    assert main(["why", "m3"]) == 1
    assert main(["why", "m2", "--source", "elsewhere"]) == 1


def test_a_stored_call_is_printed_as_a_fixture_that_the_test_kit_takes(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["why", "m1", "--fixture"]) == 0
    path = tmp_path / "m1.json"
    path.write_text(capsys.readouterr().out)
    [call] = json.loads(path.read_text())["calls"]
    assert {**call, "receivedAt": ""} == {**CALLS[0], "receivedAt": ""}
    settings = {"url": "https://hook.test/in"}
    assert Fixture(path).check(Webhook, settings, update=True), "what is expected was written"
    assert not Fixture(path).check(Webhook, settings), "and is what comes"
    assert main(["why", "m9", "--fixture"]) == 1
    assert "is not stored" in capsys.readouterr().err


def test_the_fixture_of_a_held_event_has_the_group_call_that_opened_its_gate(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {"groupId": "acme", "traits": {"name": "Acme"}}
    calls: list[dict[str, object]] = [
        {"type": "identify", "userId": "u1", "traits": {"plan": "pro"}},
        {"type": "track", "userId": "u1", "event": "Hello", "messageId": "held"},
        {"type": "group", "userId": "u1", **told, "messageId": "opens"},
    ]
    asyncio.run(accept(config.parent / "kept" / "router.db", calls))
    assert main(["why", "held", "--fixture"]) == 0
    path = tmp_path / "held.json"
    path.write_text(capsys.readouterr().out)
    before = [
        {"type": "identify", "userId": "u1", "traits": {"plan": "pro"}},
        {"type": "group", "userId": "u1", **told},
    ]
    assert json.loads(path.read_text())["before"] == before
    Fixture(path).check(ClientSuccess, {"project_id": "P", "api_key": "K"}, update=True)
    assert json.loads(path.read_text())["expected"]["outcome"] == "sent"
    assert main(["why", "opens", "--fixture"]) == 0
    assert [call["type"] for call in json.loads(capsys.readouterr().out)["before"]] == ["identify"]


def test_held_and_discards_are_answered_from_the_store(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["held", "crm", "--json"]) == 0
    held = json.loads(capsys.readouterr().out)
    assert [(row["user"], row["events"]) for row in held["users"]] == [("user:u1", 2)]
    assert main(["held", "nowhere"]) == 1
    assert "no destination 'nowhere'; in the store: crm, mail" in capsys.readouterr().err
    assert main(["discards"]) == 0
    assert "id_required" in capsys.readouterr().out


def test_status_says_that_nothing_runs(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status"]) == 1
    said = capsys.readouterr().out
    assert "segment-router is not running" in said
    assert "start the daemon: ./run serve" in said
    assert "running" not in said.replace("not running", "")
    assert "crm: dry-run: nothing is sent" in said
    assert main(["status", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["running"] is False


def test_status_of_a_store_tells_what_was_last_known_of_a_paused_destination(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    db = sqlite3.connect(store)
    db.execute(
        "UPDATE cursor SET state = 'paused', state_reason = 'by_hand', state_since = 1 WHERE destination = 'crm'"
    )
    db.commit()
    db.close()
    assert main(["status"]) == 1
    assert "last known: crm is paused by an operator" in capsys.readouterr().out
    assert main(["destinations", "--json"]) == 0
    crm = json.loads(capsys.readouterr().out)["destinations"][0]
    assert (crm["state"], crm["state_reason"], crm["state_since"]) == ("stopped", "", None)
    assert (crm["last_state"], crm["last_state_reason"]) == ("paused", "by_hand")


def test_a_store_s_destinations_stand_in_the_order_of_the_configuration(
    store: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = config.read_text()
    first, crm, mail = words.split("[[destination]]")
    config.write_text("[[destination]]".join([first, mail, crm]))
    assert main(["ledger", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)["destinations"]) == ["mail", "crm"]


def test_reading_changes_nothing_in_the_store(store: Path) -> None:
    before = store.read_bytes()
    for verb in ("ledger", "why m1", "held"):
        assert main(verb.split()) == 0
    assert store.read_bytes() == before


def test_without_daemon_and_store_both_are_named(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger"]) == 1
    said = capsys.readouterr().err
    assert "daemon is not running, and there is no store at" in said
    assert "STATE_DIRECTORY" in said


def test_a_file_that_is_no_store_is_a_sentence(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = config.parent / "kept" / "router.db"
    path.parent.mkdir()
    path.write_bytes(b"no database at all, but long enough to be asked for its header" * 40)
    assert main(["ledger"]) == 1
    assert "the store cannot be read: file is not a database" in capsys.readouterr().err


def test_a_newer_store_is_a_sentence(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    db = sqlite3.connect(store)
    db.execute("PRAGMA user_version = 9999")
    db.close()
    assert main(["ledger"]) == 1
    assert "has schema 9999" in capsys.readouterr().err


async def filter_one(path: Path) -> None:
    """A further destination, whose filter stopped the track call."""
    async with open_case(path, SystemClock, dedupe_window_s=3600, min_free_bytes=0) as (store, clock):
        await store.cursor("few", clock.now_ms())
        calls, _ = parse_batch(msgspec.json.encode({"batch": [{**CALLS[0], "messageId": "m4"}]})).calls(
            "website", clock.now_ms(), None
        )
        await store.append(calls, [facts(call) for call in calls], [])
        few = CommitBatch("few", pos=3, settled={3: ("filtered", "filter")}, at=clock.now_ms())
        few.ledger = {"filtered": 1}
        await store.commit(few)


def test_why_names_the_filter_from_the_store_and_the_configuration_of_now(
    config: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(filter_one(store))
    before = config.read_text()
    few = '\n[[destination]]\nname = "few"\nplugin = "file"\nfilter = "type = \'page\'"\n'
    for table, words in ((few, "filter: type = 'page'"), (few.replace("page", "track"), "were changed since")):
        config.write_text(before + table)
        assert main(["why", "m4"]) == 0
        said = capsys.readouterr().out
        assert "few: filtered" in said
        assert words in said
