"""Whatever a plugin does: the daemon, ingestion and the neighbours are unharmed, and each event has its state."""

from __future__ import annotations

from pathlib import Path

from router.testing.vendor import FakeVendor
from tests.flow.harness import Daemon, destination

DEAD = (
    "hook exits", "hook is interrupted", "hook is cancelled", "hook raises its own", "state_key exits", "deliver exits",
    "deliver is cancelled", "deliver cancels itself", "deliver raises its own",
)  # fmt: skip
DELIVERED = ("loop stops", "task exits", "quiet")


async def test_what_would_end_a_process_is_a_dead_letter_that_names_the_hook(tmp_path: Path) -> None:
    async with FakeVendor() as vendor:
        tables = [
            destination("odd", "saboteur", {"base_url": vendor.url}),
            destination("neighbour", "collector", {"base_url": vendor.url}),
        ]
        async with Daemon(tmp_path, tables) as daemon:
            names = [*DEAD, *DELIVERED]
            for n, name in enumerate(names):
                await daemon.post("track", userId=f"u{n % 3}", event=name, messageId=f"m{n}")
                if name in DELIVERED:  # what ends the loop twice in one turn ends it once
                    await daemon.becomes(f"m{n}", "odd", "delivered")
            ledger = await daemon.settled()
            counts = ledger["destinations"]["odd"]
            assert (counts["dead"], counts["delivered"]) == (len(DEAD), len(DELIVERED))
            assert ledger["destinations"]["neighbour"]["delivered"] == len(names)
            for n, name in enumerate(DEAD):
                [(letter,)] = daemon.rows(f"SELECT detail FROM dead JOIN log USING (pos) WHERE message_id = 'm{n}'")
                hook = "state_key" if name.startswith("state_key") else "deliver" if "deliver" in name else "track"
                assert f"plugin saboteur, hook {hook}:" in letter, name
            failed = [line for line in daemon.log() if line["event"] == "plugin_failed"]
            assert len(failed) == 2, "the loop that stopped, and the task that exited"
            assert await daemon.terminate() == 0


async def test_a_lifetime_that_loses_a_task_pauses_its_destination_only(tmp_path: Path) -> None:
    async with FakeVendor() as vendor:
        tables = [
            destination("odd", "saboteur", {"base_url": vendor.url, "lifetime_fails": True}),
            destination("neighbour", "collector", {"base_url": vendor.url}),
        ]
        async with Daemon(tmp_path, tables) as daemon:
            await daemon.logged("plugin_failed")
            await daemon.post("track", userId="u1", event="quiet", messageId="m1")
            await daemon.becomes("m1", "neighbour", "delivered")
            assert (await daemon.fate("m1", "odd"))[0] == "queued"
            assert await daemon.terminate() == 0


async def test_a_thread_that_stays_does_not_keep_the_process(tmp_path: Path) -> None:
    table = destination("odd", "saboteur", {"base_url": "http://127.0.0.1:1"})
    async with Daemon(tmp_path, [table]) as daemon:
        await daemon.post("track", userId="u1", event="thread stays", messageId="m1")
        await daemon.becomes("m1", "odd", "retrying")
        assert await daemon.terminate() == 0
