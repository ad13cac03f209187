"""Destinations are started, exchanged and ended; one that ends by itself is noticed, whenever it was started."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import io
import json
import threading
import weakref
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from router.admin.asking import ask
from router.daemon.held_marks import HeldMarks
from router.daemon.isolation import Isolation
from router.daemon.supervisor import Supervisor
from router.deliver.runner import Runner
from router.errors import CommandRefused, StoreBusy, StoreError
from router.logger import make_log
from router.metrics import Metrics
from router.plugin import Delivered
from router.plugin_host import Destination
from router.plugin_host.hook_watch import Slow
from router.plugin_host.plugin_threads import MOST, PluginThreads
from router.store import WHOLE, Opening, Regulation, Share, Unit
from router.store.sqlite.claims import SqliteClaim
from tests.contract.rig import Gated, Plain, Rig, comes_true, destination, open_rig
from tests.patience import HANG_S


@pytest.fixture
def no_collection() -> Iterator[None]:
    """Cycles are collected when somebody asks for it only."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with open_rig(tmp_path) as made:
        yield made


def isolation(rig: Rig, threads: PluginThreads | None = None) -> Isolation:
    """What gives slow destinations threads."""
    return Isolation(HeldMarks(rig.store.path), threads or PluginThreads(), rig.log)


@asynccontextmanager
async def supervised(rig: Rig, *names: str) -> AsyncIterator[Supervisor]:
    """A supervisor with these destinations running."""
    supervisor = Supervisor(rig.store, rig.clock, rig.log, Metrics(), isolation(rig))
    async with supervisor.running([destination(Gated, rig.vendor, name) for name in names], lambda: None):
        yield supervisor


async def exchange(supervisor: Supervisor, wanted: Mapping[str, Destination], **changes: list[str]) -> None:
    """Exchange destinations as a reload does."""
    async with supervisor.changing:
        given = {"changed": [], "added": [], "removed": [], **changes}
        await supervisor.exchange(wanted, given["changed"], given["added"], given["removed"])


async def test_a_destination_that_ends_by_itself_is_a_fault_that_names_it(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Runner.run

    async def run_or_end(self: Runner) -> None:
        if self.destination.name == "odd":
            raise StoreError("gone")
        await run(self)

    monkeypatch.setattr(Runner, "run", run_or_end)
    async with supervised(rig, "kept") as supervisor:
        wanted = {name: destination(Gated, rig.vendor, name) for name in ("kept", "odd")}
        await exchange(supervisor, wanted, added=["odd"])
        await asyncio.wait_for(supervisor.failed.wait(), HANG_S)
        assert supervisor.fault == "destination odd ended: gone"


async def test_why_a_destination_ended_by_itself_is_in_the_log(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    async def end(self: Runner) -> None:
        raise ExceptionGroup("unhandled", [KeyError("the real fault")])

    monkeypatch.setattr(Runner, "run", end)
    stream = io.StringIO()
    rig.log = make_log("error", "json", stream=stream, clock=rig.clock)
    async with supervised(rig) as supervisor:
        await exchange(supervisor, {"odd": destination(Gated, rig.vendor, "odd")}, added=["odd"])
        await asyncio.wait_for(supervisor.failed.wait(), HANG_S)
    rig.log.flush()
    (line,) = map(json.loads, stream.getvalue().splitlines())
    assert (line["event"], line["destination"]) == ("internal_error", "odd")
    assert "KeyError: 'the real fault'" in line["detail"]


@pytest.mark.usefixtures("no_collection")
async def test_nothing_of_a_former_worker_stays_in_memory_behind_a_reload(rig: Rig) -> None:
    async with supervised(rig) as supervisor:
        await exchange(supervisor, {"d": destination(Gated, rig.vendor, "d")}, added=["d"])
        runner = supervisor.runners["d"]
        assert isinstance(runner, Runner)
        await runner.opened()
        former = weakref.ref(runner)
        del runner
        await exchange(supervisor, {"d": destination(Gated, rig.vendor, "d")}, changed=["d"])
        assert former() is None


@pytest.mark.parametrize(
    ("after", "keeps"), [({"rate": "5/h", "concurrency": 2}, True), ({"rate": "6/h"}, False), ({}, False)]
)
async def test_a_reload_that_leaves_the_rate_as_it_is_fills_no_bucket(
    rig: Rig, after: dict[str, object], keeps: bool
) -> None:
    async with supervised(rig) as supervisor:
        first = destination(Gated, rig.vendor, "d", delivery={"rate": "5/h"})
        await exchange(supervisor, {"d": first}, added=["d"])
        before = supervisor.runners["d"].rate
        assert before is not None
        await exchange(supervisor, {"d": destination(Gated, rig.vendor, "d", delivery=after)}, changed=["d"])
        assert (supervisor.runners["d"].rate is before) == keeps


async def test_destinations_that_a_reload_ends_or_exchanges_are_no_fault(rig: Rig) -> None:
    async with supervised(rig, "changed", "removed") as supervisor:
        before = supervisor.runners["changed"]
        wanted = {"changed": destination(Gated, rig.vendor, "changed")}
        await exchange(supervisor, wanted, changed=["changed"], removed=["removed"])
        assert list(supervisor.runners) == ["changed"]
        assert supervisor.runners["changed"] is not before
    assert (supervisor.failed.is_set(), supervisor.fault) == (False, "")


async def test_the_destinations_of_an_answer_that_has_begun_stay_what_they_were(rig: Rig) -> None:
    async with supervised(rig, "first", "removed") as supervisor:
        seen = supervisor.runners
        copy = dict(seen)
        wanted = {name: destination(Gated, rig.vendor, name) for name in ("added", "first")}
        await exchange(supervisor, wanted, changed=["first"], added=["added"], removed=["removed"])
        assert dict(seen) == copy
        assert list(supervisor.runners) == ["added", "first"], "in the order of config.toml"


async def test_a_destination_that_cannot_start_with_its_new_settings_is_a_fault_and_the_others_are_exchanged(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with supervised(rig, "bad", "good") as supervisor:
        good = supervisor.runners["good"]
        open_claim = rig.store.claims.open

        async def refuse(unit: Unit, opening: Opening) -> SqliteClaim:
            if unit.destination == "bad":
                raise StoreBusy
            return await open_claim(unit, opening)

        monkeypatch.setattr(rig.store.claims, "open", refuse)
        wanted = {name: destination(Gated, rig.vendor, name) for name in ("bad", "good")}
        with pytest.raises(StoreBusy):
            await exchange(supervisor, wanted, changed=["bad", "good"])
        assert supervisor.runners["good"] is not good
        assert supervisor.failed.is_set()
        assert supervisor.fault.startswith("destination bad ended: ")


async def test_what_an_operator_asks_of_a_destination_that_is_exchanged_is_done_by_the_one_that_takes_its_place(
    rig: Rig,
) -> None:
    async with supervised(rig, "d") as supervisor, in_exchange(rig, supervisor) as answer:
        asked = asyncio.create_task(ask(supervisor, "d", lambda runner: runner.pause("now")))
        await asyncio.sleep(0)
        answer.set()
        assert (await asyncio.wait_for(asked, HANG_S)).now.state == "paused"
        assert supervisor.runners["d"].status.detail == "now"


async def test_what_an_operator_asks_is_refused_where_nobody_takes_the_place(rig: Rig) -> None:
    async with supervised(rig, "d") as supervisor, in_exchange(rig, supervisor):
        asked = asyncio.create_task(ask(supervisor, "d", lambda runner: runner.pause()))
        await asyncio.sleep(0)
        ending = asyncio.create_task(supervisor.end_all(lambda runner: runner.cut()))
        with pytest.raises(CommandRefused, match="stopping"):
            await asyncio.wait_for(asked, HANG_S)
        await ending


@asynccontextmanager
async def in_exchange(rig: Rig, supervisor: Supervisor) -> AsyncIterator[asyncio.Event]:
    """The destination is being exchanged, and waits for the answer to its last request, which this lets come."""
    answer, former = asyncio.Event(), supervisor.runners["d"]

    async def later() -> Delivered:
        await answer.wait()
        return Delivered()

    rig.vendor.answer = lambda bodies: later()
    await rig.call("identify", "m1", userId="u1")
    assert await comes_true(rig, lambda: former.in_flight == 1)
    wanted = {"d": destination(Gated, rig.vendor, "d")}
    exchanging = asyncio.create_task(exchange(supervisor, wanted, changed=["d"]))
    assert await comes_true(rig, lambda: former._stopping)  # type: ignore[attr-defined]
    try:
        yield answer
    finally:
        answer.set()
        await asyncio.gather(exchanging, return_exceptions=True)


async def test_a_plugin_that_cannot_be_made_anew_holds_few_threads_however_often_its_hooks_are_slow(rig: Rig) -> None:
    """It stays where it is, which the log says, and there is one attempt at a time."""
    threads, let_go, stream = PluginThreads(), threading.Event(), io.StringIO()
    rig.log = make_log("error", "json", stream=stream, clock=rig.clock)
    for _ in range(MOST):
        with pytest.raises(TimeoutError):
            await threads.run("move", let_go.wait, 0.001)
    before = threading.active_count()
    supervisor = Supervisor(rig.store, rig.clock, rig.log, Metrics(), isolation(rig, threads))
    async with supervisor.running([destination(Gated, rig.vendor, "d")], lambda: None):
        runner = supervisor.runners["d"]
        assert isinstance(runner, Runner)
        await runner.opened()
        for _ in range(5):
            runner.destination.watch._on_slow(Slow("track", "hook track held the event loop", holds_all=False))
        [task] = [task for task in asyncio.all_tasks() if task.get_name() == "isolate-d"]
        await task
        assert threading.active_count() == before
        assert supervisor.runners["d"] is runner
        let_go.set()
    rig.log.flush()
    (line,) = map(json.loads, stream.getvalue().splitlines())
    assert (line["event"], line["hook"]) == ("plugin_failed", "__init__")
    assert "have not ended in time" in line["detail"]


async def test_people_are_forgotten_in_the_shards_that_the_store_has_not_in_those_that_are_configured_here(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    erased: list[Share] = []

    async def shares(name: str) -> list[Share]:
        return [Share(n, 4) for n in range(4)]

    async def erase_at(name: str, regulation_id: str, share: Share) -> None:
        erased.append(share)

    async with supervised(rig, "a") as supervisor:
        monkeypatch.setattr(rig.store.claims, "shares", shares)
        monkeypatch.setattr(rig.store.erasure, "erase_at", erase_at)
        done: set[str] = set()
        await supervisor.forget_people(Regulation("1", "DELETE_ONLY", "USER_ID", 1, 0, 0, "rows", []), done)
    assert erased == [Share(n, 4) for n in range(4)]
    assert done == {"a"}


async def test_a_change_of_the_number_of_shards_while_people_are_forgotten_leaves_it_to_be_done(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = iter([1, 2])

    async def shares(name: str) -> list[Share]:
        n = next(numbers)
        return [Share(one, n) for one in range(n)]

    async with supervised(rig, "a") as supervisor:
        monkeypatch.setattr(rig.store.claims, "shares", shares)
        done: set[str] = set()
        with pytest.raises(CommandRefused, match="another number of shards by now"):
            await supervisor.forget_people(Regulation("1", "DELETE_ONLY", "USER_ID", 1, 0, 0, "rows", []), done)
    assert done == set()


def in_shards(rig: Rig) -> Destination:
    whole = destination(Plain, rig.vendor, "a")
    delivery = whole.config.delivery.model_copy(update={"shards": 4, "concurrency": 4})
    return dataclasses.replace(whole, config=whole.config.model_copy(update={"delivery": delivery}))


async def test_shards_whose_hook_ended_the_process_begin_paused_until_they_are_resumed(rig: Rig) -> None:
    split, own = in_shards(rig), isolation(rig)
    HeldMarks(rig.store.path).add(split, "track", "m1")
    own.heed_mark(split)
    assert own.why == {}, "shards get no threads"
    supervisor = Supervisor(rig.store, rig.clock, rig.log, Metrics(), own)
    for reason in ("slow_hooks", ""):
        shard = supervisor._make_shard(split, WHOLE)
        serving = asyncio.create_task(shard.run())
        await shard.opened()
        assert shard.status.reason == reason
        own.unmark(["a"])
        await shard.resume()
        shard.stop()
        await serving


async def test_hooks_that_hold_the_loop_pause_every_shard_that_is_here(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    paused: list[Runner] = []
    monkeypatch.setattr(Runner, "hooks_are_slow", lambda runner, slow: paused.append(runner))
    split = in_shards(rig)
    runner = Supervisor(rig.store, rig.clock, rig.log, Metrics(), isolation(rig))._make_runner(split)
    split.watch.interrupted(holds_all=True)
    split.watch.held("track", "m", 9.0, "")
    assert paused == list(runner.shards)
