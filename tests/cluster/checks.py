"""For each of the broken builds a check of the shared store that must tell it from the real one. Each gives what does not hold."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from unittest.mock import patch

import asyncpg

from router.errors import ClaimLost, StoreAway
from router.store import CommitBatch
from router.store.postgres import append_queue
from router.store.postgres.claim import PostgresClaim
from router.store.postgres.store import __file__ as store_file
from router.testing.clock import START_MS
from router.testing.vendor import Received, Reply
from tests.cluster.broken_builds import CHANGED
from tests.cluster.nodes import Cluster, Node, cluster, recorder
from tests.cluster.pair import Pair
from tests.contract.node_case import Among, OpenNode, let_it_run_out, nodes_on
from tests.contract.test_store import accept, make
from tests.flow.harness import eventually

FORMER = "what a former owner commits is refused"
ONCE = "a commit without an answer is counted once"
FREE = "what nobody serves is free when its lease has run out"
FOLLOWS = "a reader that follows sees each event once"
SAFE = "nobody reads what the standby has not"
BESIDE = "nobody sends beside the owner"

SLOW = "  o_floor := v_head.clock;"
"""The line of it before which each append waits a little: as long as a busy database might."""
APPENDS = 60
GIVEN_UP_S = 2.0
"""Long enough for a busy machine to come as far as the wait for the standby."""


def counted(at: str) -> CommitBatch:
    """A commit of one delivered event."""
    step = CommitBatch("d", state={"k": at.encode()}, at=START_MS)
    step.count("delivered")
    return step


async def a_former_owner_commits(node_on: OpenNode) -> list[str]:
    """It was replaced, and its successor has stored something."""
    async with node_on(1, "d") as first, node_on(2, "d") as second:
        former = await first.owns()
        await let_it_run_out(first)
        owner = await second.take()
        assert owner is not None
        await owner.commit(counted("new"))
        with contextlib.suppress(ClaimLost):
            await former.commit(counted("stale"))
        is_refused = second.number("SELECT delivered FROM cursor") == 1
        return [] if is_refused else [FORMER]


async def an_answer_of_a_commit_is_lost(node_on: OpenNode) -> list[str]:
    """It was stored."""
    store = PostgresClaim._store
    is_lost = False

    async def loses_the_first_answer(claim: PostgresClaim, batch: CommitBatch) -> list[tuple[str, str]]:
        nonlocal is_lost
        left = await store(claim, batch)
        if not is_lost:
            is_lost = True
            raise ConnectionResetError
        return left

    async with node_on(1, "d") as node:
        claim = await node.owns()
        with patch.object(PostgresClaim, "_store", loses_the_first_answer):
            await claim.commit(counted("1"))
        return [] if node.number("SELECT delivered FROM cursor") == 1 else [ONCE]


async def a_worker_ends_without_giving_back(node_on: OpenNode) -> list[str]:
    """Its node lives on, and gives signs of life."""
    async with node_on(1, "d") as first, node_on(2, "d") as second:
        (await first.owns()).rest()
        await let_it_run_out(first)
        await first.beat()
        return [] if await second.take() is not None else [FREE]


async def a_reader_follows_three_writers(node_on: OpenNode) -> list[str]:
    """Each append is a group of its own, and takes a while between its position and its commit."""
    async with node_on(1) as first, node_on(2) as second, node_on(3) as third, node_on(4) as reader:
        for statement in append_slowly():
            await first.execute(statement)
        writing = asyncio.gather(*(append_on(node, n) for n, node in enumerate((first, second, third))))
        seen: list[int] = []
        is_over = False
        while not is_over:
            is_over = writing.done()  # what is read after that is all there is
            while rows := await follow(reader, after=seen[-1] if seen else 0):
                seen += rows
        await writing
        return [] if seen == list(range(1, 3 * APPENDS + 1)) else [FOLLOWS]


async def append_on(node: Among, number: int) -> None:
    """One event after the other."""
    for n in range(APPENDS):
        await accept(node, make(f"m{number}-{n}"))


async def follow(node: Among, after: int) -> list[int]:
    """Positions that a node reads behind one, once it has seen what others have appended."""
    await node.head_watch().look()
    return [row.pos for row in await node.log.read(after, 1000, 1 << 20)]


def append_slowly() -> list[str]:
    """The function that appends, changed as a broken build has it, and slow."""
    text = (Path(store_file).parent / "functions.sql").read_text(encoding="utf-8")
    begin = text.index("FUNCTION append_1")
    function = "CREATE OR REPLACE " + text[begin : text.index("END $$;", begin) + len("END $$;")]
    for part, other in CHANGED.items():
        assert part in function
        function = function.replace(part, other)
    assert SLOW in function
    return ["CREATE SEQUENCE position", function.replace(SLOW, f"  PERFORM pg_sleep(random() * 0.01);\n{SLOW}")]


async def an_append_waits_for_a_standby_that_is_away(both: Pair) -> list[str]:
    """Its client is told to come again, and meanwhile nobody reads it."""
    dsn = await both.dsn()
    async with nodes_on(dsn)(1, "d") as node:
        await accept(node, make("before"))
        both.wire.cut()
        with patch.object(append_queue, "WHOLE_S", GIVEN_UP_S), contextlib.suppress(StoreAway):
            await accept(node, make("m1"))
            raise AssertionError("it was acknowledged")
        connection = await asyncpg.connect(dsn)
        try:
            blocks = await connection.fetchval("SELECT count(*) FROM block")
        finally:
            await connection.close()
            both.wire.heal()
    return [] if blocks == 1 else [SAFE]


EVENTS, REQUEST_S = 200, 0.1


def takes_a_while(seen: Received) -> Reply:
    """So that the owner has much to send still when it is cut off."""
    return Reply(200, delay_s=REQUEST_S)


async def an_owner_is_cut_from_the_database(folder: Path, dsn: str, build: str) -> list[str]:
    """It has many events in memory, and its vendor answers. Another node takes the destination over."""
    slow = recorder("open", {"timeout": "1s", "concurrency": 1}, items=1)
    async with cluster(folder, dsn, [slow], answers={"open": takes_a_while}, nodes=2, build=build) as two:
        owner = await two.owner("open")
        [other] = two.others(owner)
        calls = [
            {"type": "track", "userId": f"u{n}", "event": "E", "properties": {"n": n}, "messageId": f"m{n}"}
            for n in range(EVENTS)
        ]
        await owner.batch(calls)
        await mapped(owner, EVENTS)
        assert owner.to_database is not None
        owner.to_database.cut()
        await two.taken_from(owner, ["open"])
        await arrived(two, other.name, 1)
        senders = [arrival.node for arrival in two.vendors.of("open")]
        before = senders.index(other.name)
        await arrived(two, other.name, 20)
        senders = [arrival.node for arrival in two.vendors.of("open")]
        for node in two.nodes:  # what they have left to send is of no interest
            node.kill()
        return [BESIDE] if owner.name in senders[before:] else []


async def mapped(node: Node, n: int) -> None:
    """Wait until all of these are in its memory, ready to be sent."""

    async def are_ready() -> bool:
        [one] = (await node.get("/api/destinations"))["destinations"]
        return bool(one["mapped"] >= n)

    await eventually(are_ready, what=f"{n} events are ready to be sent")


async def arrived(two: Cluster, node: str, n: int) -> None:
    """Wait until a node has sent so many."""

    async def have_come() -> bool:
        return sum(arrival.node == node for arrival in two.vendors.of("open")) >= n

    await eventually(have_come, what=f"{node} sends {n}")
