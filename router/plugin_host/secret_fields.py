"""Which settings of a plugin are not to be shown, by its model: secrets, and what its author marked with `repr=False`."""

from __future__ import annotations

from typing import get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo


def holds_secrets(annotation: object, within: tuple[type, ...] = ()) -> bool:
    """Whether something that is not to be shown stands anywhere in an annotation, or in a model that it names."""
    annotation = getattr(annotation, "__value__", annotation)  # of `type Key = SecretStr`
    kind = annotation if isinstance(annotation, type) else object
    if issubclass(kind, SecretStr):
        return True
    if issubclass(kind, BaseModel) and kind not in within:  # a model may name itself
        return any(is_hidden(field, (*within, kind)) for field in kind.model_fields.values())
    return any(holds_secrets(inner, within) for inner in get_args(annotation))


def is_hidden(field: FieldInfo, within: tuple[type, ...] = ()) -> bool:
    """Whether a setting is not to be shown: an address may have a key in it, so a plugin can mark one that is plain text."""
    return not field.repr or holds_secrets(field.annotation, within)


def secret_keys(model: type[BaseModel]) -> frozenset[str]:
    """The keys of the settings that are not to be shown, in every spelling that is accepted."""
    secret = {name for name, field in model.model_fields.items() if is_hidden(field)}
    aliases = {field.alias for name, field in model.model_fields.items() if name in secret and field.alias}
    old_names = getattr(model, "old_names", {})
    return frozenset({*secret, *aliases, *(old for old, name in old_names.items() if name in secret | aliases)})
