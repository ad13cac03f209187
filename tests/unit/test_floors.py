"""The house as it is drawn: imports go down only, and plugins know nothing but the contract.

A room is a module or package directly in `router`. Where a room is new, it is entered here first.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

FLOORS = (
    {
        "",
        "plugin",
        "errors",
        "clock",
        "vocabulary",
        "traits",
        "input_warnings",
        "duplicates",
        "filters",
        "consent",
        "plans",
        "durable",
        "runtime_file",
        "personal_data",
        "explain",
        "source_activity",
        "counts",
        "spread",
        "remembering",
        "in_thread",
        "ending",
        "extras",
    },  # "" is the package itself, with nothing in it but its version
    {"config", "logger", "metrics", "event", "store"},
    {"background", "plugin_host", "directory", "event_search", "privacy", "judge", "suppressing", "backup", "tracing"},
    {"ingest", "accept", "decide", "deliver", "editing"},
    {"trial", "segment_import", "scaffold"},
    {"admin"},
    {"console", "notify", "report", "doctor"},
    {"daemon"},
    {"cli", "__main__", "bench", "demo"},
)
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

#: next doors on one floor, and why
DOORS = {
    ("store", "event"): "rows hold events",
    ("runtime_file", "durable"): "it is such a file",
    ("personal_data", "remembering"): "names of fields are what senders write",
    ("plans", "extras"): "the command that installs its library",
    ("explain", "vocabulary"): "a problem of the daemon becomes a trouble",
    ("plugin_host", "privacy"): "a mapping hashes as a source does",
    ("deliver", "decide"): "a turn asks the pure functions of decide",
    ("__main__", "cli"): "the same roof",
    ("cli", "bench"): "the same roof",
    ("cli", "demo"): "the same roof",
}

#: libraries that a plugin has beside the contract: those of the extra of its name
EXTRAS = {"postgres": ("asyncpg",)}

#: the author's bench stands free: it may use what is below floor 4, and only the roof, trials and new packages may use it
TESTING, USERS_OF_TESTING = "testing", {"bench", "cli", "demo", "trial", "scaffold", "doctor"}


@cache
def nodes(file: Path) -> list[ast.AST]:
    """Every node of a file. Several tests look at each."""
    return list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))


def imported(file: Path) -> Iterator[str]:
    """Every module that a file imports, also inside functions; names taken from a package as `package.name`."""
    for node in nodes(file):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: relative import; write it out"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(module: str) -> str:
    """The room of a `router...` module; a name of the package itself, such as __version__, is the package's."""
    name = module.split(".")[1] if "." in module else ""
    return name if name in FLOOR_OF or name == TESTING or (ROOT / "router" / name).is_dir() or is_module(name) else ""


def is_module(name: str) -> bool:
    return (ROOT / "router" / f"{name}.py").is_file()


ROUTER = sorted(file for file in (ROOT / "router").rglob("*.py"))
PLUGINS = sorted((ROOT / "plugins").rglob("*.py"))


def room(file: Path) -> str:
    first = file.relative_to(ROOT / "router").parts[0]
    return first.removesuffix(".py").replace("__init__", "")


def test_each_room_stands_on_a_floor() -> None:
    assert {room(file) for file in ROUTER} - {*FLOOR_OF, TESTING} == set(), "enter it in FLOORS"


def test_imports_go_down_only() -> None:
    found = {(file, module): why_not(room(file), module) for file in ROUTER for module in imported(file)}
    assert {place: why for place, why in found.items() if why} == {}


def why_not(here: str, module: str) -> str:
    """Why a room may not import this module; "" where it may."""
    if module.split(".")[0] == "plugins":
        return "the router knows no plugin"
    if module.split(".")[0] != "router" or (there := room_of(module)) == here:
        return ""
    if there == TESTING:
        return "" if here in USERS_OF_TESTING else "only the roof and tests may"
    if here == TESTING:
        return "" if FLOOR_OF[there] < 4 else "testing may use what is below floor 4"
    goes_down = FLOOR_OF[there] < FLOOR_OF[here] or (here, there) in DOORS
    return "" if goes_down else f"from floor {FLOOR_OF[here]} to floor {FLOOR_OF[there]}"


def test_plugins_import_the_contract_the_standard_library_and_what_their_extra_brings() -> None:
    assert [(file, module) for file in PLUGINS for module in imported(file) if not is_a_plugins(file, module)] == []


def is_a_plugins(file: Path, module: str) -> bool:
    """Whether a plugin's file may import this module."""
    name = file.relative_to(ROOT / "plugins").parts[0].removesuffix(".py")
    libraries = {*sys.stdlib_module_names, *EXTRAS.get(name, ())}
    return module.split(".")[0] in libraries or f"{module}.".startswith(("router.plugin.", f"plugins.{name}."))


BLOCKING_CALLS = {"to_thread", "run_in_executor"}


@pytest.mark.long
def test_the_daemon_leaves_the_threads_of_the_loop_to_plugins() -> None:
    """They are few, and calls of plugins that hang may hold them all: `router/in_thread.py` has threads for everything else."""
    of_the_daemon = [file for file in ROUTER if room(file) not in ("bench", TESTING)]
    assert [file for file in of_the_daemon if BLOCKING_CALLS & set(used(file))] == []


def used(file: Path) -> Iterator[str]:
    """The names that a file imports or takes from an object."""
    for node in nodes(file):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.alias):
            yield node.name


def test_the_plugins_folder_stays_open_for_others() -> None:
    assert not (ROOT / "plugins/__init__.py").exists()


def test_the_contract_uses_nothing_of_the_router() -> None:
    assert not [module for module in imported(ROOT / "router/plugin.py") if module.startswith("router")]


def test_every_door_leads_between_rooms_of_one_floor() -> None:
    assert all(FLOOR_OF[here] == FLOOR_OF[there] for here, there in DOORS)


def test_the_command_line_imports_nothing_inside_a_function() -> None:
    """What would slow --help down goes through the one lazy loader, `router/cli/lazy.py`."""
    of_the_command_line = [file for file in ROUTER if file.is_relative_to(ROOT / "router/cli")]
    assert [file for file in of_the_command_line if imports_inside_a_function(file)] == []


def imports_inside_a_function(file: Path) -> bool:
    functions = [node for node in nodes(file) if isinstance(node, ast.FunctionDef)]
    inside = (node for function in functions for node in ast.walk(function))
    return any(isinstance(node, ast.Import | ast.ImportFrom) for node in inside)


def test_no_class_needs_another_name_where_one_of_the_same_name_is_at_work() -> None:
    """Two of one name that meet in a file have two meanings for one word; one of them wants a better name."""
    outside = {"vendor_in_memory.py", "rehearsal.py"}  # there the plugin contract's own word is meant
    renamed = [
        f"{file.name}: {name} as {other}"
        for file in sorted((ROOT / "router").rglob("*.py"))
        for name, other in re.findall(
            r"^from router\S* import .*?\b([A-Z]\w*[a-z]\w*) as (\w+)", file.read_text(), re.MULTILINE
        )
        if name != other and file.name not in outside
    ]
    assert renamed == []
