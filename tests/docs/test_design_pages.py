"""The pages that say how the router is built name files, names and tests that exist; the maps in packages are whole."""

from __future__ import annotations

import ast
import itertools
import re
from functools import cache
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

DOCS = ROOT / "docs"
ARCHITECTURE, SEMANTICS = DOCS / "architecture.md", DOCS / "semantics.md"
DECISIONS = sorted((DOCS / "decisions").glob("[0-9]*.md"))
NAMING_FILES = [ARCHITECTURE, SEMANTICS, DOCS / "delivery.md", ROOT / "CONTRIBUTING.md", *DECISIONS]
MAPPED = ["deliver", *(f"deliver/{name}" for name in ("lanes", "process", "send", "settle", "commit", "jobs"))]
MAPPED += ["decide", "store", "store/copy", "store/sqlite", "store/postgres", "store/postgres/queries"]

_FILE = re.compile(r"`((?:[\w.-]+/)*[\w-]+\.(?:py|sql|md|toml)|(?:router|plugins|tests|docs)/[\w/]*)`")
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@cache
def files() -> tuple[str, ...]:
    """Every file of the project that a page may name, with its folders."""
    found = [path for folder in ("router", "plugins", "tests", "docs") for path in (ROOT / folder).rglob("*")]
    return tuple(str(path.relative_to(ROOT)) for path in [*found, *ROOT.glob("*.*")] if "__pycache__" not in path.parts)


def is_there(name: str) -> bool:
    """Whether exactly one file has this path, or a path that ends in it."""
    name = name.rstrip("/")
    return name in files() or sum(path.endswith(f"/{name}") for path in files()) == 1


@pytest.mark.parametrize("page", NAMING_FILES, ids=lambda page: page.name)
def test_every_file_that_is_named_exists(page: Path) -> None:
    named = _FILE.findall(page.read_text(encoding="utf-8"))
    assert [name for name in named if not is_there(name)] == []


def test_the_architecture_page_names_files_for_each_step_of_an_events_life() -> None:
    life = ARCHITECTURE.read_text(encoding="utf-8").partition("## One event's life")[2].partition("\n## ")[0]
    assert len(set(_FILE.findall(life))) > 25


def changes() -> list[tuple[str, str, str]]:
    """The table of changes: what, the cell with its files, the name to look for."""
    table = ARCHITECTURE.read_text(encoding="utf-8").partition("## Where to change what")[2]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines() if "`" in line]
    return [(what, where, name.strip("` |")) for what, where, name in rows]


@pytest.mark.parametrize(("what", "where", "name"), changes(), ids=[what for what, _, _ in changes()])
def test_a_change_leads_to_a_file_that_has_the_name_to_look_for(what: str, where: str, name: str) -> None:
    named = [file for file in _FILE.findall(where) if file.endswith(".py")]
    assert any(re.search(rf"\b{name}\b", (ROOT / file).read_text(encoding="utf-8")) for file in named), what


def test_the_table_of_changes_has_a_dozen() -> None:
    assert len(changes()) >= 12


def test_the_map_of_packages_has_each_of_them_once() -> None:
    page = ARCHITECTURE.read_text(encoding="utf-8").partition("## Packages")[2].partition("\n## ")[0]
    cells = [line.split(" | ")[1] for line in page.splitlines() if line.startswith("| ")]
    named = re.findall(r"`router/(\w+)/`", "".join(cells))
    assert sorted(named) == sorted(path.parent.name for path in (ROOT / "router").glob("*/__init__.py"))


# ---------------------------------------------------------------- semantics


def rules() -> dict[str, str]:
    """The rules of docs/semantics.md by number: a paragraph that begins with a number in bold, up to the next one."""
    parts = re.split(r"^\*\*(\d+\.\d+) ", SEMANTICS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@cache
def names_in(file: str) -> frozenset[str]:
    """The names of the tests in a file."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(node.name for node in functions if node.name.startswith("test_"))


def test_rules_are_numbered_without_a_gap() -> None:
    numbers = [tuple(map(int, number.split("."))) for number in rules()]
    assert len(numbers) > 40
    for (chapter, rule), following in itertools.pairwise(numbers):
        assert following in ((chapter, rule + 1), (chapter + 1, 1))


@pytest.mark.parametrize("number", rules())
def test_a_rule_ends_with_tests_that_exist(number: str) -> None:
    held_by = rules()[number].rpartition("\nHeld by ")[2].partition("\n\n")[0]
    named = _TEST.findall(held_by)
    assert named
    assert [name for file, name in named if not (ROOT / file).is_file() or name not in names_in(file)] == []


# ---------------------------------------------------------------- decisions


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.name)
def test_a_decision_has_its_number_and_says_context_decision_and_consequences(page: Path) -> None:
    words = page.read_text(encoding="utf-8")
    assert words.startswith(f"# {int(page.name[:4])}. ")
    assert re.findall(r"^## (.*)$", words, re.MULTILINE) == ["Context", "Decision", "Consequences"]


def test_the_list_of_decisions_is_whole() -> None:
    listed = re.findall(r"\(decisions/(\d{4}-[\w-]+\.md)\)", ARCHITECTURE.read_text(encoding="utf-8"))
    assert listed == [page.name for page in DECISIONS]


# ---------------------------------------------------------------- maps in packages


@pytest.mark.parametrize("package", MAPPED)
def test_the_map_of_a_package_names_what_is_in_it_and_nothing_else(package: str) -> None:
    folder = ROOT / "router" / package
    words = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    mapped = set(re.findall(r"^(\w+(?:\.py|\.sql|/)) +\S", words, re.MULTILINE)) - {"__init__.py"}
    there = {path.name for path in folder.iterdir() if path.suffix in (".py", ".sql")} - {"__init__.py"}
    there |= {f"{path.name}/" for path in folder.iterdir() if (path / "__init__.py").is_file()}
    assert mapped == there


def test_whatever_works_beside_the_events_is_among_the_lifetimes() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    lifetimes = text.partition("\n## Lifetimes\n")[2].partition("\n## ")[0]
    files = [file for file in (ROOT / "router").rglob("*.py") if "async with beside(" in file.read_text()]
    assert files
    assert [file for file in files if f"| `{file.relative_to(ROOT)}` |" not in lifetimes] == []
