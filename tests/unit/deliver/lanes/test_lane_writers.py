"""A lane changes by its own methods and by nothing else: nobody assigns its fields from outside."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from router.deliver.lanes.lane import Lane

FIELDS = frozenset(Lane.__slots__)
CHANGES = frozenset(
    {"add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop", "popleft", "remove", "update"}
)
"""Methods of collections that change them."""

ALLOWED = {("run_queue.py", "is_queued"): "the run queue's own mark that the lane stands in it"}

OTHERS = {
    ("unit_of_work.py", "self", "held"): "the number of held events of the destination",
    ("unit_of_work.py", "row", "state"): "of a RowFields",
    ("unit_of_work.py", "self._batch", "state"): "keyed state in a CommitBatch",
    ("unit_of_work.py", "self._batch", "attempts"): "attempts in a CommitBatch",
    ("event_outcomes.py", "fields", "attempts"): "of a RowFields",
    ("responses.py", "delivery.fields", "attempts"): "of a RowFields",
    ("replay.py", "job", "state"): "of a ReplayRow",
    ("worker.py", "self", "state"): "the DeliveryState of the worker",
    ("serving.py", "self", "waiting"): "the report of what held events wait for",
}
"""Fields of the same name that are not a lane's: file, owner, field."""


def changes(source: str) -> Iterator[tuple[str, str]]:
    """(owner, field) of everything that is assigned, deleted, or changed in place and has the name of a lane's field."""
    for node in ast.walk(ast.parse(source)):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign | ast.Delete):
            targets = node.targets
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            targets = [node.target]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGES:
            targets = [node.func.value]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("setattr", "delattr"):
            yield ast.unparse(node.args[0]), "setattr"
        for target in targets:
            yield from _fields(target)


def _fields(target: ast.expr) -> Iterator[tuple[str, str]]:
    """What an assignment changes: of `a.b[c] = ...` that is a.b."""
    if isinstance(target, ast.Tuple | ast.List):
        for part in target.elts:
            yield from _fields(part)
    elif isinstance(target, ast.Starred | ast.Subscript):
        yield from _fields(target.value)
    elif isinstance(target, ast.Attribute) and target.attr in FIELDS:
        yield ast.unparse(target.value), target.attr


def outside(root: Path) -> list[Path]:
    deliver = root / "router" / "deliver"
    return sorted(file for file in deliver.rglob("*.py") if file != deliver / "lanes" / "lane.py")


def test_nobody_but_the_lane_itself_writes_its_fields(root: Path) -> None:
    wrong = [
        f"{file.relative_to(root)}: {owner}.{field}"
        for file in outside(root)
        for owner, field in changes(file.read_text(encoding="utf-8"))
        if (file.name, field) not in ALLOWED and (file.name, owner, field) not in OTHERS
    ]
    assert not wrong, "give Lane a method for it: " + ", ".join(wrong)


def test_the_lists_of_this_test_name_nothing_that_is_gone(root: Path) -> None:
    found = [(file.name, *change) for file in outside(root) for change in changes(file.read_text(encoding="utf-8"))]
    assert OTHERS.keys() <= set(found)
    assert ALLOWED.keys() <= {(name, field) for name, _, field in found}


@pytest.mark.parametrize(
    "line",
    [
        "lane.state = x",
        "lane.pins += 1",
        "a, lane.due_at = 1, 2",
        "lane.deferred.add(3)",
        "lane.waiting.clear()",
        "del lane.wait",
        "lane.linking[0] = x",
        "setattr(lane, 'state', x)",
        "lane.state: str = x",
    ],
)
def test_every_way_to_write_a_field_is_seen(line: str) -> None:
    assert list(changes(line))


@pytest.mark.parametrize("line", ["x = lane.state", "lane.finish(x)", "lane.held.count", "lane.queue(q).take()"])
def test_reading_and_calling_is_free(line: str) -> None:
    assert not list(changes(line))
