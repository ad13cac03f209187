"""What a node says where others are not as it is: one sentence of each kind, whatever the number of nodes."""

from __future__ import annotations

from router.store.postgres.differences import Alike, problems
from router.store.postgres.in_force import PATIENCE_S, InForce
from router.testing.clock import FakeClock

SAME = {"source website": "1", "destination crm": "1"}


def in_force(*live: dict[str, str], waited_s: float = 0.0, **hashes: str) -> InForce:
    """As a node knows it that has seen these nodes, and nothing else since."""
    clock = FakeClock()
    found = InForce(clock.monotonic)
    found.seen(hashes, live)
    clock.advance(waited_s)
    return found


def words(this: Alike, *others: Alike, known: InForce | None = None) -> dict[str, str]:
    return {one.code: one.words for one in problems(this, others, known or in_force())}


def node(name: str, version: str = "1", **more: str) -> Alike:
    return Alike(name, version, SAME | {f"destination {key}": value for key, value in more.items()})


def test_nodes_that_are_alike_have_no_problem() -> None:
    assert words(node("a"), node("b"), known=in_force({"crm": "1"}, crm="1")) == {}


def test_all_nodes_that_differ_are_in_one_sentence() -> None:
    found = words(node("a"), node("b", crm="2"), node("c", "2", hook="1"), node("d", "2"))
    assert found == {
        "config_differs": "config.toml of node b says something else of destination crm; config.toml of node c says something else of"
        " destination hook: give all nodes the same file, then reload each",
        "versions_differ": "node c runs version 2, node d runs version 2, this one 1: bring all to one version",
    }


def test_a_node_that_has_not_said_what_it_has_does_not_differ() -> None:
    assert words(node("a"), Alike("b", "1", {})) == words(Alike("a", "1", {}), node("b")) == {}


def test_a_node_alone_says_that_its_file_is_not_in_force() -> None:
    found = words(node("a"), known=in_force({"crm": "1"}, crm="2"))
    assert found["config_differs"].startswith(
        "config.toml of this node is not active for crm, so it does not deliver there:"
    )


def test_once_others_go_on_that_is_said_in_its_place() -> None:
    waited = in_force({"crm": "1"}, crm="2", waited_s=PATIENCE_S)
    [found] = words(node("a"), known=waited).values()
    assert found.startswith(
        "no node that lives has the active configuration of crm, so any node delivers there with its own:"
    )
