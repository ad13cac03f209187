"""Who delivers where the files of nodes differ: only who has what is in force."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, NamedTuple

import pytest

from router.store.postgres import configured
from router.store.postgres.claim import PostgresClaim
from router.store.postgres.in_force import PATIENCE_S
from tests.contract.node_case import OPENING, UNIT, Among, OpenNode

ROUNDS = 5
"""Of signs of life of all nodes, one after the other: after so many nothing moves any more."""


class Nodes:
    """Nodes with a file each. `serving`: those that deliver to the destination, by number."""

    def __init__(self, node_on: OpenNode, stack: AsyncExitStack) -> None:
        self._node_on, self._stack = node_on, stack
        self.live: dict[int, Among] = {}
        self.serving: dict[int, PostgresClaim] = {}

    async def start(self, number: int, file: str) -> None:
        node = self.live[number] = await self._stack.enter_async_context(self._node_on(number))
        await node.configure(d=file)
        node.claims.keep_for(["d"])
        await self._open(number)

    async def reload(self, number: int, file: str) -> None:
        await self.live[number].configure(by_hand=True, d=file)
        if (claim := self.serving.pop(number, None)) is not None:
            await claim.give_back(to_others=False)
        await self._open(number)

    async def die(self, number: int) -> None:
        node = self.live.pop(number)
        dead: Any = node.node
        self.serving.pop(number, None)
        async with dead._one_at_a_time:
            dead._claims.clear()
            dead._beat_alone = gives_no_sign
            for table in ("unit", "node"):
                where = f"WHERE {'node' if table == 'unit' else 'id'} = '{dead.settings.id}'"
                await node.execute(f"UPDATE {table} SET expires = clock_timestamp() - interval '1 ms' {where}")

    async def settle(self) -> set[int]:
        """Who serves once nothing moves any more."""
        for _ in range(ROUNDS):
            for number, node in self.live.items():
                await node.beat()
                await self._follow(number, node)
        return set(self.serving)

    async def _follow(self, number: int, node: Among) -> None:
        """What a runner does after a sign of life."""
        claim = self.serving.get(number)
        if claim is not None and claim._asked_back.is_set():
            await self.serving.pop(number).give_back(to_others=True)
        elif claim is not None and claim.lost.is_set():
            del self.serving[number]
        elif claim is None and UNIT in node.node.seen.moves().take and (taken := await node.take()) is not None:
            self.serving[number] = taken

    async def _open(self, number: int) -> None:
        claim = await self.live[number].shared_claims.open_now(UNIT, OPENING)
        if claim is not None:
            self.serving[number] = claim


async def gives_no_sign(*, is_first: bool) -> None:
    """What a node does from its death on."""


class Step(NamedTuple):
    """What somebody does, and who serves then."""

    act: str
    node: int
    file: str
    serving: Iterable[int]


A_START, B_START = Step("start", 1, "old", {1}), Step("start", 2, "old", {1})
SCENARIOS: dict[str, Sequence[Step]] = {
    "a reload brings its file, and the others serve again once they have it": [
        *(A_START, B_START, Step("reload", 2, "new", {2}), Step("reload", 1, "new", {2}), Step("die", 2, "", {1})),
    ],
    "a start brings a file that was never in force": [A_START, Step("start", 2, "new", {2})],
    "a start with yesterday's file does not undo what was done today": [
        *(A_START, Step("reload", 1, "new", {1}), Step("start", 2, "old", {1})),
    ],
    "a reload with yesterday's file is somebody's act": [
        *(A_START, Step("reload", 1, "new", {1}), Step("start", 2, "old", {1}), Step("reload", 2, "old", {2})),
        Step("reload", 1, "new", {1}),
    ],
    "without who has what is in force any node serves after a minute, until one comes that has it": [
        *(A_START, B_START, Step("reload", 2, "new", {2}), Step("die", 2, "", ())),
        *(Step("wait", 1, "", {1}), Step("start", 2, "new", {2})),
    ],
    "who restarts with what is in force no more takes up nothing of what it had": [
        *(A_START, Step("die", 1, "", ()), Step("start", 2, "new", {2}), Step("die", 2, "", ())),
        *(Step("start", 1, "old", ()), Step("wait", 1, "", {1}), Step("reload", 1, "old", {1})),
    ],
}
"""By what holds: steps, and who serves after each."""


@asynccontextmanager
async def nodes_of(node_on: OpenNode) -> AsyncIterator[Nodes]:
    async with AsyncExitStack() as stack:
        yield Nodes(node_on, stack)


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_only_who_has_the_file_in_force_serves(node_on: OpenNode, scenario: str) -> None:
    async with nodes_of(node_on) as nodes:
        for place, step in enumerate(SCENARIOS[scenario]):
            if step.act == "start":
                await nodes.start(step.node, step.file)
            elif step.act == "reload":
                await nodes.reload(step.node, step.file)
            elif step.act == "die":
                await nodes.die(step.node)
            else:
                await nodes.settle()
                nodes.live[step.node].pass_time(PATIENCE_S)
            assert await nodes.settle() == set(step.serving), (place, step)


async def test_a_minute_without_it_counts_from_when_it_was_missed(node_on: OpenNode) -> None:
    async with nodes_of(node_on) as nodes:
        await nodes.start(1, "old")
        await nodes.start(2, "old")
        await nodes.reload(2, "new")
        await nodes.settle()
        nodes.live[1].pass_time(PATIENCE_S)
        await nodes.die(2)
        assert await nodes.settle() == set()
        nodes.live[1].pass_time(PATIENCE_S - 1)
        assert await nodes.settle() == set()
        nodes.live[1].pass_time(1)
        assert await nodes.settle() == {1}


async def test_each_node_says_what_is_not_in_force_and_who_delivers_all_the_same(node_on: OpenNode) -> None:
    async with nodes_of(node_on) as nodes:
        await nodes.start(1, "old")
        await nodes.start(2, "old")
        await nodes.settle()
        assert nodes.live[1].health.problems() == nodes.live[2].health.problems() == []
        await nodes.reload(2, "new")
        await nodes.settle()
        [problem] = nodes.live[1].health.problems()
        assert "config.toml of this node is not active for d, so it does not deliver there" in problem.words
        [problem] = nodes.live[2].health.problems()
        assert "not active" not in problem.words
        await nodes.die(2)
        await nodes.settle()
        nodes.live[1].pass_time(PATIENCE_S)
        await nodes.settle()
        [problem] = nodes.live[1].health.problems()
        assert problem.code == "config_differs"
        assert (
            "no node that lives has the active configuration of d, so any node delivers there with its own"
            in problem.words
        )
        await nodes.reload(1, "old")
        await nodes.settle()
        assert nodes.live[1].health.problems() == []


async def test_a_node_that_starts_with_yesterdays_file_does_not_take_back_what_it_had(node_on: OpenNode) -> None:
    async with node_on(2, "d") as second:
        async with node_on(1, "d") as first:
            await first.configure(d="old")
            await first.owns()
            first.node._claims.clear()  # it is killed: it gives nothing back
        await second.configure(by_hand=True, d="new")
        async with node_on(1, "d") as again:
            await again.configure(d="old")
            assert await again.shared_claims.open_now(UNIT, OPENING) is None
            await again.configure(by_hand=True, d="old")
            assert await again.owns() is not None


async def test_what_was_asked_before_a_reload_does_not_take_away_what_it_brought(two: tuple[Among, Among]) -> None:
    """The sign of life was under way while the reload wrote: what it tells is from before."""
    first, second = two
    await first.configure(d="old")
    await second.configure(d="old")
    await first.owns()
    await first.beat()
    seen = first.node.seen
    nodes, units, asked = seen._nodes, seen._units, seen.in_force.version
    await first.configure(by_hand=True, d="new")
    seen.told(nodes, units, brought=asked)
    assert seen.may_serve("d")
    await first.beat()
    assert seen.may_serve("d")


async def test_nodes_that_bring_at_once_do_so_one_after_the_other(two: tuple[Among, Among]) -> None:
    first, second = two
    for number in range(3):
        await first.configure(by_hand=True, d=f"a{number}", e="same")
        await second.configure(by_hand=True, d=f"b{number}", e="same")
    rows = [row async for row in numbers(first)]
    assert rows == [("d", number, f"{'ab'[(number + 1) % 2]}{(number - 1) // 2}") for number in range(1, 7)] + [
        ("e", 1, "same")
    ]


async def test_of_what_was_in_force_the_newest_are_known(
    two: tuple[Among, Among], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = two
    monkeypatch.setattr(configured, "DROP_OLD", configured.DROP_OLD.replace(f"- {configured.KEPT}", "- 2"))
    for file in ("a", "b", "c", "a"):
        await first.configure(by_hand=True, d=file)
    assert [hash async for _, _, hash in numbers(first)] == ["c", "a"]


async def test_a_destination_that_is_dropped_leaves_nothing_of_its_files(two: tuple[Among, Among]) -> None:
    first, second = two
    await first.configure(d="old")
    await first.owns()
    for node in two:
        node.claims.keep_for([])
        await node.beat()
    await first.beat()
    await first.claims.drop("d")
    assert [row async for row in numbers(second)] == []


async def numbers(node: Among) -> AsyncIterator[tuple[str, int, str]]:
    """What nodes have brought, in order."""
    async with node._connection() as connection:
        for row in await connection.fetch("SELECT destination, number, hash FROM configured ORDER BY 1, 2"):
            yield tuple(row)
