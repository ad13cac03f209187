"""docs/lifecycle.md draws a lane as it is: every transition in every state is made, and compared with the page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from router.deliver.lanes.lane import Lane, Wait
from router.deliver.lanes.lane_table import LaneTable
from router.testing.clock import START_MS
from router.vocabulary import LaneMode, LaneState, Line, Queue
from tests.unit.deliver.parts import lane_row

FREE, HOLDING, BLOCKED, DRAINING = LaneState.FREE, LaneState.HOLDING, LaneState.BLOCKED, LaneState.DRAINING
Rows = tuple[int, int]
"""How many events are parked in `held` and in `main`."""
Transition = tuple[str, str, str, str]
"""State, method, where, next state: as a line of the page says it."""

PARKED: dict[LaneState, list[Rows]] = {
    FREE: [(0, 0)],
    HOLDING: [(1, 0)],
    BLOCKED: [(1, 0), (0, 1), (1, 1)],
    DRAINING: [(0, 0), (1, 0), (0, 1), (1, 1)],
}
"""What may be parked in each state. A lane that drains may have sent its last event just now."""

WAIT = Wait(("u:u1",), "group_unknown")


def _move_away(table: LaneTable, lane: Lane) -> None:
    table.move_held(lane, table.take("u:other", is_new=True))


CALLS: dict[str, Callable[[LaneTable, Lane], object]] = {
    "hold": lambda table, lane: table.hold(lane, 1, WAIT),
    "ask_again": lambda table, lane: table.ask_again(lane),
    "block": lambda table, lane: table.block(lane, START_MS, 1, "status_503"),
    "drain": lambda table, lane: table.drain(lane, Line.RETRY, START_MS),
    "end_drain": lambda table, lane: table.end_drain(lane),
    "free": lambda table, lane: table.free(lane),
    "move_held": _move_away,
}
DRAIN_ONLY = {"end_drain"}
"""Called for lanes that drain, and for no others: at its one place the lane runner has asked for that."""

BESIDE = {"restore", "image", "adopt_rows", "adopt_held", "forget_oldest_held", "reach_bound", "leave_bound"}
"""Methods of the same sections of the class: the rows of a lane, tested below and in test_lane.py. None but `restore` sets
the state."""


def lane_in(state: LaneState, rows: Rows = (0, 0), line: Line = Line.RELEASE) -> tuple[LaneTable, Lane]:
    """A lane that came to this state by its own transitions, with so many parked events."""
    table = LaneTable()
    lane = table.take("u:u1", is_new=True)
    if state is HOLDING:
        table.hold(lane, 1, WAIT)
    elif state is BLOCKED:
        table.block(lane, START_MS, 1, "status_503")
    elif state is DRAINING:
        table.drain(lane, line, START_MS)
    for queue, n in zip((Queue.HELD, Queue.MAIN), rows, strict=True):
        if n:
            lane.count_row(queue, n, START_MS)
    assert lane.state is state
    return table, lane


# ------------------------------------------------------------ what the code does


def made_transitions() -> Iterator[Transition]:
    for mode in (LaneMode.WAITING, LaneMode.RETRY):
        for held, main in ((1, 0), (0, 1), (1, 1)):
            _, lane = lane_in(FREE)
            lane.restore(lane_row(mode, held=held, main=main, need="u:u1", due_at=START_MS))
            is_waiting = mode == LaneMode.WAITING and not main
            yield (
                FREE,
                "restore",
                "the row waits for a group, main is empty" if is_waiting else "any other row",
                lane.state,
            )
    for state, parked in PARKED.items():
        for method, call in CALLS.items():
            if method in DRAIN_ONLY and state is not DRAINING:
                continue
            to: dict[Rows, LaneState] = {}
            for rows in parked:
                table, lane = lane_in(state, rows)
                call(table, lane)
                to[rows] = lane.state
            yield from _in_words(state, method, to)


def _in_words(state: LaneState, method: str, to: dict[Rows, LaneState]) -> Iterator[Transition]:
    """One line where it is the same whatever is parked, else one for each case; none where the state stays."""
    if len(set(to.values())) == 1:
        cases = {"": next(iter(to.values()))}
    else:
        by_held = {held: {next_ for (h, _), next_ in to.items() if bool(h) is held} for held in (True, False)}
        by_main = {main: {next_ for (_, m), next_ in to.items() if bool(m) is main} for main in (True, False)}
        if all(len(states) == 1 for states in by_held.values()):
            cases = {"something is held": by_held[True].pop(), "nothing is held": by_held[False].pop()}
        else:
            assert all(len(states) == 1 for states in by_main.values()), to
            cases = {"main is empty": by_main[False].pop(), "main is not empty": by_main[True].pop()}
    for where, next_state in cases.items():
        if next_state is not state:
            yield state, method, where, next_state


def restarts() -> Iterator[tuple[str, ...]]:
    """State, line, mode of the row, main, state after a start."""
    for state, parked in PARKED.items():
        for line in Line if state is DRAINING else (None,):
            found: dict[bool, tuple[str, str]] = {}
            for rows in parked:
                if state is DRAINING and rows == (0, 0):
                    continue  # its last event has gone: no row is left
                _, lane = lane_in(state, rows, line or Line.LIVE)
                image = lane.image()
                again = Lane("u:u1", is_loaded=False)
                again.restore(image)
                found[bool(rows[1])] = (f"{image.mode}" if image is not None else "no row", again.state)
            if len(found) == 2 and len(set(found.values())) == 1:
                yield state, line or "any", found[True][0], "any", found[True][1]
            else:
                for has_main, (mode, after) in found.items():
                    yield state, line or "any", mode, "not empty" if has_main else "empty", after


# ------------------------------------------------------------ what the page says


@pytest.fixture
def page(root: Path) -> str:
    return (root / "docs" / "lifecycle.md").read_text(encoding="utf-8")


def lines(page: str, marker: str) -> list[tuple[str, ...]]:
    """The lines of the table between two markers, in small letters."""
    _, table, _ = page.split(f"<!-- {marker} -->")
    _, _, *body = table.strip().splitlines()
    return [
        tuple(cell.strip().replace("`", "").lower() for cell in line.strip().strip("|").split("|")) for line in body
    ]


def in_order(found: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return sorted({tuple(map(str, line)) for line in found})


def test_the_page_has_every_transition_and_no_other(page: str) -> None:
    said = lines(page, "transitions")
    assert sorted(said) == in_order(made_transitions())
    assert len(said) == len(set(said))


def test_the_drawing_has_an_arrow_for_each_transition_with_its_methods(page: str) -> None:
    arrows = re.findall(r"^ +(\w+) --> (\w+): (.+)$", page, re.MULTILINE)
    drawn = {(source.lower(), target.lower()): set(names.split(", ")) for source, target, names in arrows}
    assert len(drawn) == len(arrows)
    made: dict[tuple[str, str], set[str]] = {}
    for source, method, _, target in made_transitions():
        made.setdefault((source, target), set()).add(method)
    assert drawn == made


def test_the_page_says_what_a_crash_leaves(page: str) -> None:
    assert sorted(lines(page, "restart")) == in_order(restarts())


def test_every_state_is_told_in_a_paragraph(page: str) -> None:
    assert set(re.findall(r"^\*\*(\w+)\.\*\*", page, re.MULTILINE)) == {state.name for state in LaneState}


def test_no_transition_is_left_out_of_this_test() -> None:
    """The methods between "transitions" and "its row" of the class: each is called here, or said to set no state."""
    text = Path(str(Lane.restore.__code__.co_filename)).read_text(encoding="utf-8")
    section = text.split("# ------------------------------------------------------------ transitions")[1]
    section = section.split("# ------------------------------------------------------------ its row")[0]
    assert set(re.findall(r"    def (\w+)\(", section)) <= CALLS.keys() | BESIDE


@pytest.mark.parametrize(("state", "rows"), [(state, rows) for state, parked in PARKED.items() for rows in parked])
def test_a_crash_in_any_state_leaves_a_row_that_goes_on_by_itself(state: LaneState, rows: Rows) -> None:
    """After a start the lane is due, or waits for something that has a name."""
    _, lane = lane_in(state, rows)
    image = lane.image()
    if image is None:
        assert not any(rows)
        return
    again = Lane("u:u1", is_loaded=False)
    assert again.restore(image), "the row waits for nothing and is never due"
    assert again.due_at is not None or (again.state is HOLDING and again.wait.keys)
