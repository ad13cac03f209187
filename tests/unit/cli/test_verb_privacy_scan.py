"""`privacy scan` prints tables that config.toml takes as they are, and no value."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from router.cli import main
from router.clock import SystemClock
from router.config import load
from router.ingest.parse import parse_batch
from router.store.sqlite.queries import personal_data
from tests.contract.store_case import open_case

CALLS = [
    {"type": "identify", "userId": "eva@example.com", "traits": {"email": "eva@example.com", "name": "Eva", "n": 1}},
    {
        "type": "track",
        "event": "Paid",
        "userId": "u1",
        "properties": {"card": "4111 1111 1111 1111", "a.b": {"email": "e"}},
    },
    {
        "type": "page",
        "userId": "u1",
        "context": {"traits": {"email": "max@example.com"}, "library": {"name": "analytics.js"}},
    },
]
VALUES = ("eva@example", "max@example", "Eva", "4111", "203.0.113.7")


async def fill(path: Path, sources: tuple[str, ...]) -> None:
    async with open_case(path, SystemClock, dedupe_window_s=3600, min_free_bytes=0) as (store, clock):
        for source in sources:
            calls, _ = parse_batch(msgspec.json.encode({"batch": CALLS})).calls(source, clock.now_ms(), "203.0.113.7")
            await store.append(calls, [None] * len(calls), [])


@pytest.fixture
def store(write_config: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A config.toml by which no daemon runs, with the calls above in its store, from two sources."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    path = write_config(f'[admin]\nlisten = "127.0.0.1:{port}"\n[store]\nurl = "sqlite:router.db"\n')
    monkeypatch.setenv("SEGMENT_ROUTER_CONFIG", str(path))
    for name in ("STATE_DIRECTORY", "SEGMENT_ROUTER_URL", "SEGMENT_ROUTER_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    asyncio.run(fill(path.parent / "router.db", ("app", "website")))
    return path


def said(words: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(words.split()) == 0
    return capsys.readouterr().out


def scan(words: str, capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(said(f"privacy scan {words} --json", capsys))


def test_its_output_is_a_configuration_that_takes_out_what_was_found(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = said("privacy scan", capsys)
    assert [value for value in VALUES if value in printed] == []
    assert [table["name"] for table in tomllib.loads(printed)["source"]] == ["app", "website"]
    keyed = re.sub(r'^name = "(.*)"$', r'name = "\1"\nwrite_key = "\1"', printed, flags=re.MULTILINE)
    store.write_text(f'[privacy]\nkey = "0123456789abcdef"\n{keyed}')
    for source in load(store, {}).sources:
        assert source.privacy.drop == ("context.ip", "properties.card")
        assert source.privacy.hash == ("traits.email", "userId")
    assert "# e-mail address: by name in 2, by shape in 2" in printed
    assert "# properties.*.email has a key that cannot be named: e-mail address: by name in 1" in printed
    assert "# traits.name is not taken without your decision: name: by name in 1" in printed


def test_one_source_or_a_time_can_be_asked_for(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert {one["source"] for one in scan("app", capsys)["found"]} == {"app"}
    assert scan("app --since 1h", capsys)["events"] == 3
    assert said("privacy scan other", capsys) == "# No event of other is stored, so nothing was looked at.\n"
    assert scan("--since 2999-01-01T00:00:00Z", capsys)["events"] == 0


def test_many_events_are_read_in_slices_and_pages_that_add_up(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = scan("", capsys)
    monkeypatch.setattr(personal_data, "SLICE", 1)
    monkeypatch.setattr(personal_data, "PAGE", 4)
    assert scan("", capsys) == whole
    assert whole["events"] == 6
