"""The fields of a form, from a plugin's settings model and what config.toml has. Secrets are never in them."""

from __future__ import annotations

import enum
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from router.config import is_secret_table
from router.editing.toml_values import written
from router.plugin_host.secret_fields import holds_secrets, is_hidden


class FormField(NamedTuple):
    """One key of a destination as a form shows it."""

    name: str  #: of the input
    path: tuple[str, ...]  #: of the key in the destination's table
    title: str
    kind: (
        str  #: text, area, whole, number, bool, choice, many, lines, whole_lines, toml, secret, new_secret or file_only
    )
    value: str = ""  #: as shown; empty for a secret
    description: str = ""
    where: str = ""  #: where to find the value
    default: str = ""  #: what counts where nothing is written
    is_set: bool = False  #: config.toml has the key
    is_required: bool = False
    choices: tuple[str, ...] = ()
    least: str = ""
    most: str = ""
    note: str = ""  #: of a secret: where it is
    table: Any = None  #: of a secret: its table in config.toml
    error: str = ""  #: what is wrong with what was sent back
    model_key: str = ""  #: of a setting: what its model calls it
    shows_typing: bool = False  #: of a secret: an address and the like, which is seen while it is typed


def destination_fields(table: Mapping[str, Any], sources: Sequence[str], mapping: str) -> list[FormField]:
    """The fields that every destination has.

    Args:
        table: of config.toml; empty for a new one.
        sources: names of the sources that there are.
        mapping: the lines of its mapping table.
    """
    chosen = table.get("sources", ["*"])
    return [
        FormField("enabled", ("enabled",), "Enabled", "bool", _switch(table.get("enabled", True)),
                  "Off: new events are filtered; what waits is kept."),
        FormField("mode", ("mode",), "Mode", "choice", str(table.get("mode", "live")),
                  "dry-run decides, holds, maps and records, and sends nothing.", choices=("live", "dry-run")),
        FormField("sources", ("sources",), "Sources", "many", "\n".join(map(str, chosen)),
                  "Whose events it gets.", choices=tuple(dict.fromkeys(("*", *sources, *map(str, chosen))))),
        FormField("filter", ("filter",), "Filter", "area", str(table.get("filter", "")),
                  "An expression in FQL, Segment's filter language: only events for which it is true are sent. Empty: all.", is_set="filter" in table),
        FormField("mapping", ("mapping",), "Mapping", "area", mapping,
                  "Lines of TOML, as below [destination.mapping]: tables in one line, without headers. Comments that you add are not kept.",
                  is_set="mapping" in table),
    ]  # fmt: skip


def setting_fields(model: type[BaseModel], settings: Mapping[str, Any]) -> list[FormField]:
    """A field for each setting of a plugin. `settings`: as config.toml has them."""
    old_names: Mapping[str, str] = getattr(model, "old_names", {})
    found: list[FormField] = []
    for name, info in model.model_fields.items():
        spellings = (info.alias or name, name, *(old for old, new in old_names.items() if new in (name, info.alias)))
        key = next((spelling for spelling in spellings if spelling in settings), spellings[0])
        if name in old_names and key not in settings:
            continue  # an old name of something else
        found += _fields_of(name, key, info, settings)
    return found


def _fields_of(name: str, key: str, info: FieldInfo, settings: Mapping[str, Any]) -> list[FormField]:
    present = settings.get(key)
    kind, choices = _kind_of(info.annotation)
    if is_secret_table(present) or (kind == "text" and is_hidden(info)):
        kind = "secret"
    elif kind not in ("secret", "secrets") and is_hidden(info):
        kind = "file_only"
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, Mapping) else {}
    field = FormField(
        f"setting.{key}",
        ("settings", key),
        info.title or name,
        kind,
        description=info.description or "",
        where=str(extra.get("where", "")),
        default=_default(info, kind),
        is_set=key in settings,
        is_required=info.is_required(),
        choices=choices,
        model_key=name,
        least=_bound(info, "ge", "gt"),
        most=_bound(info, "le", "lt"),
    )
    if kind == "secrets":
        return _each_secret(field, present)
    if kind == "secret":
        return [field._replace(table=present, note=_place(present), shows_typing=not info.repr)]
    if kind == "file_only":
        return [field]
    return [field._replace(value=_shown(kind, present, field.default))]


def _each_secret(field: FormField, present: Any) -> list[FormField]:
    """A table of secrets by name: a field for each, and one for one more."""
    found = []
    for key, value in (present if isinstance(present, Mapping) else {}).items():
        path = (*field.path, str(key))
        note = _place(value)
        found.append(
            field._replace(
                name=f"{field.name}.{key}", path=path, title=f"{field.title}: {key}", kind="secret", is_set=True,
                note=note, table=value,
            )
        )  # fmt: skip
    return [
        *found,
        field._replace(name=f"{field.name}+", kind="new_secret", title=f"{field.title}: one more", default=""),
    ]


def _kind_of(annotation: Any) -> tuple[str, tuple[str, ...]]:
    """How a value of this type is entered, and what may be chosen."""
    kind = _plain(annotation)
    if kind is bool:
        return "bool", ()
    if kind in (int, float):
        return ("whole" if kind is int else "number"), ()
    if kind in (str, Path):
        return "text", ()
    if isinstance(kind, type) and issubclass(kind, SecretStr):
        return "secret", ()
    if isinstance(kind, type) and issubclass(kind, enum.Enum) and all(isinstance(one.value, str) for one in kind):
        return "choice", tuple(one.value for one in kind)
    if get_origin(kind) is Literal and all(isinstance(one, str) for one in get_args(kind)):
        return "choice", get_args(kind)
    if get_origin(kind) in (tuple, list, set, frozenset):
        inner = _plain(get_args(kind)[0]) if get_args(kind) else None
        if inner in (str, int) and get_args(kind)[1:] in ((), (...,)):
            return ("lines" if inner is str else "whole_lines"), ()
    if get_origin(kind) is dict and _plain(get_args(kind)[1]) is SecretStr:
        return "secrets", ()
    return ("file_only" if holds_secrets(annotation) else "toml"), ()


def _plain(annotation: Any) -> Any:
    """A type without what is annotated, and without its None."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, types.UnionType):
        rest = [one for one in get_args(annotation) if one is not type(None)]
        return _plain(rest[0]) if len(rest) == 1 else annotation
    return annotation


def _shown(kind: str, present: Any, default: str) -> str:
    """A value as the form has it; of a key that is not set, nothing, or the default where something must be chosen."""
    if present is None:
        return default if kind in ("bool", "choice") else ""
    if kind == "bool":
        return _switch(present)
    if kind in ("lines", "whole_lines") and isinstance(present, list):
        return "\n".join(map(str, present))
    return str(present) if kind != "toml" else written(present)


def _default(info: FieldInfo, kind: str) -> str:
    value = info.get_default(call_default_factory=False)
    if info.is_required() or value is None or kind in ("secret", "secrets", "file_only"):
        return ""
    if kind == "bool":
        return _switch(value)
    value = value.value if isinstance(value, enum.Enum) else value
    if kind in ("lines", "whole_lines"):
        return ", ".join(map(str, value))
    if kind != "toml":
        return str(value)
    try:
        return written(list(value) if isinstance(value, tuple | set | frozenset) else value)
    except (ValueError, TypeError):
        return ""


def _switch(value: Any) -> str:
    return "on" if value is True else "off"


def _bound(info: FieldInfo, *names: str) -> str:
    """The bound of these names, as annotated_types has them."""
    found = [getattr(one, name) for one in info.metadata for name in names if hasattr(one, name)]
    return str(found[0]) if found else ""


def _place(present: Any) -> str:
    """Where a secret is, in words."""
    if present is None or present == "":
        return "not set"
    if not is_secret_table(present) or len(present) != 1:
        return "written in config.toml"
    ((kind, place),) = present.items()
    words = {"file": "kept in the file", "env": "from the environment variable", "credential": "from the credential"}
    return f"{words[kind]} {place}"
