"""Where destinations go among nodes: each to one that has it configured, all about as many, and one at a time."""

from __future__ import annotations

from random import Random
from uuid import UUID

from router.store import PART, Unit
from router.store.postgres.placement import PATIENCE, STAY_S, Seen, moves

A, B, C = (UUID(int=number) for number in (1, 2, 3))


def unit(name: str) -> Unit:
    return Unit(PART, name)


def seen(name: str, node: UUID | None = None, owned_s: float = 0.0, times_free: int = 1) -> Seen:
    return Seen(unit(name), node, owned_s, times_free)


ALL = frozenset("wxyz")


def test_a_node_that_is_alone_takes_everything_at_once() -> None:
    assert moves(A, {A: ALL}, [seen("w"), seen("x"), seen("y", B)]).take == (unit("w"), unit("x"))


def test_of_two_nodes_each_takes_one_at_a_time() -> None:
    assert moves(A, {A: ALL, B: ALL}, [seen("w"), seen("x")]).take == (unit("w"),)


def test_who_has_the_fewest_takes_the_next_one() -> None:
    there = [seen("w", A), seen("x")]
    assert moves(A, {A: ALL, B: ALL}, there).take == ()
    assert moves(B, {A: ALL, B: ALL}, there).take == (unit("x"),)


def test_what_is_not_configured_here_is_not_taken() -> None:
    assert moves(A, {A: frozenset("w"), B: ALL}, [seen("x")]).take == ()


def test_what_nobody_else_has_configured_is_taken_however_many_a_node_has() -> None:
    there = [seen("w", A), seen("x", A), seen("y")]
    assert moves(A, {A: ALL, B: frozenset("wx")}, there).take == (unit("y"),)


def test_a_unit_that_stays_without_an_owner_is_taken_by_whoever_sees_it() -> None:
    there = [seen("w", A), seen("x", times_free=PATIENCE)]
    assert moves(A, {A: ALL, B: ALL}, there).take == (unit("x"),)


def test_a_node_that_has_two_more_gives_one_back_once_it_has_stayed() -> None:
    live = {A: ALL, B: ALL}
    assert moves(A, live, [seen("w", A, STAY_S - 1), seen("x", A, STAY_S)]).give_back == (unit("x"),)
    assert moves(A, live, [seen("w", A, STAY_S - 1), seen("x", A, STAY_S - 1)]).give_back == ()
    assert moves(A, live, [seen("w", A, STAY_S)]).give_back == (), "one more is even enough"
    assert moves(A, {A: ALL, B: frozenset()}, [seen("w", A, STAY_S), seen("x", A, STAY_S)]).give_back == ()


def test_what_a_node_may_not_serve_any_more_it_gives_back_at_once_all_of_it() -> None:
    there = [seen("w", A), seen("x", A), seen("y", A), seen("z", B)]
    assert moves(A, {A: frozenset("y"), B: ALL}, there).give_back == (unit("w"), unit("x"))


def test_nodes_that_come_and_go_end_up_with_every_unit_owned_and_about_as_many_each() -> None:
    """Each decides for itself, one after the other, and sees what the others did before."""
    for number in range(200):
        random = Random(number)
        names = [f"d{n}" for n in range(random.randrange(1, 9))]
        owner: dict[str, UUID | None] = dict.fromkeys(names)
        live = {node: frozenset(names) for node in (A, B, C)}
        for beat in range(60):
            if beat == 20:
                gone = random.choice((A, B, C))
                del live[gone]
                owner = {name: None if node == gone else node for name, node in owner.items()}
            if beat == 40:
                live = {node: frozenset(names) for node in (A, B, C)}
            for node in random.sample(sorted(live), len(live)):
                there = [seen(name, who, STAY_S) for name, who in owner.items()]
                found = moves(node, live, there)
                owner.update({one.destination: node for one in found.take})
                owner.update({one.destination: None for one in found.give_back})
        counts = [list(owner.values()).count(node) for node in live]
        assert None not in owner.values(), number
        assert max(counts) - min(counts) <= 1, (number, counts)


def test_who_gave_a_unit_back_since_it_stops_is_not_waited_for() -> None:
    """It is alive for a moment, and has fewer than any other."""
    live = dict.fromkeys((A, B, C), ALL)
    others = [seen("w", A), seen("x", B)]
    assert moves(A, live, [*others, seen("y")._replace(given_by=C)]).take == (unit("y"),)
    assert moves(A, live, [*others, seen("y")]).take == ()
