"""Types of settings that hide nothing: a secret in them would be shown, since only SecretStr in models, lists and tables is looked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel, Secret, SecretBytes

from router.config import ConfigWarning, DestinationConfig
from router.plugin_host.secret_fields import holds_secrets

_RECORDS = ("__total__", "_fields")
"""What a TypedDict and a NamedTuple have, those of `typing_extensions` too."""


def warnings_of(table: DestinationConfig, model: type[BaseModel]) -> Iterator[ConfigWarning]:
    """One for each fault. `plugin check` refuses such a plugin; a daemon goes on delivering with one that it had taken before."""
    for fault in secret_faults(model):
        yield ConfigWarning(table.name, "plugin", f"its author has to change its settings: {fault}")


def secret_faults(model: type[BaseModel], place: str = "", within: tuple[type, ...] = ()) -> Iterator[str]:
    """What is wrong with the secrets of a model and of those in it, and what to write instead."""
    for name, field in model.model_fields.items():
        where = f"{place}{name}"
        if field.validation_alias not in (None, field.alias):
            yield f"{where} has a validation_alias, so it is read under a key that the router does not know; write `alias=`"
        yield from _faults_of(field.annotation, where, (*within, model))


def _faults_of(annotation: object, where: str, within: tuple[type, ...]) -> Iterator[str]:
    annotation = getattr(annotation, "__value__", annotation)  # of `type Key = SecretStr`
    origin, inside = get_origin(annotation) or annotation, get_args(annotation)
    kind = origin if isinstance(origin, type) else object
    if issubclass(kind, SecretBytes | Secret):
        yield f"{where} is {kind.__name__}, which the router does not mask; write `SecretStr`"
    elif issubclass(kind, BaseModel):
        if kind not in within:  # a model may name itself
            yield from secret_faults(kind, f"{where}.", within)
    elif is_dataclass(kind) or any(hasattr(kind, mark) for mark in _RECORDS):
        if kind not in within and any(_is_secret(inner, (*within, kind)) for inner in (*inside, *_types_in(kind))):
            yield f"{where} has secrets in {kind.__name__}, where the router does not find them; use a `BaseModel`"
    else:
        for inner in inside:
            yield from _faults_of(inner, where, within)


def _is_secret(annotation: object, within: tuple[type, ...]) -> bool:
    return holds_secrets(annotation) or any(_faults_of(annotation, "", within))


def _types_in(kind: type[Any]) -> Iterator[object]:
    try:
        yield from get_type_hints(kind).values()
    except (
        Exception
    ):  # a class of a function may name what is there only, and the text of an annotation may be any code
        yield from vars(kind).get("__annotations__", {}).values()
