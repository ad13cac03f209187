"""File: lines on a real disk, whole batches, and what a rotated, torn or full file does."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plugin_case import ANY_JSON, at_any_pace, event_of, mapped

from plugins.file import File, FileSettings
from router.plugin import Answer, Context, Delivered, Item, Request, RetryLater


class NoNetwork:
    async def send(self, request: Request) -> Answer:
        raise AssertionError("a file needs no network")


def items(*numbers: int) -> list[Item]:
    return [Item({"n": number}) for number in numbers]


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("fsync", [True, False])
async def test_batches_are_appended_as_lines_in_order(tmp_path: Path, fsync: bool) -> None:
    path = tmp_path / "made" / "events.jsonl"
    plugin = File(FileSettings(path=str(path), fsync=fsync))
    async with plugin.lifetime():
        assert not path.exists()
        assert await plugin.deliver(items(1, 2), NoNetwork()) == Delivered()
        assert await plugin.deliver(items(3), NoNetwork()) == Delivered()
    assert path.read_bytes() == b'{"n":1}\n{"n":2}\n{"n":3}\n'


async def test_a_later_instance_goes_on_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for number in (1, 2):
        plugin = File(FileSettings(path=str(path)))
        async with plugin.lifetime():
            await plugin.deliver(items(number), NoNetwork())
    assert lines(path) == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize("kind", ["identify", "group", "track", "page", "screen", "alias"])
async def test_every_call_type_is_written_whole_with_the_routers_instants(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "events.jsonl"
    plugin = File(FileSettings(path=str(path)))
    call = {
        "type": kind,
        "messageId": "m7",
        "userId": "u1",
        "previousId": "a1",
        "groupId": "acme",
        "event": "Run",
        "traits": {"name": "Žofie"},
        "context": {"ip": "10.0.0.1"},
        "timestamp": "2024-03-01T11:00:00+01:00",
        "receivedAt": "2024-03-01T10:00:01.500Z",
    }
    async with plugin.lifetime():
        await plugin.deliver(mapped(plugin, event_of(call), Context()), NoNetwork())
    instants = {"timestamp": "2024-03-01T10:00:00.000Z", "originalTimestamp": "2024-03-01T10:00:00.000Z"}
    assert lines(path) == [{**call, **instants, "receivedAt": "2024-03-01T10:00:01.500Z"}]


async def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    path, moved = tmp_path / "events.jsonl", tmp_path / "events.jsonl.1"
    plugin = File(FileSettings(path=str(path)))
    async with plugin.lifetime():
        await plugin.deliver(items(1), NoNetwork())
        path.rename(moved)
        await plugin.deliver(items(2), NoNetwork())
    assert (lines(moved), lines(path)) == ([{"n": 1}], [{"n": 2}])


async def test_half_a_line_left_by_a_crash_is_kept_apart(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"n":0}\n{"n":')
    plugin = File(FileSettings(path=str(path)))
    async with plugin.lifetime():
        await plugin.deliver(items(1), NoNetwork())
    assert path.read_bytes() == b'{"n":0}\n{"n":\n{"n":1}\n'


async def test_a_path_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    plugin = File(FileSettings(path=str(tmp_path)))
    async with plugin.lifetime():
        with pytest.raises(RetryLater, match="directory"):
            await plugin.deliver(items(1), NoNetwork())


async def test_a_batch_the_disk_refuses_half_way_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.jsonl"
    plugin = File(FileSettings(path=str(path)))
    write, left = os.write, [4]

    def full(file: int, data: bytes) -> int:
        if not left:
            raise OSError(28, "No space left on device")
        return write(file, data[: left.pop()])

    async with plugin.lifetime():
        await plugin.deliver(items(1), NoNetwork())
        with monkeypatch.context() as patched:
            patched.setattr("plugins.file.os.write", full)
            with pytest.raises(RetryLater, match="No space left"):
                await plugin.deliver(items(2, 3), NoNetwork())
        assert lines(path) == [{"n": 1}]
        await plugin.deliver(items(2, 3), NoNetwork())
    assert lines(path) == [{"n": 1}, {"n": 2}, {"n": 3}]


async def test_a_batch_counts_as_delivered_only_after_its_fsync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr("plugins.file.os.fsync", lambda file: synced.append(os.fstat(file).st_size))
    path = tmp_path / "events.jsonl"
    for fsync in (False, True):
        plugin = File(FileSettings(path=str(path), fsync=fsync))
        async with plugin.lifetime():
            await plugin.deliver(items(1), NoNetwork())
        assert (path.stat().st_size in synced) is fsync


async def test_a_cancelled_batch_ends_before_the_file_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    plugin = File(FileSettings(path=str(path)))
    async with plugin.lifetime():
        writing = asyncio.create_task(plugin.deliver(items(*range(500)), NoNetwork()))
        await asyncio.sleep(0)
        writing.cancel()
    assert len(path.read_bytes().splitlines()) in (0, 500) if path.exists() else True


@at_any_pace
@given(payload=st.dictionaries(st.text(), ANY_JSON))
def test_any_json_becomes_one_line(payload: dict[str, Any]) -> None:
    plugin = File(FileSettings(path="unused"))
    event = msgspec.structs.replace(event_of({"type": "track"}), payload=payload)
    [item] = mapped(plugin, event, Context())
    assert (item.body["type"], item.body["messageId"]) == ("track", "m1")
