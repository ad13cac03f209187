"""A destination in shards is one for operators: each is asked, or the one that has the user, and the answer is that of all."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from router.daemon.commanded_runner import CommandedRunner
from router.daemon.sharded_runner import ShardedRunner
from router.deliver.commands import Changed, ReplayOrder
from router.deliver.runner_port import ShardRunner
from router.errors import CommandRefused
from router.plugin_host import Destination
from router.store import WHOLE, Regulation, Share, Status


class Shard:
    """Answers what it is told to, and remembers what it was asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers, self.asked = answers, list[str]()
        self.status = answers.get("status", Status())
        self.destination: Any = None

    def __getattr__(self, verb: str) -> Any:
        async def ask(*args: Any) -> Any:
            self.asked.append(verb)
            answer = self.answers[verb]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return ask


def split(*shards: Shard) -> ShardedRunner:
    for n, one in enumerate(shards):
        one.destination = SimpleNamespace(share=Share(n, len(shards)))
    return ShardedRunner(cast(Destination, None), [cast(ShardRunner, one) for one in shards])


class Inner(Shard):
    """The runner of this process."""

    def __init__(self, share: Share = WHOLE, **answers: Any) -> None:
        super().__init__(**answers)
        self.destination = SimpleNamespace(name="d", share=share)


def commanded(inner: Inner, there: int) -> tuple[CommandedRunner, Shard]:
    """A shard as this node has it configured, in a store with so many, and whoever is asked."""

    async def shares(name: str) -> list[Share]:
        return [Share(n, there) for n in range(there)]

    asked = Shard(ask=Changed(RUNS, PAUSED))
    runner = CommandedRunner(cast(ShardRunner, inner), cast(Any, asked), lambda: None, shares)
    return runner, asked


RUNS, PAUSED = Status(), Status("paused", "by_hand")


async def test_its_state_is_that_of_a_shard_that_does_not_run() -> None:
    assert split(Shard(), Shard(status=PAUSED)).status == PAUSED
    assert split(Shard(), Shard()).status == RUNS


async def test_a_pause_is_asked_of_every_shard() -> None:
    shards = [Shard(pause=Changed(PAUSED, PAUSED)), Shard(pause=Changed(RUNS, PAUSED))]
    assert (await split(*shards).pause("the move")).now == PAUSED
    assert [one.asked for one in shards] == [["pause"], ["pause"]]


async def test_what_is_held_is_released_by_the_shard_of_the_user() -> None:
    shards = [Shard(release=n) for n in range(4)]
    of = next(n for n in range(4) if Share(n, 4).has("u:u1"))
    assert await split(*shards).release("u:u1", None) == of
    assert [bool(one.asked) for one in shards] == [n == of for n in range(4)]


async def test_a_refusal_of_one_shard_says_which_one_and_how_many_have_done_it() -> None:
    refused = CommandRefused("no_owner", "no node delivers to d now")
    with pytest.raises(CommandRefused, match=r"shard 1: no node delivers to d now; 1 of 2 shards have done it") as told:
        await split(Shard(drop_letters=3), Shard(drop_letters=refused)).drop_letters(cast(Any, None))
    assert told.value.code == "no_owner"


async def test_one_event_is_replayed_by_the_shard_of_its_user() -> None:
    shards = [Shard(replay={"count": n}) for n in range(4)]
    of = next(n for n in range(4) if Share(n, 4).has("u:u1"))
    assert await split(*shards).replay(ReplayOrder(7, "u:u1")) == {"count": of}
    assert [bool(one.asked) for one in shards] == [n == of for n in range(4)], (
        "a shard without an owner would be waited for"
    )


async def test_one_event_whose_user_is_not_known_any_more_is_replayed_by_the_shard_that_has_it() -> None:
    """A deletion, say, of which the log has no call."""
    has_not = CommandRefused("not_replayable", "it is on its way already, or no longer retained")
    order = ReplayOrder(-5)
    assert await split(Shard(replay=has_not), Shard(replay={"count": 1})).replay(order) == {"count": 1}
    with pytest.raises(CommandRefused, match="no longer retained"):
        await split(Shard(replay=has_not), Shard(replay=has_not)).replay(order)


async def test_what_a_replay_would_send_is_counted_over_all_shards() -> None:
    counts = {"count": 2, "skipped": 1, "filtered": 0}
    order = ReplayOrder(since_ms=1, count_only=True)
    assert await split(Shard(replay=counts), Shard(replay=counts)).replay(order) == {
        "count": 4,
        "skipped": 2,
        "filtered": 0,
    }


@pytest.mark.parametrize("here", [Share(1, 2), WHOLE])
async def test_a_node_with_another_number_of_shards_than_the_store_asks_none_of_them(here: Share) -> None:
    """Shard 1 of 4 has other users than shard 1 of 2."""
    inner = Inner(here, forget=None)
    runner, asked = commanded(inner, 4)
    with pytest.raises(CommandRefused, match=r"d has 4 shards, and . as this node has it configured") as refused:
        await runner.pause()
    with pytest.raises(CommandRefused, match="d has 4 shards"):
        await runner.forget(cast(Regulation, None))
    assert refused.value.code == "elsewhere"
    assert inner.asked == asked.asked == []


@pytest.mark.parametrize("there", [0, 2])
async def test_a_shard_is_asked_where_the_number_is_the_same_or_the_store_has_no_place_yet(there: int) -> None:
    runner, asked = commanded(Inner(Share(1, 2)), there)
    assert (await runner.pause()).now == PAUSED
    assert asked.asked == ["ask"]
