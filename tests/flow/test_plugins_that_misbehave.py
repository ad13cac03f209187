"""Whatever a plugin does: the daemon, ingestion and the neighbours are unharmed, and each event has its state."""

from __future__ import annotations

import signal
from pathlib import Path

from router.testing.vendor import FakeVendor
from tests.flow.harness import Daemon, destination, eventually
from tests.flow.test_shutdown import ended

DEAD = (
    "hook exits", "hook is interrupted", "hook is cancelled", "hook raises its own", "state_key exits", "deliver exits",
    "deliver is cancelled", "deliver cancels itself", "deliver raises its own",
    "hook cancels all", "hook cancels the daemon", "hook cancels its caller", "deliver cancels the others",
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


LATER = ("loop cancels", "function cancels", "thread cancels")


async def test_what_a_plugin_has_the_loop_cancel_later_is_refused_and_named(tmp_path: Path) -> None:
    async with FakeVendor() as vendor:
        tables = [
            destination("odd", "saboteur", {"base_url": vendor.url}),
            destination("neighbour", "collector", {"base_url": vendor.url}),
            destination("apart", "collector", {"base_url": vendor.url}, delivery={"isolation": "thread"}),
        ]
        async with Daemon(tmp_path, tables) as daemon:
            for n, name in enumerate(LATER):
                before = len(daemon.log("plugin_failed"))
                await daemon.post("track", userId=f"u{n}", event=name, messageId=f"m{n}")
                for one in ("odd", "neighbour", "apart"):
                    await daemon.becomes(f"m{n}", one, "delivered")

                async def is_told(before: int = before) -> bool:
                    failed = [line["detail"] for line in daemon.log("plugin_failed")[before:]]
                    assert all(words.startswith("a plugin must not cancel task") for words in failed), failed
                    return any("'daemon'" in words for words in failed)

                await eventually(is_told)
            assert await daemon.terminate() == 0


async def test_a_daemon_whose_guard_a_plugin_goes_round_says_why_it_ends(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [destination("odd", "saboteur", {"base_url": "http://127.0.0.1:1"})]) as daemon:
        await daemon.post("track", userId="u1", event="hook goes round the guard", messageId="m1")
        assert await ended(daemon) == 1
        [line] = daemon.log("plugin_failed")
        assert "has cancelled the task that all depends on" in line["detail"]


HUGE = {"state is huge": "track", "deliver makes a huge body": "deliver", "deliver makes huge JSON": "deliver"}
"""Event, and the hook that is named. As JSON or as bytes each is of 500 MB or more; it takes no memory before somebody reads it."""
LARGE = {
    "state_key is huge": "state_key", "deliver makes a huge url": "deliver", "deliver makes huge headers": "deliver",
    "deliver has endless outcomes": "deliver",
}  # fmt: skip
"""The texts are of 50 MB each, which their plugin keeps for a moment."""


async def test_what_is_too_large_is_a_dead_letter_before_anything_of_it_is_encoded(tmp_path: Path) -> None:
    tables = [destination("odd", "saboteur", {"base_url": "http://127.0.0.1:9/"})]
    async with Daemon(tmp_path, tables) as daemon:
        await daemon.post("track", userId="u", event="hook is cancelled", messageId="warm")
        await daemon.becomes("warm", "odd", "dead")
        before = daemon.memory_kb()["VmHWM"]
        for name, hook in (HUGE | LARGE).items():
            await daemon.post("track", userId=f"u-{name}", event=name, messageId=name)
            await daemon.becomes(name, "odd", "dead", "plugin_error")
            [(letter,)] = daemon.rows(f"SELECT detail FROM dead JOIN log USING (pos) WHERE message_id = '{name}'")
            assert letter.startswith("plugin saboteur"), name
            assert hook in letter.partition("\n")[0], name
            assert len(letter) <= 4_000
            if name in HUGE:
                assert daemon.memory_kb()["VmHWM"] - before < 32_000, name
        await daemon.post("track", userId="u-words", event="deliver has huge words", messageId="words")
        await daemon.becomes("words", "odd", "dead")
        told = daemon.rows("SELECT reason, detail FROM dead JOIN log USING (pos) WHERE message_id = 'words'")
        assert told == [("x" * 100, "ž" * 2_000)]
        assert daemon.memory_kb()["VmHWM"] - before < 350_000, "a text, and what the plugin makes of it"


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


async def test_a_plugin_whose_calls_hang_in_threads_keeps_nobody_else_from_a_thread(tmp_path: Path) -> None:
    table = destination("odd", "sloth", {"base_url": "http://127.0.0.1:1"}, delivery={"timeout": "1s"})
    async with Daemon(tmp_path, [table]) as daemon:
        await daemon.post("track", userId="u1", event="threads", messageId="m1")
        await daemon.becomes("m1", "odd", "retrying")
        assert (await daemon.get("/api/configuration"))["values"]
        daemon.kill()


async def test_a_plugin_that_takes_the_signals_keeps_no_daemon_from_reloading_and_stopping(tmp_path: Path) -> None:
    async with FakeVendor() as vendor:
        tables = [destination("odd", "saboteur", {"base_url": vendor.url})]
        async with Daemon(tmp_path, tables) as daemon:
            await daemon.post("track", userId="u1", event="signals are taken", messageId="m1")
            await daemon.becomes("m1", "odd", "delivered")

            async def all_are_told() -> bool:
                words = " ".join(line["detail"] for line in daemon.log("plugin_failed"))
                return all(name in words for name in ("SIGTERM", "SIGINT", "SIGHUP"))

            await eventually(all_are_told)
            assert daemon.process is not None
            daemon.process.send_signal(signal.SIGHUP)
            await daemon.logged("config_reloaded")
            assert await daemon.terminate() == 0
