"""The secrets in the settings of a destination, as they were given and as its model has read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, SecretStr

from router.plugin_host.secret_fields import secret_keys


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


def secrets_in_raw(model: type[BaseModel], raw: Mapping[str, Any]) -> Iterator[str]:
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
