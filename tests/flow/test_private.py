"""What is stored, logged and counted says nothing to anybody whom it does not concern."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from router.durable import others_can_read
from router.runtime_file import find
from router.store.sqlite.private_files import private_files
from tests.contract.old_stores import unpack
from tests.flow.harness import Daemon, destination
from tests.flow.verbs import verb


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_the_store_its_folder_and_where_the_daemon_is_asked_are_for_the_user_who_runs_it(tmp_path: Path) -> None:
    daemon = Daemon(
        tmp_path, [destination("out", "file", {"path": "out/events.jsonl"})], store={"url": "sqlite:var/router.db"}
    )
    store = tmp_path / "var/router.db"
    async with daemon:
        await daemon.post("track", userId="u1", event="One", messageId="m1")
        await daemon.settled()
        running = find(store)
        assert running is not None
        assert (running.admin, running.ingest) == (daemon.admin_url, daemon.url)
        assert mode(tmp_path / "var") == 0o700
        files = [*(tmp_path / "var").iterdir(), tmp_path / "out/events.jsonl"]
        assert {path.name: mode(path) & 0o077 for path in files} == dict.fromkeys((path.name for path in files), 0)
    assert find(store) is None


@pytest.mark.parametrize(("before", "after"), [(0o644, 0o600), (0o604, 0o600), (0o640, 0o640)])
async def test_a_store_that_every_user_could_read_is_its_owners_after_the_start(
    tmp_path: Path, before: int, after: int
) -> None:
    """As one of an old version, which is upgraded, or one that was copied by hand. What a group may read was given to it."""
    store = unpack(4, tmp_path)
    beside = [store, Path(f"{store}.regulations"), tmp_path / "router.db.before-restore-20260101T000000Z"]
    for path in beside:
        path.touch()
        path.chmod(before)
    async with Daemon(tmp_path, []) as daemon:
        await daemon.post("track", userId="u1", event="One", messageId="m1")
        told = [line["file"] for line in daemon.log("store_made_private")]
        assert told == ([] if before == after else list(map(str, beside)))
        assert [mode(path) for path in beside] == [after] * 3
        assert not [path for path in private_files(store) if others_can_read(path)]
        assert not daemon.log("config_warned")


async def test_at_level_debug_no_trait_and_no_property_is_logged(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [destination("out", "file", {"path": "out.jsonl"})], log={"level": "debug"}) as daemon:
        await daemon.post("identify", userId="u1", traits={"email": "ann@example.com"}, messageId="m1")
        await daemon.post(
            "track", userId="u1", event="One", properties={"iban": "DE02120300000000202051"}, messageId="m2"
        )
        await daemon.settled()
        words = (tmp_path / "daemon.log").read_text()
        assert '"level":"debug"' in words
        assert "ann@example.com" not in words
        assert "DE0212" not in words
        assert "aiosqlite" not in words


async def test_what_a_plugin_logs_by_itself_is_without_its_secrets(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [destination("talk", "talker", {"token": "t0ken-s3cret"})]) as daemon:
        await daemon.post("track", userId="u1", event="One", messageId="m1")
        await daemon.settled()
        told, failed = daemon.log("library_logged")
        assert told["message"] == "sending One with *** and ***"
        assert (failed["message"], failed["error"]) == ("no luck with ***", "ValueError: token ***")
        words = (tmp_path / "daemon.log").read_text()
        assert "s3cret" not in words
        assert "s3cret"[::-1] not in words


async def test_what_was_mended_in_calls_is_counted_once_for_all_destinations(tmp_path: Path) -> None:
    two = [destination(name, "file", {"path": f"{name}.jsonl"}) for name in ("one", "two")]
    async with Daemon(tmp_path, two) as daemon:
        await daemon.post("track", userId="u1", event="E", messageId="m1", timestamp="soon", properties=[])
        await daemon.post("track", userId="u1", event="E", messageId="m2", timestamp=1_795_010_112, context=[])
        await daemon.post("track", userId="u1", event="E", messageId="m3", properties={"n": float("nan")})
        await daemon.settled()
        _, answer = await daemon.admin("GET", "/api/sources")
        assert answer["sources"][0]["warnings"] == {
            "body": {"not_a_number": 1},
            "context": {"empty_list": 1},
            "properties": {"empty_list": 1},
            "timestamp": {"unreadable": 1},
        }
        assert sorted(str(line["field"]) for line in daemon.log("input_warned")) == [
            "body", "context", "properties", "timestamp",
        ]  # fmt: skip
        assert "soon" not in (tmp_path / "daemon.log").read_text()


async def test_names_of_former_times_keep_an_event_away(tmp_path: Path) -> None:
    keys = {"event_auth_key": "A", "event_api_key": "K"}
    table = destination("success", "freshsuccess", keys, mode="dry-run", integrations=["Mine"])
    async with Daemon(tmp_path, [table]) as daemon:
        for n, name in enumerate(("Natero", "natero", "Freshsuccess", "success", "MINE")):
            await daemon.post("track", userId="u1", event="E", messageId=f"m{n}", integrations={name: False})
        await daemon.post(
            "track", userId="u1", event="E", messageId="kept", integrations={"All": False, "Natero": True}
        )
        counts = (await daemon.settled())["destinations"]["success"]
        assert (counts["filtered"], counts["delivered"]) == (5, 1)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
async def test_what_root_starts_in_the_folder_of_a_service_leaves_nothing_that_its_user_cannot_open(
    tmp_path: Path,
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    os.chown(state, 1234, 1235)
    async with Daemon(tmp_path, [], store={"url": "sqlite:state/var/router.db"}) as daemon:
        await daemon.post("track", userId="u1", event="One", messageId="m1")
        await daemon.settled()
        assert (await verb(daemon, "suppress", "u2"))[0] == 0
        assert (await verb(daemon, "backup", str(state / "kept/backups"), "--keep", "2"))[0] == 0
        await daemon.kill_after(0)
        told = state / "var/router.db.daemon.json"  # of the killed process; the next start replaces it
        owners = {path.name: (path.stat().st_uid, path.stat().st_gid) for path in state.rglob("*") if path != told}
        ends = ("", "-wal", "-shm", ".lock", ".regulations", ".backup.json")
        assert owners.keys() > {"var", "kept", "backups", *(f"router.db{end}" for end in ends)}
        assert set(owners.values()) == {(1234, 1235)}, owners
        await daemon.start()
