"""Which settings of a plugin are secrets, by its model."""

from __future__ import annotations

from typing import get_args

from pydantic import BaseModel, SecretStr


def holds_secrets(annotation: object, within: tuple[type, ...] = ()) -> bool:
    """Whether a SecretStr stands anywhere in an annotation, or in a model that it names."""
    kind = annotation if isinstance(annotation, type) else object
    if issubclass(kind, SecretStr):
        return True
    if issubclass(kind, BaseModel) and kind not in within:  # a model may name itself
        return any(holds_secrets(field.annotation, (*within, kind)) for field in kind.model_fields.values())
    return any(holds_secrets(inner, within) for inner in get_args(annotation))


def secret_keys(model: type[BaseModel]) -> frozenset[str]:
    """The keys of the settings that hold secrets, in every spelling that is accepted."""
    secret = {name for name, field in model.model_fields.items() if holds_secrets(field.annotation)}
    aliases = {field.alias for name, field in model.model_fields.items() if name in secret and field.alias}
    old_names = getattr(model, "old_names", {})
    return frozenset({*secret, *aliases, *(old for old, name in old_names.items() if name in secret | aliases)})
