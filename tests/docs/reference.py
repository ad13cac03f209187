"""The generated parts of docs/configuration.md, docs/cli.md, docs/plugins.md and docs/plugin-conformance.md: tables made from the models, the
command line, the contract and the conformance checks.

    python -m tests.docs.reference      # writes them into the pages, between `<!-- generated: NAME -->` and `<!-- end -->`

`test_reference.py` fails while a page differs from what this makes.
"""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import typer.main
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from router.cli import app
from router.cli.help import parts
from router.config import as_written, model
from router.config.as_written import unit_of
from router.daemon.config_changes import NEED_RESTART
from router.plugin_host import find
from router.testing.checking.check import MEANING
from router.testing.checks import CHECKS, THEMES
from tests.docs import plugin_reference
from tests.docs.pages import ROOT
from tests.unit.testing.bad_plugins.of_rows import ROWS

PAGES = (
    ROOT / "docs/configuration.md",
    ROOT / "docs/cli.md",
    ROOT / "docs/plugin-conformance.md",
    plugin_reference.PAGE,
)
PLUGINS = ("clientsuccess", "freshsuccess", "braze", "webhook", "http", "segment", "postgres", "file")

TABLES: dict[str, type[model.Section]] = {
    "[server]": model.ServerConfig,
    "[admin]": model.AdminConfig,
    "[store]": model.StoreConfig,
    "[cluster]": model.ClusterConfig,
    "[log]": model.LogConfig,
    "[privacy]": model.PrivacyConfig,
    "[consent]": model.ConsentConfig,
    "[console]": model.ConsoleConfig,
    "[notify]": model.NotifyConfig,
    "[tracing]": model.TracingConfig,
    "[[source]]": model.SourceConfig,
    "[source.privacy]": model.SourcePrivacyConfig,
    "[source.on_violation]": model.OnViolation,
    "[source.forward]": model.Forward,
    "[[destination]]": model.DestinationConfig,
    "[destination.delivery]": model.DeliveryConfig,
    "[destination.hold]": model.HoldConfig,
    "[destination.dead]": model.DeadConfig,
    "[destination.mapping]": model.MappingConfig,
}
SUBTABLES = {"on_violation", "forward", "delivery", "hold", "dead", "mapping", "privacy"}

_BARE = re.compile(r"[\w-]+")
_PART = re.compile(r"(<!-- generated: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)


# ---------------------------------------------------------------- configuration


def toml(value: Any) -> str:
    """A value as config.toml writes it, on one line."""
    if isinstance(value, Mapping):
        pairs = (f"{key if _BARE.fullmatch(key) else json.dumps(key)} = {toml(inner)}" for key, inner in value.items())
        return f"{{ {', '.join(pairs)} }}" if value else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml(inner) for inner in value)}]"
    return json.dumps(value, ensure_ascii=False)


def default_of(field: FieldInfo) -> str:
    """A key's default, as config.toml would write it between backquotes."""
    if field.is_required():
        return "required"
    value = as_written.default_of(field)
    return "not set" if value is None else f"`{toml(value)}`"


def type_of(field: FieldInfo) -> str:
    """What may stand at a key, with its unit and bounds."""
    if unit := unit_of(field):
        return unit
    words = _kind(field.annotation)
    if not field.repr and words in ("text", "list of text"):
        words = words.replace("text", "text or secrets" if "list" in words else "text or secret")
    low = [f"from {item.ge}" for item in field.metadata if getattr(item, "ge", None) is not None]
    low += [f"above {item.gt}" for item in field.metadata if getattr(item, "gt", None) is not None]
    high = [f"to {item.le}" for item in field.metadata if getattr(item, "le", None) is not None]
    return f"{words}, {' '.join(low + high)}" if low or high else words


def _kind(annotation: Any) -> str:
    simple = {str: "text", bool: "boolean", int: "integer", float: "number", Path: "path", SecretStr: "secret"}
    if annotation in simple:
        return simple[annotation]
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{toml(value)}`" for value in inner)
    if origin is tuple:
        return f"list of {_plural(_kind(inner[0]))}"
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_kind(part) for part in inner if part is not type(None))
    if origin is typing.Annotated:
        return _kind(inner[0])
    return "table"


def _plural(word: str) -> str:
    return {"integer": "integers", "secret": "secrets", "path": "paths"}.get(word, word)


def keys(table: type[BaseModel], prefix: str = "", shown: frozenset[str] | None = None) -> Iterator[str]:
    """The lines of a table of keys. `prefix`: of the names in NEED_RESTART; `shown`: only these attributes."""
    fields = {name: field for name, field in table.model_fields.items() if name not in SUBTABLES}
    fields = {name: field for name, field in fields.items() if shown is None or name in shown}
    columns = ["Key", "Type", "Default", "Meaning"]
    if any(field.examples for field in fields.values()):
        columns.append("Example")
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for name, field in fields.items():
        key = field.alias or name
        restart = " Needs a restart." if prefix + key in NEED_RESTART else ""
        example = f"`{toml(field.examples[0])}`" if field.examples else ""
        cells = (f"`{key}`", type_of(field), default_of(field), f"{field.description}{restart}", example)
        yield f"| {' | '.join(cells[: len(columns)])} |".replace("|  |", "| |")


# ---------------------------------------------------------------- command line


class Command(NamedTuple):
    """One command with its name as it is typed."""

    name: str
    command: Any


def commands() -> Iterator[Command]:
    """Every command and those below it, in the order of the help."""
    return _below("", typer.main.get_command(app))


def _below(name: str, command: Any) -> Iterator[Command]:
    for word, inner in getattr(command, "commands", {}).items():
        named = f"{name} {word}".strip()
        yield Command(named, inner)
        yield from _below(named, inner)


def command_lines() -> Iterator[str]:
    """A section for each command: how it is called, what it does, its options."""
    for name, command in commands():
        arguments = [p for p in command.params if not p.opts[0].startswith("-")]
        options = [p for p in command.params if p.opts[0].startswith("-") and p.name != "help"]
        words = [part for p in arguments for part in [_metavar(p)]]
        usage = " ".join(["segment-router", name, *words, *(["[OPTIONS]"] if options else [])])
        about, examples = parts(command.help)
        yield from (f"### `{name}`", "", "\n\n".join(_paragraphs(about)), "", f"    {usage}", "")
        if arguments or options:
            yield from ("| Argument or option | Meaning |", "|---|---|")
            yield from (f"| `{_metavar(p)}` | {_words(p)} |" for p in arguments)
            yield from (f"| `{_option(p)}` | {_words(p)} |" for p in options)
            yield ""
        if examples:
            yield from ("Examples:", "", *(f"    segment-router {line}" for line in examples), "")


def _paragraphs(text: str | None) -> list[str]:
    return [" ".join(part.split()) for part in (text or "").split("\n\n")]


def _metavar(parameter: Any) -> str:
    word = (parameter.metavar or parameter.name.upper()).strip("[]")
    return (word if parameter.required else f"[{word}]").replace("|", " or ")


def _option(parameter: Any) -> str:
    names = ", ".join(parameter.opts)
    if parameter.is_flag:
        return names
    return f"{names} {(parameter.metavar or parameter.name.upper()).replace('|', ' or ')}"


def _words(parameter: Any) -> str:
    words = " ".join((parameter.help or "").split()).replace("|", "\\|")
    variable = parameter.envvar if isinstance(parameter.envvar, str) else ""
    return f"{words} Environment variable: `{variable}`." if variable else words


# ---------------------------------------------------------------- conformance checks


def tier_lines() -> Iterator[str]:
    """A table of the tiers."""
    yield from ("| Tier | A plugin is | Checks |", "|---|---|---|")
    for tier, meaning in MEANING.items():
        yield f"| {tier} | {meaning}. | {sum(check.tier is tier for check in CHECKS)} |"


def check_lines() -> Iterator[str]:
    """A section for each theme, with a table of its checks."""
    for theme in THEMES:
        title = (theme.__doc__ or "").partition("\n")[0].rstrip(".")
        yield from (f"### {theme.__name__.rpartition('.')[2].capitalize()}", "", f"{title}.", "")
        yield from ("| Check | Tier | Proves | Why | Fix |", "|---|---|---|---|---|")
        for check in (check for check in CHECKS if check.theme == theme.__name__.rpartition(".")[2]):
            yield f"| `{check.name}` | {check.tier} | {check.proves} | {check.why} | {check.fix} |"
        yield ""


def misbehaviour_lines() -> Iterator[str]:
    """A table of what plugins do, and of the checks that catch it, in the order of the checks."""
    names = [check.name for check in CHECKS]
    done: dict[tuple[str, ...], list[str]] = {}
    for words, _, checks in sorted(ROWS, key=lambda row: names.index(row[2][0])):
        done.setdefault(checks, []).append(words)
    yield from ("| A plugin does | Caught by |", "|---|---|")
    for checks, all_words in done.items():
        yield f"| {'; '.join(all_words)} | {', '.join(f'`{name}`' for name in checks)} |"


# ---------------------------------------------------------------- the pages


def part(name: str) -> Iterator[str]:
    """The lines of one generated part, by the name in its marker."""
    if name == "commands":
        return command_lines()
    if name == "checks":
        return check_lines()
    if name == "tiers":
        return tier_lines()
    if name == "misbehaviour":
        return misbehaviour_lines()
    if name.startswith("contract "):
        return plugin_reference.part(name)
    if name == "top":
        return keys(model.Config, shown=frozenset({"plugins_dir"}))
    if name in TABLES:
        return keys(TABLES[name], prefix=f"{name.strip('[]')}.")
    return keys(find(name.removeprefix("plugin ")).load().settings_model)


def generated(text: str) -> str:
    """A page with its generated parts as they should be."""
    return _PART.sub(lambda found: found[1] + "\n".join(part(found[2])).strip() + f"\n{found[3]}", text)


def names(text: str) -> list[str]:
    """The generated parts of a page."""
    return [found[2] for found in _PART.finditer(text)]


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(generated(page.read_text(encoding="utf-8")), encoding="utf-8")
