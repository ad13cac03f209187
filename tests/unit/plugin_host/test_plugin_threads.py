"""Code of plugins that hangs holds few threads, however often somebody asks for it."""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from router.config import load
from router.daemon.reload import Reload
from router.daemon.supervisor import Supervisor
from router.errors import CommandRefused, StoreAway
from router.ingest.write_key import Sources
from router.judge import SourcePlans
from router.logger import make_log
from router.plugin_host.plugin_threads import MOST, PluginThreads, Purpose
from tests.patience import HANG_S

SOURCE = '[[source]]\nname = "website"\nwrite_key = "k"\n'


@pytest.fixture
def held() -> Iterator[threading.Event]:
    """Until the test ends."""
    let_go = threading.Event()
    yield let_go
    let_go.set()


async def hang(threads: PluginThreads, purpose: Purpose, held: threading.Event) -> None:
    with pytest.raises(TimeoutError):
        await threads.run(purpose, held.wait, 0.001)


async def test_a_thread_that_hangs_is_left_behind_and_only_so_many_are(held: threading.Event) -> None:
    threads = PluginThreads()
    before = set(threading.enumerate())
    for _ in range(MOST):
        await hang(threads, "trial", held)
    for _ in range(10):
        with pytest.raises(CommandRefused, match="have not ended in time"):
            await threads.run("trial", held.wait, 0.001)
    assert len([thread for thread in threading.enumerate() if thread not in before]) == MOST


def spin() -> None:
    while True:
        pass


async def test_code_that_never_returns_is_interrupted_and_takes_nothing_from_the_others_any_more() -> None:
    threads = PluginThreads()
    for _ in range(MOST + 1):  # each makes room for the next
        with pytest.raises(TimeoutError):
            await threads.run("trial", spin, 0.02)
        await all_end()


async def test_code_whose_asker_went_away_is_interrupted_at_its_limit_all_the_same() -> None:
    asking = asyncio.create_task(PluginThreads().run("trial", spin, 0.05))
    await asyncio.sleep(0)
    asking.cancel()
    await all_end()


async def all_end() -> None:
    for thread in threading.enumerate():
        if thread.name == "plugin-code":
            await asyncio.to_thread(thread.join, HANG_S)
            assert not thread.is_alive()


async def test_what_hangs_for_one_purpose_leaves_room_for_the_others(held: threading.Event) -> None:
    threads = PluginThreads()
    for _ in range(MOST):
        await hang(threads, "preview", held)
    assert await threads.run("trial", lambda: "done") == "done"


async def test_who_asks_while_others_are_at_work_waits_for_one_of_them(held: threading.Event) -> None:
    threads = PluginThreads()
    asking = [asyncio.create_task(threads.run("form", held.wait)) for _ in range(MOST + 2)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in asking)
    held.set()
    assert await asyncio.gather(*asking) == [True] * (MOST + 2)


async def test_who_waits_is_refused_once_all_of_them_hang(held: threading.Event) -> None:
    threads = PluginThreads()
    hanging = [asyncio.create_task(threads.run("form", held.wait, 0.02)) for _ in range(MOST)]
    await asyncio.sleep(0)
    with pytest.raises(CommandRefused, match="have not ended in time"):
        await threads.run("form", held.wait)
    assert [type(error) for error in await asyncio.gather(*hanging, return_exceptions=True)] == [TimeoutError] * MOST


async def test_a_thread_whose_asker_went_away_counts_until_it_ends(held: threading.Event) -> None:
    threads = PluginThreads()
    asking = [asyncio.create_task(threads.run("form", held.wait)) for _ in range(MOST)]
    await asyncio.sleep(0)
    for task in asking:
        task.cancel()
    await asyncio.wait(asking)
    next_one = asyncio.create_task(threads.run("form", lambda: "done"))
    await asyncio.sleep(0)
    assert not next_one.done()
    held.set()
    assert await next_one == "done"


async def test_threads_that_have_ended_make_room_at_once() -> None:
    threads = PluginThreads()
    for _ in range(10 * MOST):
        assert await threads.run("trial", lambda: "done") == "done"
        with pytest.raises(RuntimeError, match="SystemExit"):
            await threads.run("trial", leave)


def leave() -> Any:
    raise SystemExit("a plugin's own")


async def test_looking_at_what_a_reload_would_do_is_refused_while_too_many_looks_hang(
    tmp_path: Path, held: threading.Event
) -> None:
    path, threads = tmp_path / "config.toml", PluginThreads()
    path.write_text(SOURCE)
    config = load(path)
    reload = Reload(path, config, Sources(config.sources), SourcePlans(), threads, make_log(level="error"))
    for _ in range(MOST):
        await hang(threads, "preview", held)
    plan = await reload.preview(cast(Supervisor, None), None)
    assert plan.code == "busy"
    assert "threads for a preview run code of plugins and have not ended in time" in plan.problems[0]


async def test_a_reload_that_cannot_begin_leaves_no_trouble_with_the_file_and_is_in_the_log(
    tmp_path: Path, held: threading.Event
) -> None:
    path, threads, said = tmp_path / "config.toml", PluginThreads(), io.StringIO()
    path.write_text(SOURCE)
    config, log = load(path), make_log("info", "json", stream=said)
    reload = Reload(path, config, Sources(config.sources), SourcePlans(), threads, log)
    for _ in range(MOST):
        await hang(threads, "reload", held)
    supervisor: Any = SimpleNamespace(changing=asyncio.Lock())

    async def bring(*args: Any) -> None:
        pytest.fail("there is nothing that others could be told")

    with pytest.raises(CommandRefused, match="have not ended in time") as refused:
        await reload.run(supervisor, lambda: False, bring, is_confirmed=False, via="signal")
    assert (refused.value.code, reload.last_refused) == ("busy", None)
    log.flush()
    line = json.loads(said.getvalue())
    assert (line["event"], line["via"], "not read" in line["detail"]) == ("config_reload_failed", "signal", True)


async def test_a_reload_that_other_nodes_cannot_be_told_of_changes_nothing_and_is_in_the_log(tmp_path: Path) -> None:
    path, said = tmp_path / "config.toml", io.StringIO()
    path.write_text(SOURCE)
    config, log = load(path), make_log("info", "json", stream=said)
    reload = Reload(path, config, Sources(config.sources), SourcePlans(), PluginThreads(), log)
    supervisor: Any = SimpleNamespace(changing=asyncio.Lock(), runners={})

    async def bring(*args: Any) -> None:
        raise StoreAway

    with pytest.raises(StoreAway):
        await reload.run(supervisor, lambda: False, bring, is_confirmed=False, via="signal")
    assert (reload.config is config, reload.last_refused) == (True, None)
    log.flush()
    line = json.loads(said.getvalue())
    assert (line["event"], line["via"]) == ("config_reload_failed", "signal")
    assert line["detail"] == f"{path}: not in force: {StoreAway()}"
