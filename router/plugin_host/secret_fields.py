"""Which settings of a plugin are not to be shown, by its model: secrets, and what its author marked with `repr=False`; and the secrets in settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

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


def with_plain_secrets(settings: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The settings with the looked-up secrets as text, and these secrets."""
    secrets: list[str] = []

    def plain(value: Any) -> Any:
        if isinstance(value, SecretStr):
            secrets.append(value.get_secret_value())
            return value.get_secret_value()
        if isinstance(value, dict):
            return {key: plain(inner) for key, inner in value.items()}
        return [plain(inner) for inner in value] if isinstance(value, list) else value

    return {key: plain(value) for key, value in settings.items()}, secrets


def refused_secrets(model: type[BaseModel], raw: Mapping[str, Any]) -> Iterator[str]:
    """The texts and numbers in refused settings that the model types as secrets: a validator's words may quote them."""
    secret = secret_keys(model)
    for key, value in raw.items():
        if key in secret:
            yield from _texts_in(value)


def secrets_in(value: Any) -> Iterator[str]:
    """Every SecretStr in the settings, however deep."""
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        for _, inner in value:
            yield from secrets_in(inner)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from secrets_in(inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from secrets_in(inner)


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield str(value)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts_in(inner)
