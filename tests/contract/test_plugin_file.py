"""File: lines on a real disk, whole batches, what a moved, torn or full file does, and rotation by size and age."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from plugins.file import File, FileSettings
from router.event import normalize_event
from router.plugin import Answer, Context, Delivered, Item, Reject, Request, RetryLater
from router.plugin_host.hook_binding import without_context
from tests.contract.plugin_case import ANY_JSON, event_of, mapped


class NoNetwork:
    async def send(self, request: Request) -> Answer:
        raise AssertionError("a file needs no network")

    def secret(self, value: str) -> None:
        raise AssertionError("a file has no secret")


def items(*numbers: int) -> list[Item]:
    return [Item({"n": number}) for number in numbers]


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("fsync", [True, False])
async def test_batches_are_appended_as_lines_in_order(tmp_path: Path, fsync: bool) -> None:
    path = tmp_path / "made" / "events.jsonl"
    plugin = File(FileSettings(path=path, fsync=fsync))
    async with plugin.lifetime():
        assert not path.exists()
        assert await plugin.deliver(items(1, 2), NoNetwork()) == Delivered()
        assert await plugin.deliver(items(3), NoNetwork()) == Delivered()
    assert path.read_bytes() == b'{"n":1}\n{"n":2}\n{"n":3}\n'


async def test_a_later_instance_goes_on_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for number in (1, 2):
        plugin = File(FileSettings(path=path))
        async with plugin.lifetime():
            await plugin.deliver(items(number), NoNetwork())
    assert lines(path) == [{"n": 1}, {"n": 2}]


def test_no_user_or_group_is_looked_up_for_a_line(tmp_path: Path) -> None:
    plugin = File(FileSettings(path=tmp_path / "events.jsonl"))
    assert without_context(plugin) >= {"identify", "group", "track", "page", "screen", "alias"}


@pytest.mark.parametrize("kind", ["identify", "group", "track", "page", "screen", "alias"])
async def test_every_call_type_is_written_whole_with_the_routers_instants(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "events.jsonl"
    plugin = File(FileSettings(path=path))
    call = {
        "userId": "u1",
        "previousId": "a1",
        "groupId": "acme",
        "event": "Run",
        "name": "Pricing",
        "traits": {"name": "Žofie"},
        "properties": {"rows": 1},
        "context": {"ip": "10.0.0.1"},
        "integrations": {},
        "timestamp": "2024-03-01T11:00:00+01:00",
    }
    event = normalize_event("website", kind, "m7", 1709287201500, b"{}\n" + json.dumps(call).encode())
    async with plugin.lifetime():
        await plugin.deliver(mapped(plugin, event, Context()), NoNetwork())
    instants = {"timestamp": "2024-03-01T10:00:00.000Z", "originalTimestamp": "2024-03-01T10:00:00.000Z"}
    assert lines(path) == [
        {"type": kind, "messageId": "m7", **call, **instants, "receivedAt": "2024-03-01T10:00:01.500Z"}
    ]


async def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    path, moved = tmp_path / "events.jsonl", tmp_path / "events.jsonl.1"
    plugin = File(FileSettings(path=path))
    async with plugin.lifetime():
        await plugin.deliver(items(1), NoNetwork())
        path.rename(moved)
        await plugin.deliver(items(2), NoNetwork())
    assert (lines(moved), lines(path)) == ([{"n": 1}], [{"n": 2}])


async def test_half_a_line_left_by_a_crash_is_kept_apart(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"n":0}\n{"n":')
    plugin = File(FileSettings(path=path))
    async with plugin.lifetime():
        await plugin.deliver(items(1), NoNetwork())
    assert path.read_bytes() == b'{"n":0}\n{"n":\n{"n":1}\n'


async def test_a_path_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    plugin = File(FileSettings(path=tmp_path))
    async with plugin.lifetime():
        with pytest.raises(RetryLater, match="directory"):
            await plugin.deliver(items(1), NoNetwork())


async def test_a_batch_the_disk_refuses_half_way_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.jsonl"
    plugin = File(FileSettings(path=path))
    write, left = os.write, [4]

    def full(file: int, data: bytes) -> int:
        if not left:
            raise OSError(28, "No space left on device")
        return write(file, data[: left.pop()])

    async with plugin.lifetime():
        await plugin.deliver(items(1), NoNetwork())
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", full)
            with pytest.raises(RetryLater, match="No space left"):
                await plugin.deliver(items(2, 3), NoNetwork())
        assert lines(path) == [{"n": 1}]
        await plugin.deliver(items(2, 3), NoNetwork())
    assert lines(path) == [{"n": 1}, {"n": 2}, {"n": 3}]


async def test_a_batch_counts_as_delivered_only_after_its_fsync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.fstat(file).st_size))
    path = tmp_path / "events.jsonl"
    for fsync in (False, True):
        plugin = File(FileSettings(path=path, fsync=fsync))
        async with plugin.lifetime():
            await plugin.deliver(items(1), NoNetwork())
        assert (path.stat().st_size in synced) is fsync


async def test_a_cancelled_batch_ends_before_the_file_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    plugin = File(FileSettings(path=path))
    async with plugin.lifetime():
        writing = asyncio.create_task(plugin.deliver(items(*range(500)), NoNetwork()))
        await asyncio.sleep(0)
        writing.cancel()
    assert len(path.read_bytes().splitlines()) in (0, 500) if path.exists() else True


@pytest.mark.long
@given(payload=st.dictionaries(st.text(), ANY_JSON))
def test_any_json_becomes_one_line(payload: dict[str, Any]) -> None:
    plugin = File(FileSettings(path=Path("unused")))
    event = msgspec.structs.replace(event_of({"type": "track"}), payload=payload)
    [item] = mapped(plugin, event, Context())
    assert item.json == Item(payload).json
    assert json.loads(json.dumps(item.body)) == item.body


# ---------------------------------------------------------------- half-done openings


async def test_half_a_line_that_could_not_be_cut_off_is_kept_apart_from_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.jsonl"
    plugin = File(FileSettings(path=path))
    write, tries = os.write, [b'{"n":']

    def fails_half_way(file: int, data: bytes) -> int:
        if tries:
            return write(file, tries.pop())
        raise OSError(5, "Input/output error")

    def fails(*args: object) -> None:
        raise OSError(5, "Input/output error")

    async with plugin.lifetime():
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", fails_half_way)
            patched.setattr(os, "ftruncate", fails)
            with pytest.raises(RetryLater):
                await plugin.deliver(items(1), NoNetwork())
        await plugin.deliver(items(1), NoNetwork())
    assert path.read_bytes() == b'{"n":\n{"n":1}\n'


async def test_a_torn_line_that_a_full_disk_cannot_end_is_ended_when_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'{"n":')
    plugin = File(FileSettings(path=path))

    def full(file: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    async with plugin.lifetime():
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", full)
            with pytest.raises(RetryLater):
                await plugin.deliver(items(1), NoNetwork())
        await plugin.deliver(items(1), NoNetwork())
    assert path.read_bytes() == b'{"n":\n{"n":1}\n'


# ---------------------------------------------------------------- rotation


def rotating(path: Path, **settings: Any) -> File:
    return File(FileSettings(path=path, **settings))


def at(clock: str, number: int = 0) -> Item:
    """A line whose event was received at this time of one day."""
    return Item({"n": number, "receivedAt": f"2024-03-01T{clock}.000Z"})


def parts(path: Path) -> list[list[int]]:
    """The numbers in each file, rotated ones first, as their names sort."""
    files = sorted(path.parent.glob(f"{path.name}.*")) + ([path] if path.exists() else [])
    return [[line["n"] for line in lines(file)] for file in files]


def written(path: Path, clock: str) -> None:
    """Make it a file whose last line was written at this time."""
    moment = datetime.fromisoformat(f"2024-03-01T{clock}").replace(tzinfo=UTC).timestamp()
    os.utime(path, (moment, moment))


async def test_a_new_file_begins_before_the_old_one_grows_larger_than_allowed(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    plugin = rotating(path, rotate_bytes=20)  # a line has eight
    async with plugin.lifetime():
        for numbers in ([1], [2], [3, 4], [5]):
            await plugin.deliver(items(*numbers), NoNetwork())
            written(path, f"10:00:0{numbers[0]}")
    assert parts(path) == [[1, 2], [3, 4], [5]]


async def test_a_batch_is_never_spread_over_two_files(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    plugin = rotating(path, rotate_bytes=10)
    async with plugin.lifetime():
        await plugin.deliver(items(1, 2, 3), NoNetwork())
        await plugin.deliver(items(4), NoNetwork())
    assert parts(path) == [[1, 2, 3], [4]]


async def test_the_rotated_name_says_when_the_last_line_was_written_and_never_replaces_a_file(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    plugin = rotating(path, rotate_bytes=1)
    async with plugin.lifetime():
        for number in (1, 2, 3):
            await plugin.deliver(items(number), NoNetwork())
            written(path, "10:00:00.5")
        await plugin.deliver(items(4), NoNetwork())
    stamped = "events.jsonl.20240301T100000.500Z"
    assert sorted(os.listdir(tmp_path)) == ["events.jsonl", stamped, f"{stamped}-1", f"{stamped}-2"]
    assert parts(path) == [[1], [2], [3], [4]]


async def test_age_is_counted_from_the_first_event_of_the_file_to_the_newest_of_the_batch(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    plugin = rotating(path, rotate_hours=1.5)
    async with plugin.lifetime():
        await plugin.deliver([at("10:00:00", 1)], NoNetwork())
        await plugin.deliver([at("11:29:59", 2)], NoNetwork())
        await plugin.deliver([at("11:00:00", 3), at("11:30:00", 4)], NoNetwork())
        await plugin.deliver([at("12:29:59", 5)], NoNetwork())
        await plugin.deliver([at("12:30:00", 6)], NoNetwork())
    assert parts(path) == [[1, 2], [3, 4, 5], [6]]


async def test_age_is_read_from_the_file_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for clock, number in (("10:00:00", 1), ("10:30:00", 2), ("11:00:00", 3)):
        plugin = rotating(path, rotate_hours=1)
        async with plugin.lifetime():
            await plugin.deliver([at(clock, number)], NoNetwork())
    assert parts(path) == [[1, 2], [3]]


@pytest.mark.parametrize("first", [b"\xff\n", b"[1]\n", b'{"receivedAt":7}\n', b'{"receivedAt":"2024-03-01"}\n'])
async def test_a_file_whose_first_line_says_no_time_counts_from_what_is_added_to_it(
    tmp_path: Path, first: bytes
) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(first)
    plugin = rotating(path, rotate_hours=1)
    async with plugin.lifetime():
        await plugin.deliver([at("10:00:00", 1)], NoNetwork())
        await plugin.deliver([at("10:59:59", 2)], NoNetwork())
        assert len(os.listdir(tmp_path)) == 1
        await plugin.deliver([at("11:00:00", 3)], NoNetwork())
    assert path.read_bytes().count(b"\n") == 1


@pytest.mark.parametrize(("keep", "left"), [(0, [[1], [2], [3], [4], [5]]), (2, [[3], [4], [5]])])
async def test_old_files_beyond_those_to_keep_are_removed_oldest_first(
    tmp_path: Path, keep: int, left: list[list[int]]
) -> None:
    path = tmp_path / "events.jsonl"
    plugin = rotating(path, rotate_bytes=1, keep=keep)
    async with plugin.lifetime():
        for number in (1, 2, 3, 4, 5):
            await plugin.deliver(items(number), NoNetwork())
            written(path, "10:00:00" if number < 4 else "10:00:01")
    assert parts(path) == left


async def test_of_files_last_written_at_the_same_instant_those_made_first_are_removed(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    plugin = rotating(path, rotate_bytes=1, keep=2)
    stamped = "events.jsonl.20240301T100000.000Z"
    for name in (stamped, *(f"{stamped}-{number}" for number in range(1, 11))):
        (tmp_path / name).write_text("")
    async with plugin.lifetime():
        await plugin.deliver(items(1), NoNetwork())
        written(path, "10:00:01")
        await plugin.deliver(items(2), NoNetwork())
    assert sorted(os.listdir(tmp_path)) == ["events.jsonl", f"{stamped}-10", "events.jsonl.20240301T100001.000Z"]


async def test_files_of_other_names_are_not_counted_and_never_removed(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    others = [f"events.jsonl{end}" for end in (".1", ".20200101T000000.000Z.gz", ".20200101", "-old")]
    others += ["other.jsonl.20200101T000000.000Z", "my-events.jsonl.20200101T000000.000Z"]
    for name in others:
        (tmp_path / name).write_text("")
    plugin = rotating(path, rotate_bytes=1, keep=1)
    async with plugin.lifetime():
        for number in (1, 2, 3):
            await plugin.deliver(items(number), NoNetwork())
    left = os.listdir(tmp_path)
    assert set(others) <= set(left)
    assert len(left) == len(others) + 2


STEPS = ("rename", "open", "fsync", "listdir", "unlink", "write")


@pytest.mark.parametrize("step", STEPS)
async def test_a_crash_at_any_step_of_a_rotation_leaves_every_line_in_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The process ends before the step: what it had not told as delivered comes again to a new one."""
    path = tmp_path / "events.jsonl"

    class Crash(BaseException):
        pass

    def crash(*args: object, **more: object) -> None:
        raise Crash

    old = rotating(path, rotate_bytes=8, keep=2)
    for number in (1, 2, 3):
        await old.deliver(items(number), NoNetwork())
        written(path, f"10:00:0{number}")
    with monkeypatch.context() as patched:
        patched.setattr(Path if step in ("rename", "unlink") else os, step, crash)
        with pytest.raises(Crash):
            await old.deliver(items(4), NoNetwork())
    before = [number for part in parts(path) for number in part]
    assert before == [1, 2, 3] if step != "write" else before == [2, 3]
    new = rotating(path, rotate_bytes=8, keep=0)
    async with new.lifetime():
        await new.deliver(items(4), NoNetwork())
    assert [number for part in parts(path) for number in part] == [*before, 4]
    old._appender.close()


@pytest.mark.parametrize("fails", [os.rename, os.open], ids=["the move", "the new file"])
async def test_a_rotation_that_the_disk_refuses_is_tried_again_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: Callable[..., Any]
) -> None:
    path = tmp_path / "events.jsonl"
    plugin = rotating(path, rotate_bytes=8)

    def refuse(*args: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    async with plugin.lifetime():
        await plugin.deliver(items(1), NoNetwork())
        with monkeypatch.context() as patched:
            patched.setattr(os, fails.__name__, refuse)
            with pytest.raises(RetryLater, match="No space left"):
                await plugin.deliver(items(2), NoNetwork())
        await plugin.deliver(items(2), NoNetwork())
    assert parts(path) == [[1], [2]]


async def test_a_disk_that_is_full_right_after_a_rotation_leaves_an_empty_file_for_the_next_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.jsonl"
    plugin = rotating(path, rotate_bytes=8)
    write, left = os.write, [4]

    def full(file: int, data: bytes) -> int:
        if not left:
            raise OSError(28, "No space left on device")
        return write(file, data[: left.pop()])

    async with plugin.lifetime():
        await plugin.deliver(items(1), NoNetwork())
        with monkeypatch.context() as patched:
            patched.setattr(os, "write", full)
            with pytest.raises(RetryLater, match="No space left"):
                await plugin.deliver(items(2), NoNetwork())
        assert path.read_bytes() == b""
        await plugin.deliver(items(2), NoNetwork())
    assert parts(path) == [[1], [2]]


async def test_both_names_are_durable_before_the_first_line_of_the_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.jsonl"
    plugin = rotating(path, rotate_bytes=1)
    done: list[str] = []

    def noted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(file: Any, *args: Any) -> Any:
            done.append(
                "fsync of the directory" if name == "fsync" and os.path.isdir(f"/proc/self/fd/{file}") else name
            )
            return real(file, *args)

        return call

    async with plugin.lifetime():
        await plugin.deliver(items(1), NoNetwork())
        for name in ("rename", "fsync", "write"):
            monkeypatch.setattr(os, name, noted(name, getattr(os, name)))
        await plugin.deliver(items(2), NoNetwork())
    assert done == ["rename", "fsync of the directory", "write", "fsync"]


async def test_a_rotated_file_is_not_kept_open(tmp_path: Path) -> None:
    plugin = rotating(tmp_path / "events.jsonl", rotate_bytes=1)
    async with plugin.lifetime():
        await plugin.deliver(items(0), NoNetwork())
        opened = len(os.listdir("/proc/self/fd"))
        for number in range(5):
            await plugin.deliver(items(number), NoNetwork())
        assert len(os.listdir("/proc/self/fd")) == opened


async def test_a_reader_that_follows_the_path_sees_every_line_once(tmp_path: Path) -> None:
    """As `tail -F` does: read on in the open file; when the path is another one, first to its end, then the new one."""
    path = tmp_path / "events.jsonl"
    plugin = rotating(path, rotate_bytes=30, keep=1)
    seen: list[int] = []
    async with plugin.lifetime():
        await plugin.deliver(items(0), NoNetwork())
        reader = path.open()
        for number in range(1, 20):
            await plugin.deliver(items(number), NoNetwork())
            seen += [json.loads(line)["n"] for line in reader]
            if not os.path.samestat(os.fstat(reader.fileno()), path.stat()):
                reader.close()
                reader = path.open()
                seen += [json.loads(line)["n"] for line in reader]
    reader.close()
    assert seen == list(range(20))


async def test_logrotate_and_our_own_rotation_do_not_get_into_each_others_way(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    plugin = rotating(path, rotate_bytes=16)
    async with plugin.lifetime():
        await plugin.deliver(items(1), NoNetwork())
        path.rename(tmp_path / "events.jsonl.1")
        path.touch()
        await plugin.deliver(items(2), NoNetwork())
        await plugin.deliver(items(3), NoNetwork())
        await plugin.deliver(items(4), NoNetwork())
    assert parts(path) == [[1], [2, 3], [4]]


@pytest.mark.parametrize("wrong", [{"rotate_bytes": -1}, {"rotate_hours": -1}, {"keep": -1}, {"rotate_hours": 1e9}])
def test_settings_of_rotation_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FileSettings(path=Path("events.jsonl"), **wrong)


# ---------------------------------------------------------------- what is told before anything is written


@pytest.mark.parametrize("path", ["", ".", "/"])
def test_a_path_that_names_no_file_is_refused(path: str) -> None:
    with pytest.raises(ValidationError, match="write the name of a file"):
        FileSettings(path=Path(path))


@pytest.mark.parametrize("name", ["there.jsonl", "new.jsonl", "made/by/us/new.jsonl", "link.jsonl"])
async def test_the_check_says_that_a_file_can_be_written_and_makes_none(tmp_path: Path, name: str) -> None:
    (tmp_path / "there.jsonl").touch()
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "new.jsonl")
    before = sorted(os.listdir(tmp_path))
    plugin = File(FileSettings(path=tmp_path / name))
    assert await plugin.check(NoNetwork()) == f"this user can write {tmp_path / name}; nothing was written"
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize(
    ("name", "words"), [("folder", "Is a directory: {}/folder"), ("file/new.jsonl", "Not a directory: {}/file")]
)
async def test_the_check_says_what_stands_in_the_way_of_a_file(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(Reject) as refused:
        await File(FileSettings(path=tmp_path / name)).check(NoNetwork())
    assert refused.value == Reject("file", words.format(tmp_path))


@pytest.mark.parametrize("name", ["there.jsonl", "new.jsonl"])
async def test_the_check_says_that_the_user_may_not_write_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Asked of the system, whose answer to root would be yes."""
    (tmp_path / "there.jsonl").touch()
    monkeypatch.setattr(os, "access", lambda place, mode: False)
    with pytest.raises(Reject, match="Permission denied"):
        await File(FileSettings(path=tmp_path / name)).check(NoNetwork())
