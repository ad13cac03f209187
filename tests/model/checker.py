"""An exhaustive checker of small protocols: every state that can be reached, in every order of steps.

A protocol is a first state and a function that gives the named steps from a state. It must be safe (no state is wrong) and it must
not get stuck (from every state the goal can still be reached). What is found comes with the shortest way to it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

S = TypeVar("S", bound=Hashable)


class Found(AssertionError):
    """A state that must not be. `words`: what is wrong with it; `path`: the steps that lead there."""

    def __init__(self, words: str, path: list[str]) -> None:
        super().__init__(f"{words}: {' > '.join(path)}")
        self.words, self.path = words, path


def explore(
    first: S, steps: Callable[[S], Iterable[tuple[str, S]]], wrong: Callable[[S], str], goal: Callable[[S], bool]
) -> int:
    """How many states there are. Raises Found."""
    came_from: dict[S, tuple[S, str] | None] = {first: None}
    back: dict[S, list[S]] = {first: []}
    waiting = deque([first])
    while waiting:
        state = waiting.popleft()
        if words := wrong(state):
            raise Found(words, path_to(came_from, state))
        for name, after in steps(state):
            if after not in came_from:
                came_from[after] = (state, name)
                back[after] = []
                waiting.append(after)
            back[after].append(state)
    can_reach = {state for state in came_from if goal(state)}
    waiting = deque(can_reach)
    while waiting:
        for before in back[waiting.popleft()]:
            if before not in can_reach:
                can_reach.add(before)
                waiting.append(before)
    for state in came_from:  # in the order in which they were found: the shortest way first
        if state not in can_reach:
            raise Found("stuck", path_to(came_from, state))
    return len(came_from)


def path_to(came_from: dict[S, tuple[S, str] | None], state: S) -> list[str]:
    """The steps that lead to a state."""
    path = []
    while (found := came_from[state]) is not None:
        state, name = found
        path.append(name)
    return path[::-1]
