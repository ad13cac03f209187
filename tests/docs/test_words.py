"""Every hook, log event, verb, path and key that exists is documented, and nothing that does not exist."""

from __future__ import annotations

import inspect
import re
import tomllib
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
import typer.main

from router import plugin
from router.admin.app import make_admin_app
from router.admin.daemon_port import DaemonPort
from router.cli import app
from router.logger import make_log
from router.logger.events import EVENTS
from router.plugin import Context, Event, Hooks
from router.plugin_host import HOOKS
from tests.docs.pages import PAGES, ROOT, SHIPPED, blocks, prose, rows, sections
from tests.docs.reference import SUBTABLES

PLUGINS, LOG = ROOT / "docs/plugins.md", ROOT / "docs/log.md"
CONFIGURATION, ADMIN_API = ROOT / "docs/configuration.md", ROOT / "docs/admin-api.md"
CLI = ROOT / "docs/cli.md"


# ---------------------------------------------------------------- plugins


def signature(name: str) -> str:
    """A hook as its heading spells it: without self, annotations as they are written."""
    hook = getattr(Hooks, name)
    words = str(inspect.signature(hook)).replace("self, ", "").replace("self", "").replace("'", "")
    return f"{'async ' if inspect.iscoroutinefunction(hook) else ''}{name}{words}"


def test_every_hook_is_documented_with_its_exact_signature() -> None:
    headed = {heading for heading in sections(PLUGINS) if "(" in heading}
    assert headed == {signature(name) for name in HOOKS}


def test_every_public_name_of_the_contract_is_explained() -> None:
    words = PLUGINS.read_text()
    names = set(plugin.__all__) - {"Hooks"}  # the list of hooks, which the headings are
    assert [name for name in sorted(names) if not re.search(rf"\b{name}\b", words)] == []


def test_every_field_of_an_event_and_of_the_context_is_explained() -> None:
    words = PLUGINS.read_text()
    fields = [field.name for field in msgspec.structs.fields(Event)]
    fields += [name.strip("_") for name in Context.__slots__ if name != "_changed"]
    assert [name for name in fields if not re.search(rf"`{name}\b", words)] == []


def test_the_outcomes_are_all_in_their_table() -> None:
    outcomes = {
        found.__name__ for found in plugin.Outcome.__subclasses__() if found.__module__ == plugin.Outcome.__module__
    }
    assert {name.partition("(")[0] for name in rows(sections(PLUGINS)["Outcomes"])} - {"Outcome"} == outcomes


# ---------------------------------------------------------------- log


def test_the_log_page_lists_every_event_with_its_level_and_meaning() -> None:
    listed = {name: tuple(cells[1:]) for name, cells in rows(LOG.read_text()).items() if len(cells) == 3}
    assert listed == {name: (event.level, event.meaning) for name, event in EVENTS.items()}


# ---------------------------------------------------------------- command line


def commands() -> dict[str, Any]:
    """The verbs there are, with their parameters."""
    return dict(cast(Any, typer.main.get_command(app)).commands)


def called(line: str) -> Iterator[list[str]]:
    """The words after `./run` or `segment-router` in a line."""
    for found in re.finditer(r"(?:^|[\s`(])(?:\./run|(?:/\S+/)?segment-router)((?: +[^\s`#|)]+)+)", line):
        yield found[1].split()


def verbs_shown() -> list[tuple[str, list[str]]]:
    """Every call of the program in README.md and docs/: where, and its words."""
    pages = [page for page in PAGES if page.name not in ("CHANGELOG.md", "CONTRIBUTING.md")]
    lines = [(page.name, line) for page in pages for line in page.read_text().splitlines() if "./run" in line]
    lines += [(page.name, line) for page in pages for line in page.read_text().splitlines() if "bin/segment" in line]
    return [(f"{name}: {line.strip()}", words) for name, line in lines for words in called(line)]


def test_every_verb_has_its_section() -> None:
    assert set(commands()) <= set(sections(CLI))


def test_every_verb_and_option_that_is_shown_exists() -> None:
    known = commands()
    shown = [(where, words) for where, words in verbs_shown() if re.fullmatch(r"[a-z]+", words[0])]
    assert len(shown) > 15
    for where, (verb, *words) in shown:
        assert verb in known, where
        if verb != "bench":  # it reads its own command line
            command = known[verb]
            for word in words:
                command = getattr(command, "commands", {}).get(word, command)
            options = {option for parameter in command.params for option in parameter.opts}
            given = {word for word in words if word.startswith("--")}
            assert given <= options, where


# ---------------------------------------------------------------- admin API


def test_the_paths_of_the_admin_api_and_those_documented_are_the_same() -> None:
    admin = make_admin_app(
        cast(DaemonPort, SimpleNamespace(plugin_threads=None)), None, "127.0.0.1", make_log(level="error")
    )
    there = {f"{route.method} {route.resource.canonical}" for route in admin.router.routes() if route.resource}
    there = {path for path in there if not path.startswith("HEAD ")}
    assert {heading for heading in sections(ADMIN_API) if re.match(r"[A-Z]+ /", heading)} == there


# ---------------------------------------------------------------- configuration


def test_the_shipped_configuration_shows_every_key_that_is_documented() -> None:
    shipped = tomllib.loads(re.sub(r"(?m)^#(?=\w+ = )", "", SHIPPED.read_text()))  # also keys shown as comments
    first = shipped["destination"][0]
    tables = {"[[source]]": shipped["source"][0], "[[destination]]": first}
    tables |= {f"[{name}]": shipped[name] for name in ("server", "admin", "store", "log")}
    own = {"on_violation", "forward"}
    tables |= {f"[destination.{name}]": first[name] for name in SUBTABLES - {"privacy", *own}}
    tables |= {f"[source.{name}]": shipped["source"][0][name] for name in ("privacy", *own)}
    tables["[privacy]"] = shipped["privacy"]
    for heading, table in tables.items():
        documented = rows(sections(CONFIGURATION)[heading])
        assert set(documented) == set(table) - SUBTABLES, heading
    top = {key for key, value in shipped.items() if not isinstance(value, dict | list)}
    assert set(rows(sections(CONFIGURATION)["At the top"])) == top


# ---------------------------------------------------------------- the pages themselves


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_that_are_there(page: Any) -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", prose(page))
    assert [target for target in targets if "://" not in target and not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_claims_delivery_exactly_once(page: Any) -> None:
    words = prose(page)
    claims = re.findall(r"exactly[\s-]+once", words)
    denials = re.findall(r"\b(?:not|never)\s+exactly[\s-]+once", words)
    assert len(claims) == len(denials)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_code_blocks_name_a_language_that_the_tests_know(page: Any) -> None:
    assert {block.language for block in blocks(page)} <= {
        "sh",
        "text",
        "python",
        "toml",
        "sql",
        "json",
        "js",
        "yaml",
        "mermaid",
    }
