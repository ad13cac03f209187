"""`config show` and `config diff` against a daemon that runs; a daemon started with what was imported from Segment."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.flow.harness import Daemon, destination
from tests.flow.verbs import verb

EXPORT = Path(__file__).parents[1] / "fixtures/segment/public_api"


async def run(daemon: Daemon, *words: str, code: int = 0) -> tuple[str, str]:
    """A verb of the command line: what it prints on standard output and on standard error."""
    found, out, err = await verb(daemon, *words)
    assert found == code, (found, out, err)
    return out, err


def hook(folder: Path, **tables: Any) -> Daemon:
    (folder / "key").write_text("first-secret")
    settings = {"url": "https://example.com/hook", "shared_secret": {"file": "key"}}
    return Daemon(folder, [destination("hook", "webhook", settings, mode="dry-run", **tables)])


async def test_show_tells_what_the_daemon_has_read_and_not_what_the_file_says_by_now(tmp_path: Path) -> None:
    async with hook(tmp_path, delivery={"timeout": "30s"}) as daemon:
        daemon.destinations[0]["delivery"] = {"timeout": "5s"}
        daemon.write_config()
        out, err = await run(daemon, "config", "show", "destination.hook", "--json")
        answer = json.loads(out)
        values = {one["key"]: one for one in answer["values"]}
        assert (answer["running"], answer["path"], answer["named_by"]) == (
            True,
            str(daemon.config),
            "named by --config",
        )
        assert values["destination.hook.delivery.timeout"]["value"] == "30s"
        assert values["destination.hook.settings.shared_secret"]["origin"] == "file key"
        assert "first-secret" not in out + err


async def test_show_tells_what_the_file_would_give_while_no_daemon_runs(tmp_path: Path) -> None:
    daemon = hook(tmp_path, delivery={"timeout": "30s"})
    daemon.write_config()
    out, err = await run(daemon, "config", "show", "destination.hook.delivery.timeout")
    assert "30s" in out
    assert "daemon is not running; this is what" in err
    out, _ = await run(daemon, "config", "show", "no.such", code=2)
    daemon.config.write_text("[serverr]\n")
    await run(daemon, "config", "show", code=78)


async def test_diff_tells_each_key_that_a_reload_would_change_and_then_nothing(tmp_path: Path) -> None:
    async with hook(tmp_path) as daemon:
        out, _ = await run(daemon, "config", "diff")
        assert out.startswith("nothing would change")
        daemon.destinations[0]["delivery"] = {"timeout": "5s"}
        (tmp_path / "key").write_text("second-secret")
        daemon.more_sources = [{"name": "app", "write_key": "wk_app"}]
        daemon.write_config()
        out, err = await run(daemon, "config", "diff")
        assert out.splitlines()[:4] == [
            "  destination.hook.settings.shared_secret: changed",
            '  destination.hook.delivery.timeout: "10s" -> "5s"',
            '+ source.app.name = "app"',
            "+ source.app.write_key = ***",
        ]
        assert "4 keys would change" in out
        assert "secret" not in (out + err).replace("shared_secret", "")
        assert "wk_app" not in out + err
        await daemon.reload()
        out, _ = await run(daemon, "config", "diff")
        assert out.startswith("nothing would change")


async def test_diff_tells_what_needs_a_restart_and_a_reload_refuses_just_that(tmp_path: Path) -> None:
    async with hook(tmp_path) as daemon:
        daemon.tables = {"log": {"level": "debug"}, "store": {"retention": "9d"}}
        daemon.destinations[0]["delivery"] = {"timeout": "5s"}
        daemon.write_config()
        out, _ = await run(daemon, "config", "diff", "--json")
        plan = json.loads(out)
        assert plan["code"] == "restart_required"
        assert {one["key"]: one["needs"] for one in plan["keys"]} == {
            "log.level": "restart",
            "store.retention": "restart",
            "destination.hook.delivery.timeout": "",
        }
        status, answer = await daemon.admin("POST", "/api/reload")
        assert (status, answer["errors"]) == (409, plan["errors"])
        out, _ = await run(daemon, "config", "diff")
        assert '  log.level: "info" -> "debug"  (needs a restart)' in out.splitlines()
        assert "a reload is refused" in out
        assert await daemon.terminate() == 0
        (daemon.folder / "daemon.log").write_text("")  # a refused reload is an error in the log, here a wanted one


async def test_diff_of_a_faulty_file_has_every_problem_and_exit_code_78(tmp_path: Path) -> None:
    async with hook(tmp_path) as daemon:
        daemon.config.write_text(daemon.config.read_text() + "[consol]\nx = 1\n")
        _, err = await run(daemon, "config", "diff", code=78)
        assert 'unknown key "consol"; did you mean "console"?' in err


async def test_diff_without_a_daemon_says_so(tmp_path: Path) -> None:
    daemon = hook(tmp_path)
    daemon.write_config()
    _, err = await run(daemon, "config", "diff", code=1)
    assert "daemon is not running" in err


@pytest.mark.long
async def test_a_daemon_starts_with_what_was_imported_and_takes_events_with_segments_write_key(tmp_path: Path) -> None:
    pytest.importorskip("jsonschema_rs")
    daemon = Daemon(tmp_path, [])
    made = tmp_path / "made"
    await run(daemon, "config", "import", "segment", str(EXPORT), "--out", str(made))
    shutil.copytree(made / "secrets", tmp_path / "secrets")
    shutil.copytree(made / "plans", tmp_path / "plans")
    text = (made / "config.toml").read_text()

    def write_config() -> None:
        Daemon.write_config(daemon)
        own = daemon.config.read_text()
        daemon.config.write_text(own + text)

    daemon.write_config = write_config  # type: ignore[method-assign]
    async with daemon:
        call = {"type": "track", "userId": "u1", "event": "Hello"}
        await daemon.batch([{**call, "messageId": "m1"}], write_key="wk_backend")
        await daemon.batch([{**call, "messageId": "m2"}], write_key="wk_website_2")
        await daemon.settled()
        fates = {id: await daemon.fate(id, "braze-eu") for id in ("m1", "m2")}
        assert fates == {"m1": ("delivered", "dry_run"), "m2": ("filtered", "plan")}
