"""config.toml is put in force while the daemon runs: all of it or nothing, and it says what that was."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.testing.vendor import FakeVendor, Reply
from tests.flow.harness import PLUGINS, Daemon, Table, assert_ledger_adds_up, destination, eventually

PLUGIN = """
from router.plugin import Item, Settings, hookimpl, json_request

class ChatSettings(Settings):
    url: str

class Chat:
    settings_model = ChatSettings

    def __init__(self, settings):
        self.settings = settings

    @hookimpl
    def track(self, event):
        return Item({"words": "WORDS " + event.name})

    @hookimpl
    def request(self, items):
        return json_request(self.settings.url, items[0].body)
"""


class Own(Daemon):
    """A daemon with a folder of plugins of its own."""

    def write_config(self) -> None:
        super().write_config()
        words = self.config.read_text()
        self.config.write_text(words.replace(f'plugins_dir = "{PLUGINS}"', 'plugins_dir = "plug"'))

    def plugin(self, words: str) -> None:
        """Write the plugin `chat`, which says these words."""
        (self.folder / "plug").mkdir(exist_ok=True)
        (self.folder / "plug/chat.py").write_text(PLUGIN.replace("WORDS", words))


ENDING = f"""
import asyncio
from contextlib import asynccontextmanager
{PLUGIN.replace("url: str", 'url: str = ""')}
    @hookimpl
    @asynccontextmanager
    async def lifetime(self):
        raise asyncio.CancelledError
        yield
"""
"""A plugin that cancels the task it is opened in."""


def file(name: str, **tables: object) -> Table:
    """A destination that appends to a file."""
    return destination(name, "file", {"path": f"{name}.jsonl"}, **tables)


async def test_a_reload_says_which_destinations_it_added_changed_and_removed(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [file("old"), file("kept"), file("altered")]) as daemon:
        daemon.destinations = [file("new"), file("altered", delivery={"concurrency": 3}), file("kept")]
        daemon.write_config()
        status, answer = await daemon.admin("POST", "/api/reload")
        told = {"added": ["new"], "changed": ["altered"], "removed": ["old"], "sources": []}
        told |= {"restart_required": [], "warnings": []}
        assert (status, answer) == (200, {"reloaded": True, **told})
        (line,) = await daemon.logged("config_reloaded")
        assert {key: line[key] for key in told} == told
        described = (await daemon.get("/api/destinations"))["destinations"]
        assert [found["name"] for found in described] == ["new", "altered", "kept"], "in the order of config.toml"


async def test_a_reload_names_the_sources_that_differ(tmp_path: Path) -> None:
    async with Daemon(tmp_path, []) as daemon:
        daemon.config.write_text(daemon.config.read_text() + '[[source]]\nname = "app"\nwrite_key = "app"\n')
        _, answer = await daemon.admin("POST", "/api/reload")
        assert answer["sources"] == ["app"]


@pytest.mark.parametrize(
    ("table", "keys"),
    [
        ({"server": {"listen": "127.0.0.1:1", "trusted_proxies": ["10.0.0.0/8"]}}, ["listen", "trusted_proxies"]),
        ({"admin": {"listen": "127.0.0.1:1", "token": "changed"}}, ["listen", "token"]),
        ({"store": {"url": "sqlite:b.db", "dedupe_window": "1h", "min_free": "2MB"}}, ["url", "dedupe_window", "min_free"]),
        ({"log": {"level": "debug", "format": "auto", "decisions": "exceptions"}}, ["level", "format", "decisions"]),
    ],
    ids=["server", "admin", "store", "log"],
)  # fmt: skip
async def test_a_reload_that_changes_what_needs_a_restart_is_refused_by_every_such_key_and_changes_nothing(
    tmp_path: Path, table: dict[str, Table], keys: list[str]
) -> None:
    async with Daemon(tmp_path, []) as daemon:
        daemon.tables, daemon.destinations = table, [file("new")]
        daemon.write_config()
        status, answer = await daemon.admin("POST", "/api/reload")
        assert (status, answer["code"]) == (409, "restart_required")
        (section,) = table
        assert [problem.split(":")[0] for problem in answer["errors"]] == [f"{section}.{key}" for key in keys]
        assert "changed" not in str(answer["errors"]).replace("changed, which needs", "").replace(
            "nothing was changed", ""
        )
        assert (await daemon.ledger())["destinations"] == {}
        failed = daemon.log("config_reload_failed")
        assert [line["detail"] for line in failed] == answer["errors"]
        await _forget(daemon)


async def _forget(daemon: Daemon) -> None:
    """A refused reload is an error in the log, here a wanted one: end the daemon and empty its log."""
    assert await daemon.terminate() == 0
    (daemon.folder / "daemon.log").write_text("")


async def test_a_plugin_file_that_was_edited_is_taken_anew_by_a_reload(tmp_path: Path) -> None:
    async with FakeVendor() as vendor:
        daemon = Own(tmp_path, [destination("chat", "chat", {"url": vendor.url})])
        daemon.plugin("old")
        async with daemon:
            await daemon.post("track", userId="u1", event="One", messageId="m1")
            await daemon.settled()
            daemon.plugin("new")
            _, answer = await daemon.admin("POST", "/api/reload")
            assert answer["changed"] == ["chat"]
            await daemon.post("track", userId="u1", event="Two", messageId="m2")
            await daemon.settled()
            assert [seen.json()["words"] for seen in vendor.requests] == ["old One", "new Two"]
            _, answer = await daemon.admin("POST", "/api/reload")
            assert answer["changed"] == []


async def test_a_destination_that_is_added_says_that_earlier_events_are_not_sent(tmp_path: Path) -> None:
    async with Daemon(tmp_path, []) as daemon:
        await daemon.post("track", userId="u1", event="One", messageId="m1")
        daemon.destinations = [file("late")]
        await daemon.reload()
        await daemon.post("track", userId="u1", event="Two", messageId="m2")
        await daemon.becomes("m2", "late", "delivered")
        (line,) = daemon.log("destination_added")
        assert line["detail"] == "starts at the head of the log; earlier events are not sent, unless you replay them"
        assert line["paste"].endswith(f" replay late --since 7d --config {daemon.config}")


async def test_a_missing_secret_of_a_dry_run_is_warned_of_at_the_start_and_by_a_reload_that_brings_it(
    tmp_path: Path,
) -> None:
    settings = {"api_key": {"env": "NO_SUCH_VARIABLE_HERE"}}
    async with Daemon(tmp_path, [destination("mail", "braze", settings, mode="dry-run")]) as daemon:
        (line,) = daemon.log("secret_missing")
        assert (line["where"], line["setting"]) == ("mail", "settings.api_key")
        _, answer = await daemon.admin("POST", "/api/reload")
        assert answer["warnings"] == []
        daemon.destinations.append(destination("post", "braze", settings, mode="dry-run"))
        daemon.write_config()
        _, answer = await daemon.admin("POST", "/api/reload")
        assert answer["warnings"] == [
            "post: settings.api_key: the environment variable NO_SUCH_VARIABLE_HERE is not set:"
            " not needed while mode is dry-run; set it before going live"
        ]


async def test_a_reload_with_a_queue_and_a_failing_vendor_loses_nothing_and_sends_old_items_with_new_settings(
    tmp_path: Path,
) -> None:
    async with FakeVendor(Reply(503)) as broken, FakeVendor(Reply(200, json={})) as healed:
        crm = destination("crm", "collector", {"base_url": broken.url, "gated": True})
        async with Daemon(tmp_path, [crm]) as daemon:
            await daemon.batch(
                [
                    {"type": "identify", "userId": f"u{n % 30}", "messageId": f"m{n}", "traits": {"n": n}}
                    for n in range(200)
                ]
                + [{"type": "track", "userId": "held", "event": "E", "messageId": "held"}]
            )

            async def fails() -> bool:
                return len(broken.requests) > 3

            await eventually(fails)
            daemon.destinations = [destination("crm", "collector", {"base_url": healed.url})]
            daemon.write_config()
            _, answer = await daemon.admin("POST", "/api/reload")
            assert answer["changed"] == ["crm"]
            ledger = await daemon.settled("crm")
            assert_ledger_adds_up(ledger)
            assert ledger["destinations"]["crm"]["delivered"] == 201, "what was held asks for no group any more"
            arrived = [item["id"] for seen in healed.requests for item in seen.json()]
            assert sorted(set(arrived)) == sorted([*(f"m{n}" for n in range(200)), "held"])
            for user in range(30):
                mine = [int(m[1:]) for m in arrived if m != "held" and int(m[1:]) % 30 == user]
                assert mine == sorted(mine)


async def test_a_mapping_table_that_is_changed_opens_the_gate_of_what_is_held_already(tmp_path: Path) -> None:
    crm = destination("crm", "clientsuccess", {"project_id": "PID", "api_key": "K"}, mode="dry-run")
    async with Daemon(tmp_path, [crm]) as daemon:
        await daemon.post("group", userId="u1", groupId="acme", traits={"title": "Acme"}, messageId="g1")
        await daemon.post("track", userId="u1", event="One", messageId="m1")
        await daemon.becomes("m1", "crm", "held", "group_name_unknown")
        daemon.destinations = [{**crm, "mapping": {"rename": {"group.title": "group.name"}}}]
        daemon.write_config()
        _, answer = await daemon.admin("POST", "/api/reload")
        assert answer["changed"] == ["crm"]
        await daemon.becomes("m1", "crm", "delivered", "dry_run")


async def test_a_destination_that_a_reload_adds_and_whose_plugin_cannot_open_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "plug").mkdir()
    (tmp_path / "plug/ending.py").write_text(ENDING)
    async with Own(tmp_path, [file("kept")]) as daemon:
        daemon.destinations = [file("kept"), destination("odd", "ending", {})]
        await daemon.reload()
        [line] = await daemon.logged("plugin_failed")
        assert (line["destination"], line["plugin"], line["hook"]) == ("odd", "ending", "lifetime")
        await daemon.post("track", userId="u1", event="E", messageId="m1")
        await daemon.becomes("m1", "kept", "delivered")
        assert (await daemon.fate("m1", "odd"))[0] == "queued"


async def test_a_corrected_key_is_tried_at_once_after_a_reload(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("old")
    async with FakeVendor() as vendor:
        vendor.answer = lambda seen: Reply(200 if seen.headers["x-key"] == "new" else 401)
        hook = destination("hook", "webhook", {"url": vendor.url, "headers": {"X-Key": {"file": str(key)}}})
        async with Daemon(tmp_path, [hook]) as daemon:
            await daemon.post("track", userId="u1", event="E", messageId="m1")
            await daemon.logged("destination_paused")
            key.write_text("new")
            await daemon.reload()
            await daemon.becomes("m1", "hook", "delivered")
