"""The store of a service whose config.toml is in /etc/NAME is in /var/lib/NAME, whoever asks, starts or restores."""

from __future__ import annotations

import json
from pathlib import Path

from router.backup import Target, back_up
from router.clock import SystemClock
from tests.contract.killed_backup import Silent
from tests.flow import prepared
from tests.flow.harness import Daemon, destination, environment
from tests.flow.verbs import Command

SINK = destination("out", "file", {"path": "events.jsonl"})


class OfService(Daemon):
    """A daemon whose config.toml is in ROOT/etc/segment-router; ROOT stands for /."""

    def __init__(self, root: Path) -> None:
        folder = root / "etc/segment-router"
        folder.mkdir(parents=True)
        super().__init__(folder, [SINK], store={"url": "sqlite:var/router.db"})
        self.state = root / "var/lib/segment-router"
        folders = f"(Path({str(root / 'etc')!r}), Path({str(root / 'var/lib')!r}))"
        self.tuning = (
            f"from pathlib import Path; import router.cli.endpoint; router.cli.endpoint.SERVICE_FOLDERS = {folders}"
        )

    def spawn(self) -> None:
        """By hand: without the variables that systemd sets."""
        words = ["serve", "--config", str(self.config)]
        with self._log.open("ab") as log:
            self.process = prepared.start(words, self.folder, environment(), log.fileno(), first=self.tuning)

    async def asked(self, *words: str) -> str:
        """What a command says, which must succeed."""
        command = Command(self.folder.parent, *words, "--config", str(self.config), tuning=self.tuning)
        code, out, err = await command.end()
        assert code == 0, err
        return out


async def test_a_daemon_that_is_started_by_hand_has_the_store_that_every_command_finds(tmp_path: Path) -> None:
    daemon = OfService(tmp_path)
    async with daemon:
        await daemon.post("track", userId="u1", event="One", messageId="m1")
        await daemon.settled()
        assert json.loads(await daemon.asked("ledger", "--json"))["accepted"] == 1
    assert sorted(path.name for path in daemon.folder.iterdir() if path.suffix != ".log") == ["config.toml"]
    assert (daemon.state / "events.jsonl").exists(), "files of destinations are beside it"
    assert json.loads(await daemon.asked("ledger", "--json"))["accepted"] == 1, "the stopped one, too"


async def test_a_store_beside_config_toml_is_used_as_before(tmp_path: Path) -> None:
    daemon = OfService(tmp_path)
    beside = daemon.folder / "var/router.db"
    beside.parent.mkdir()
    beside.touch()
    async with daemon:
        await daemon.post("track", userId="u1", event="One", messageId="m1")
        await daemon.settled()
    assert beside.stat().st_size
    assert not daemon.state.exists()


async def test_on_a_new_machine_a_backup_is_put_where_the_service_starts(tmp_path: Path) -> None:
    daemon, kept = OfService(tmp_path), tmp_path / "kept.tar.zst"
    async with daemon:
        await daemon.post("track", userId="u1", event="One", messageId="m1")
        await daemon.settled()
    store = daemon.state / "var/router.db"
    back_up(store, Target(kept, is_folder=False), SystemClock().now_ms(), 0, Silent())
    daemon.state.rename(tmp_path / "dead-disk")
    assert f"{store} is the backup of" in await daemon.asked("restore", str(kept))
    async with daemon:
        assert (await daemon.ledger())["accepted"] == 1
