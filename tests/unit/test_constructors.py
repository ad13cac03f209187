"""A class that needs many collaborators does too much: at most six parameters beside self."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

MOST = 6
RECORDS = {"Struct", "NamedTuple", "BaseModel", "Protocol"}
"""Bases of classes whose constructor is a list of fields."""


def name_of(node: ast.expr) -> str:
    """The last part of a dotted name; of a call or a subscript that of what is called."""
    if isinstance(node, ast.Call):
        return name_of(node.func)
    if isinstance(node, ast.Subscript):
        return name_of(node.value)
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def constructors(source: str) -> Iterator[tuple[str, int]]:
    """(class, parameters beside self) of each class that is no record."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ClassDef):
            continue
        is_record = any(name_of(base) in RECORDS for base in node.bases)
        if is_record or any(name_of(decorator) == "dataclass" for decorator in node.decorator_list):
            continue
        for part in node.body:
            if isinstance(part, ast.FunctionDef) and part.name == "__init__":
                args = part.args
                named = len(args.posonlyargs) + len(args.args) + len(args.kwonlyargs) - 1
                yield node.name, named + (args.vararg is not None)


@cache
def found(root: Path) -> dict[str, int]:
    """By "file: class": how many parameters its constructor has."""
    files = sorted(file for folder in ("router", "plugins") for file in (root / folder).rglob("*.py"))
    return {
        f"{file.relative_to(root)}: {name}": n
        for file in files
        for name, n in constructors(file.read_text(encoding="utf-8"))
    }


def test_no_constructor_has_more_than_six_collaborators(root: Path) -> None:
    too_many = {where: n for where, n in found(root).items() if n > MOST}
    assert not too_many


@pytest.mark.parametrize(
    ("head", "n"),
    [
        ("class A:\n def __init__(self, a, b=1, *, c, d=2): ...", [("A", 4)]),
        ("class A(Base):\n def __init__(self, *more): ...", [("A", 1)]),
        ("class A(msgspec.Struct, frozen=True):\n def __init__(self, a, b): ...", []),
        ("@dataclass(frozen=True)\nclass A:\n def __init__(self, a, b): ...", []),
        ("def f():\n class A:\n  def __init__(self, a): ...", [("A", 1)]),
    ],
)
def test_parameters_are_counted_and_records_are_not(head: str, n: list[tuple[str, int]]) -> None:
    assert list(constructors(head)) == n
