"""The database's machine is lost, and its standby takes its place: what was answered 200 is there, if the standby is a synchronous one."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import asyncpg
import pytest

from router.errors import StoreAway
from tests.cluster.checker import ARRIVED, LOG, SAME, Watch, at_the_end
from tests.cluster.clients import Clients, Sent
from tests.cluster.form import IS_LONG, SEED, form
from tests.cluster.nodes import Cluster, cluster, recorder
from tests.cluster.pair import pair
from tests.contract.node_case import nodes_on
from tests.contract.test_store import accept, make
from tests.flow.harness import eventually

FAILOVERS = form(1, 20)
USERS, PER_S = form((20, 60.0), (60, 60.0))
BACK_S = 2.0
REFUSED = form(1, 4)
"""So many calls each node refuses while the standby is away; each takes five seconds to be refused."""
FEWER = 3
"""Events that come after a failover that has lost more than these: an owner that has read on further than the log goes must not miss them."""
END_THE_WAIT = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
OPEN, GATED = recorder("open"), recorder("gated", gated=True)


async def test_a_failover_to_a_synchronous_standby_loses_nothing_that_was_answered_200(tmp_path: Path) -> None:
    async with (
        pair(is_synchronous=True) as both,
        cluster(tmp_path, await both.dsn(), [OPEN, GATED], lease="60s", has_wires=False) as three,
    ):
        clients, watch = Clients(three, SEED, users=USERS, per_s=PER_S), Watch(three, SEED)
        back = []
        async with asyncio.TaskGroup() as group:
            looking, _ = group.create_task(watch.run()), group.create_task(clients.run())
            for _ in range(FAILOVERS):
                await clients.more(USERS)
                await both.fail_over()
                promoted = time.monotonic()
                await clients.more(1)
                back.append(time.monotonic() - promoted)
                await both.join()
            await clients.more(USERS)
            clients.stop()
            await three.emptied()
            watch.stop()
            await looking
        found = [*watch.found, *await at_the_end(three, clients, gated="gated")]
        twice = {name: three.vendors.twice(name) for name in ("open", "gated")}
        print(
            f"{FAILOVERS} failovers, {len(clients.sent)} events, {watch.looks} ledgers, events taken {max(back):.2f} s after the promotion"
            f" at the latest, sent twice {twice}, {len(found)} violations"
        )
        assert found == []
        lost = three.logged("destination_taken_over"), three.logged("claim_lost")
        assert lost == (0, 0), "each destination stayed where it was, or was given back in good order"
        if IS_LONG:
            assert max(back) < BACK_S


@pytest.mark.slow
async def test_an_asynchronous_standby_loses_events_which_the_checks_find_and_the_router_goes_on(
    tmp_path: Path,
) -> None:
    async with (
        pair(is_synchronous=False) as both,
        cluster(tmp_path, await both.dsn(), [OPEN], lease="60s", has_wires=False) as three,
    ):
        clients, watch = Clients(three, SEED, users=USERS, per_s=PER_S), Watch(three, SEED)
        async with asyncio.TaskGroup() as group:
            looking, _ = group.create_task(watch.run()), group.create_task(clients.run())
            for number in range(1, FAILOVERS + 1):
                await clients.more(USERS)
                both.wire.cut()
                await clients.more(2 * USERS)
                if (
                    number == FAILOVERS
                ):  # all is delivered and stored by then, so nothing that is to be stored tells the owner of it
                    clients.stop()
                    await three.emptied()
                    await both.fail_over()
                else:
                    await both.fail_over()
                    await clients.more(1)
                    await both.join()
            for n in range(FEWER):
                track = {"userId": f"later{n}", "event": "E", "properties": {"n": 0}, "messageId": f"later{n}"}
                await three.nodes[0].post_until_taken("track", track)
                clients.sent[f"later{n}"] = Sent(n, 0)
            await three.emptied()
            watch.stop()
            await looking
        found = [*watch.found, *await at_the_end(three, clients)]
        lost = [one for one in found if one.check == LOG]
        print(f"{FAILOVERS} failovers, {len(clients.sent)} events, {len(lost)} lost")
        assert len(lost) > FAILOVERS
        # an event that was sent, then lost, and accepted once more has another time of arrival the second time
        assert {one.check for one in found} <= {LOG, ARRIVED, SAME}


async def test_nothing_is_answered_200_or_delivered_that_the_standby_has_not(tmp_path: Path) -> None:
    async with (
        pair(is_synchronous=True) as both,
        cluster(tmp_path, await both.dsn(), [OPEN, GATED], lease="60s", has_wires=False) as three,
    ):
        clients, watch = Clients(three, SEED, users=USERS, per_s=PER_S), Watch(three, SEED)
        async with asyncio.TaskGroup() as group:
            looking, _ = group.create_task(watch.run()), group.create_task(clients.run())
            await clients.more(USERS)
            both.wire.cut()
            begun = set(clients.begun)
            await refused(three, "first")
            taken = len(clients.sent)
            await refused(three, "then")
            assert len(clients.sent) == taken, "nobody had a 200 while the standby was away"
            early = {arrival.item["id"] for name in ("open", "gated") for arrival in three.vendors.of(name)} - begun
            assert early == set(), "nothing was delivered that only one machine had"
            await both.fail_over()
            await clients.more(USERS)
            clients.stop()
            await three.emptied()
            watch.stop()
            await looking
        found = [*watch.found, *await at_the_end(three, clients, gated="gated")]
        print(
            f"{len(clients.sent)} events, {taken} before the failover, {watch.looks} ledgers, {len(found)} violations"
        )
        assert found == []


async def test_a_wait_for_the_standby_that_an_administrator_ends_acknowledges_nothing() -> None:
    async with pair(is_synchronous=True) as both:
        dsn = await both.dsn()
        async with nodes_on(dsn)(1) as node:
            both.wire.cut()
            appending = asyncio.ensure_future(accept(node, make("m1")))
            administrator = await asyncpg.connect(dsn)

            async def is_ended() -> bool:
                return bool(await administrator.fetchval(END_THE_WAIT))

            await eventually(is_ended, what="the append waits for the standby")
            with pytest.raises(StoreAway):
                await appending
            both.wire.heal()
            assert await accept(node, make("m1")) == [0], "it is stored, and both machines have it by now"
            await administrator.close()


async def refused(three: Cluster, word: str) -> None:
    """Each node refuses this many calls: none of its appends comes to an end."""
    for n in range(REFUSED):
        answers = await asyncio.gather(*(refusal(three, k, f"{word}-{n}-{k}") for k in range(len(three.nodes))))
        assert answers == [503] * len(three.nodes)


async def refusal(three: Cluster, k: int, id: str) -> int:
    """The status of a call that cannot be used: a discard, which is stored, too, and which no vendor sees."""
    status, _ = await three.nodes[k].offer("track", userId="probe", messageId=id)
    return status
