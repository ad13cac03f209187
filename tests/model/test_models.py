"""The protocols of the shared store, checked in every order of their steps; and each of them without one of its rules, which must be
found. docs/decisions/0016 says what is modelled and what is not."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from router.store.shards import Place
from tests.model import append, gate, join, reshape, standin, takeover, trim
from tests.model.append import Append
from tests.model.checker import Found, explore
from tests.model.gate import Gate
from tests.model.join import Join
from tests.model.reshape import Reshape
from tests.model.standin import StandIn
from tests.model.takeover import Takeover
from tests.model.trim import Trim

ACTS = int(os.environ.get("MODEL_ACTS", "1"))
"""Freezes, cuts and deaths of processes in one story."""


BEHIND: dict[str, Any] = {"acts": 0, "losses": 0, "faults": 0, "failovers": 1}
"""Nothing else happens in these stories."""


MERGED = reshape.State((reshape.Stored(Place(0)),) * 2, to_come=(1, 2))
"""Two shards, which become one and two again."""


def run(model: Any, first: Any) -> int:
    return explore(first, model.steps, model.wrong, model.goal)


PROTOCOLS: dict[str, tuple[Callable[[], tuple[Any, Any]], int]] = {
    "append": (lambda: (Append(), append.State()), 50),
    "append of one message by two nodes": (lambda: (Append(same=True), append.State()), 20),
    "take-over": (lambda: (Takeover(), takeover.State(acts=ACTS)), 5_000),
    "take-over by a standby that had fallen behind": (lambda: (Takeover(), takeover.State(**BEHIND)), 200),
    "gate, the call first": (lambda: (Gate(), Gate().first), 300),
    "gate, the track first": (lambda: (Gate(call_first=False), Gate(call_first=False).first), 300),
    "stand-in": (lambda: (StandIn(), standin.State()), 50),
    "hand-over": (lambda: (Join(), join.State()), 20),
    "another number of shards": (lambda: (Reshape(), reshape.State()), 500),
    "another number of shards, merged first": (lambda: (Reshape(), MERGED), 500),
    "trimming": (lambda: (Trim(), trim.State()), 100),
}
"""With the least number of states that it must have had to say anything."""


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_protocol_holds_in_every_order_of_its_steps(name: str) -> None:
    make, least = PROTOCOLS[name]
    assert run(*make()) > least


def finds(model: Any, first: Any) -> str:
    """What is wrong with a protocol, in words; empty where nothing is."""
    try:
        run(model, first)
    except Found as found:
        return found.words
    return ""


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("a sequence in place of the head row", "a reader has passed an event"),
        ("a write is given up by a cancel", "a delivered event is not in the log"),
    ],
)
def test_an_append_needs(broken: str, words: str) -> None:
    assert finds(Append(broken), append.State()) == words


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ("retries blindly", "an event is counted twice"),
        ("a position is the fence", "an event is counted twice"),
        ("no epoch in the compare-and-set", "an event is counted twice"),
        ("sends without asking its claim", "sent beside another owner"),
        ("renews what it does not serve", "stuck"),
    ],
)
def test_an_owner_must_not(broken: str, words: str) -> None:
    assert finds(Takeover(broken), takeover.State()) == words


def test_an_owner_is_not_renewed_whose_commits_are_gone() -> None:
    broken = Takeover("renews though its commits are gone")
    assert finds(broken, takeover.State(**BEHIND)) == "stuck"


@pytest.mark.parametrize("broken", gate.RULES)
def test_a_gate_across_shards_needs_that_not(broken: str) -> None:
    found = {finds(Gate(broken, call_first=order), Gate(broken, call_first=order).first) for order in (True, False)}
    wanted = "sent before its group" if broken == gate.RULES[0] else "stuck"
    assert wanted in found


@pytest.mark.parametrize("broken", standin.RULES)
def test_a_stand_in_needs_that_not(broken: str) -> None:
    assert finds(StandIn(broken), standin.State()) == "stuck"


@pytest.mark.parametrize(("broken", "words"), [(join.RULES[0], "stuck"), (join.RULES[1], "an event is counted twice")])
def test_a_hand_over_needs_that_not(broken: str, words: str) -> None:
    assert finds(Join(broken), join.State()) == words


@pytest.mark.parametrize("broken", reshape.RULES)
def test_another_number_of_shards_needs_that_not(broken: str) -> None:
    is_beside = broken == "a shard with an owner is replaced, too"
    wanted = "sent beside another owner" if is_beside else "an event is counted twice"
    assert finds(Reshape(broken), reshape.State()) == wanted


@pytest.mark.parametrize("broken", trim.LOST)
def test_trimming_needs_that_not(broken: str) -> None:
    assert finds(Trim(broken), trim.State()) == "a row has lost its event"


def test_the_checker_tells_the_shortest_way_to_a_wrong_state() -> None:
    steps = lambda n: [("one more", n + 1), ("two more", n + 2)] if n < 9 else []  # noqa: E731
    with pytest.raises(Found) as found:
        explore(0, steps, lambda n: "five" if n == 5 else "", lambda n: n > 8)
    assert (found.value.words, len(found.value.path)) == ("five", 3)


def test_the_checker_tells_from_where_the_goal_cannot_be_reached() -> None:
    ways = {0: [("left", 1), ("right", 2)], 1: [("on", 3)], 2: [("round", 2)], 3: []}
    with pytest.raises(Found, match="stuck: right"):
        explore(0, lambda n: ways[n], lambda n: "", lambda n: n == 3)
