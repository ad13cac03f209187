"""The generated parts of docs/plugins.md: what `router.plugin` says of itself, as tables.

Words are written once, in the contract: the docstring of a hook, the `#:` comment of a field. So a page cannot say anything else.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from router import plugin as contract
from router.plugin import ATTRIBUTES, Hooks, Outcome
from router.plugin_host import HOOKS
from tests.docs.pages import ROOT

PAGE = ROOT / "docs/plugins.md"
CLASSES = ("Event", "Context", "Profile", "Person", "Answer", "Item", "Request", "Batch", "Sender", "Token")
"""Each has a table of its own. The outcomes share one."""
OTHERS = {
    "Field": "pydantic's: the default, bounds and description of a setting.",
    "SecretStr": "pydantic's: the type of a setting that is masked wherever it is shown or stored.",
}
"""Public names that are not the contract's own."""


def part(name: str) -> Iterator[str]:
    """The lines of one generated part, by the name in its marker."""
    match name.removeprefix("contract "):
        case "attributes":
            return _table(["Attribute", "Meaning"], ((f"`{name}`", words) for name, words in ATTRIBUTES.items()))
        case "hooks":
            return _table(["Hook", "When it is called", "Calls", "Time"], _hooks())
        case "outcomes":
            return _table(["Outcome", "Field", "Type", "Default", "Meaning"], _outcome_fields())
        case "names":
            return _table(["Name", "Meaning"], ((f"`{name}`", words) for name, words in meanings().items()))
        case kind:
            return _members(getattr(contract, kind))


def outcomes() -> list[type[Any]]:
    """The outcomes of the contract, in its order."""
    return [kind for kind in Outcome.__subclasses__() if kind.__module__ == Outcome.__module__]


def meanings() -> dict[str, str]:
    """What each public name is, in one sentence."""
    tree = ast.parse(Path(contract.__file__).read_text(encoding="utf-8"))
    below: dict[str, str] = {}
    for node, following in zip(tree.body, tree.body[1:], strict=False):
        match node, following:
            case (
                (ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name))),
                ast.Expr(value=ast.Constant(value=str(words))),
            ):
                below[name] = words
    return {name: _sentence(OTHERS.get(name) or below.get(name) or _words(name)) for name in contract.__all__}


def _words(name: str) -> str:
    return inspect.getdoc(getattr(contract, name)) or ""


def _sentence(words: str) -> str:
    whole = " ".join(words.partition("\n\n")[0].split())
    return re.split(r"(?<=[^.]\.)(?= [A-Z`])", whole)[0]


# ---------------------------------------------------------------- hooks


def said_of(hook: str) -> dict[str, str]:
    """What the docstring of a hook says after `When:`, `Calls:` and `Time:`."""
    return dict(re.findall(r"^(When|Calls|Time): (.+)$", inspect.getdoc(getattr(Hooks, hook)) or "", re.MULTILINE))


def _hooks() -> Iterator[tuple[str, ...]]:
    """A row for each hook; those that are called alike share one."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for name in HOOKS:
        said = said_of(name)
        alike.setdefault((said["When"], said["Calls"], said["Time"]), []).append(f"`{name}`")
    for said_alike, names in alike.items():
        yield ", ".join(names), *said_alike


# ---------------------------------------------------------------- fields and members


def _members(kind: type[Any]) -> Iterator[str]:
    if issubclass(kind, msgspec.Struct) or (dataclasses.is_dataclass(kind) and issubclass(kind, Outcome)):
        return _table(["Field", "Type", "Default", "Meaning"], fields(kind))
    return _table(["Member", "Type", "Meaning"], members(kind))


def fields(kind: type[Any]) -> Iterator[tuple[str, ...]]:
    """Name, type, default and meaning of each field."""
    comments = _comments(kind)
    for name, default in _defaults(kind).items():
        yield f"`{name}`", _type(kind.__annotations__[name]), default, comments.get(name, "")


def _defaults(kind: type[Any]) -> dict[str, str]:
    if issubclass(kind, msgspec.Struct):
        found = {field.name: (field.default, field.default_factory) for field in msgspec.structs.fields(kind)}
        absent: Any = msgspec.NODEFAULT
    else:
        found = {field.name: (field.default, field.default_factory) for field in dataclasses.fields(kind)}
        absent = dataclasses.MISSING
    shown = {}
    for name, (default, factory) in found.items():
        shown[name] = "required" if default is absent and factory is absent else _default(default, factory, absent)
    return shown


def _default(default: Any, factory: Any, absent: Any) -> str:
    return f"`{factory() if default is absent else default!r}`".replace("'", '"')


def _outcome_fields() -> Iterator[tuple[str, ...]]:
    for kind in outcomes():
        for field in fields(kind):
            yield f"`{kind.__name__}`", *field


def members(kind: type[Any]) -> Iterator[tuple[str, ...]]:
    """Name, type and meaning of what an instance has: attributes with a comment, properties and methods, in the order of the source."""
    comments = _comments(kind)
    types = inspect.get_annotations(kind.__init__) | inspect.get_annotations(kind)
    for name in comments:
        yield f"`{name}`", _type(types[name]), comments[name]
    for name, member in vars(kind).items():
        if name.startswith("_") or name in comments:
            continue
        if isinstance(member, property) and member.fget is not None:
            yield f"`{name}`", _type(inspect.get_annotations(member.fget)["return"]), _doc(member)
        elif callable(member) or isinstance(member, classmethod):
            function = member.__func__ if isinstance(member, classmethod) else member
            said = inspect.signature(function)
            returns = _type(str(said.return_annotation).strip("'"))
            waits = "await " if inspect.iscoroutinefunction(function) else ""
            yield f"`{waits}{name}({_parameters(said)})`", "" if returns == "`None`" else returns, _doc(function)


def _parameters(said: inspect.Signature) -> str:
    told = [value for value in said.parameters.values() if value.name not in ("self", "cls")]
    return ", ".join(str(value.replace(annotation=value.empty)).replace("'", '"') for value in told)


def _doc(member: Any) -> str:
    return " ".join((inspect.getdoc(member) or "").split())


def _type(words: str) -> str:
    return " or ".join(f"`{word}`" for word in words.split(" | ")) if "[" not in words else f"`{words}`"


def _comments(kind: type[Any]) -> dict[str, str]:
    """The `#:` comments of a class, by the name on the same line or the next."""
    source = inspect.getsource(kind)
    same = re.findall(r"^    (\w+): [^\n]*?  #: (.+)$", source, re.MULTILINE)
    before = re.findall(r"^ +#: (.+)\n +(?:self\.)?(\w+)\b", source, re.MULTILINE)
    return dict(same) | {name: words for words, name in before}


def _table(columns: list[str], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(row)} |".replace("|  |", "| |")
