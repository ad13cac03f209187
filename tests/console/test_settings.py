"""The page Configuration: what is active, what a reload would do, and the reload."""

from __future__ import annotations

import json
import os
import signal
import tomllib
from pathlib import Path

from router.editing.catalogue import offers
from router.editing.config_schema import config_schema
from tests.console.editing import wanted_errors
from tests.console.pages import Visitor
from tests.flow.harness import Daemon, destination, eventually

HOOK = destination("hook", "collector", {"base_url": "http://127.0.0.1:9"}, mode="dry-run")
BRAZE = destination("braze", "braze", {"api_key": "literal-secret-1"}, mode="dry-run")


def add_line(daemon: Daemon, line: str) -> None:
    """One more line at the end of config.toml."""
    daemon.config.write_text(daemon.config.read_text() + line + "\n")


async def test_the_file_in_force_is_shown_without_its_secrets(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("kept-in-a-file")
    (tmp_path / "key").chmod(0o600)
    hidden = destination("other", "braze", {"api_key": {"file": "key"}}, mode="dry-run")
    async with Daemon(tmp_path, [BRAZE, hidden]) as daemon, Visitor(daemon.admin_url) as visitor:
        page = await visitor.open("/settings")
        assert page.status == 200
        assert "active since" in page.text
        assert "by the start" in page.text
        assert 'settings = { "api_key" = "••••" }' in page.text
        assert 'settings = { "api_key" = { "file" = "key" } }' in page.text
        assert 'write_key = "••••"' in page.text
        answer = await daemon.get("/api/configuration")
        shown = page.html + str(answer)
        assert not any(secret in shown for secret in ("literal-secret-1", "kept-in-a-file", "wk_test_123"))
        assert (answer["via"], answer["refused"], answer["reload"]["code"]) == ("start", None, "")


async def test_the_page_leads_to_the_json_schema_that_the_command_prints(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK]) as daemon, Visitor(daemon.admin_url) as visitor:
        schema = await visitor.open((await visitor.open("/settings")).links["JSON Schema"])
        assert (schema.status, schema.headers["Content-Type"]) == (200, "application/schema+json")
        assert json.loads(schema.html) == json.loads(json.dumps(config_schema(offers(daemon.plugins))))
        assert "collector.settings" in json.loads(schema.html)["$defs"]


ADDRESS = "https://hooks.example.com/services/T000/B000/key-of-the-hook"
HOOKED = destination("chat", "webhook", {"url": ADDRESS, "batch": 2}, mode="dry-run", filter="type = 'track'")


async def test_what_a_plugin_marks_as_not_to_be_shown_is_masked_and_a_save_leaves_it_as_it_is(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOKED], console={"edit": True}) as daemon, Visitor(daemon.admin_url) as visitor:
        form = await visitor.open("/destinations/chat/edit")
        assert "Now: written in config.toml." in form.text
        review = await visitor.send(form, "Review the difference", do="review", **{"setting.batch": "3"})
        seen = [form, review, await visitor.send(review, "Write and reload")]
        seen += [await visitor.open(path) for path in ("/settings", "/destinations/chat", "/destinations/chat/edit")]
        answers = [await daemon.get(path) for path in ("/api/configuration", "/api/configuration?key=destination")]
        shown = "".join(page.html for page in seen) + str(answers) + str(daemon.log())
        assert "key-of-the-hook" not in shown
        assert "is active" in seen[2].text
        [table] = tomllib.loads(daemon.config.read_text())["destination"]
        assert table["settings"] == {"url": ADDRESS, "batch": 3}
        daemon.config.write_text(daemon.config.read_text().replace("key-of-the-hook", "another-key"))
        told = await daemon.get("/api/configuration")
        assert {
            "key": "destination.chat.settings.url",
            "change": "changed",
            "old": "***",
            "new": "***",
            "needs": "",
        } in (told["reload"]["keys"])


async def test_what_a_reload_would_do_is_told_and_done_by_the_button(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK]) as daemon, Visitor(daemon.admin_url) as visitor:
        assert "Nothing: destinations and sources are as config.toml has them" in (await visitor.open("/settings")).text
        daemon.destinations = [
            destination("hook", "collector", {"base_url": "http://127.0.0.1:8"}, mode="dry-run"),
            BRAZE,
        ]
        daemon.write_config()
        page = await visitor.open("/settings")
        assert "Adds braze" in page.text
        assert "Changes hook" in page.text
        assert list((await daemon.ledger())["destinations"]) == ["hook"], "looking changes nothing"
        done = await visitor.send(page, "Reload")
        assert "config.toml was read again and is active" in done.text
        assert "by this console" in done.text
        assert list((await daemon.ledger())["destinations"]) == ["hook", "braze"]
        (line,) = await daemon.logged("config_reloaded")
        assert (line["via"], line["added"], line["changed"]) == ("console", ["braze"], ["hook"])


async def test_a_faulty_file_is_told_with_each_of_its_errors_and_cannot_be_reloaded_here(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK]) as daemon, Visitor(daemon.admin_url) as visitor:
        before = await visitor.open("/settings")
        add_line(daemon, 'rubbish = 1\nmode = "sometimes"')
        page = await visitor.open("/settings")
        assert "It would be refused: the file is faulty" in page.text
        assert not any("Reload" in form.text for form in page.forms)
        refused = await visitor.send(before, "Reload")
        assert "The reload was refused. Nothing was changed." in refused.text
        assert "The last reload was refused" in refused.text
        told = (await daemon.get("/api/configuration"))["refused"]
        assert (told["via"], told["code"]) == ("console", "invalid_config")
        daemon.write_config()
        assert "The last reload was refused" not in (await visitor.send(before, "Reload")).text
        await wanted_errors(daemon)


async def test_a_key_that_needs_a_restart_is_named(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK]) as daemon, Visitor(daemon.admin_url) as visitor:
        daemon.tables = {"log": {"level": "debug"}}
        daemon.write_config()
        page = await visitor.open("/settings")
        assert "It would be refused: this needs a restart. log.level: changed" in page.text


async def test_another_privacy_key_is_asked_about_before_it_counts(tmp_path: Path) -> None:
    async with (
        Daemon(
            tmp_path, [{**HOOK, "mapping": {"hash": ["user.email"]}}], privacy={"key": "a-key-of-sixteen-1"}
        ) as daemon,
        Visitor(daemon.admin_url) as visitor,
    ):
        daemon.tables = {"privacy": {"key": "a-key-of-sixteen-2"}}
        daemon.write_config()
        page = await visitor.open("/settings")
        assert "It needs your confirmation. privacy.key: changed" in page.text
        assert page.form("accept this").fields["yes"] == "1"
        assert "is active" in (await visitor.send(page, "accept this")).text


async def test_sighup_and_the_api_are_told_as_what_put_it_in_force(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK]) as daemon, Visitor(daemon.admin_url) as visitor:
        await daemon.reload()
        assert "by the command line or the API" in (await visitor.open("/settings")).text
        assert daemon.process is not None
        os.kill(daemon.process.pid, signal.SIGHUP)

        async def by_signal() -> bool:
            return bool((await daemon.get("/api/configuration"))["via"] == "signal")

        await eventually(by_signal)
        assert "by SIGHUP" in (await visitor.open("/settings")).text


async def test_without_edit_the_page_says_how_to_switch_it_on_and_no_form_is_taken(tmp_path: Path) -> None:
    async with Daemon(tmp_path, [HOOK]) as daemon, Visitor(daemon.admin_url) as visitor:
        page = await visitor.open("/settings")
        assert "Changing destinations here is off" in page.text
        before = daemon.config.read_bytes()
        fields = {"form_token": page.form("Reload").fields["form_token"], "enabled": "off"}
        for path in (
            "/destinations/hook/edit",
            "/destinations/hook/remove",
            "/destinations/new",
            "/settings/reviews/x",
        ):
            assert (await visitor.open(path)).status == 403, path
            assert (await visitor.post(path, fields, {"Origin": daemon.admin_url})).status == 403, path
        assert daemon.config.read_bytes() == before
