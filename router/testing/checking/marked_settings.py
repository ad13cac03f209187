"""Settings for checks: every secret is replaced by one that cannot be there by accident, so that it can be looked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError

from router.plugin import JSON, Settings
from router.plugin_host import with_stand_ins
from router.plugin_host.secret_forms import base64_forms_of, forms_of

__all__ = ["MARK", "ONE_MORE_MARK", "OTHER_HOST", "OTHER_MARK", "is_shown", "marked", "others"]

OTHER_HOST = "://other."
MARK, OTHER_MARK, ANOTHER_MARK = "s3cret-{}-Zq7Xv4", "other-{}-Wn5Kp8", "third-{}-Jd6Tb9"
ONE_MORE_MARK = "fourth-{}-Qs8Lg3"


def marked(model: type[Settings], given: Mapping[str, JSON], mark: str = MARK) -> dict[str, Any]:
    """The settings with a mark in place of each secret of them, and of each that is required. A secret that has to have a form of its
    own stays as it was given."""
    settings = with_stand_ins(model, given)
    try:
        read = model.model_validate(settings)
    except ValidationError:
        return settings
    by_name = _by_name(read)
    for key in settings:
        tried = {**settings, key: _marked(settings[key], by_name.get(model.old_names.get(key, key)), mark, key)}
        try:
            model.model_validate(tried)
        except ValidationError:
            continue
        settings = tried
    return settings


def _by_name(read: BaseModel) -> dict[str, Any]:
    """The values of a model, by the names and the aliases of its fields."""
    fields = type(read).model_fields.items()
    return {name: getattr(read, field) for field, info in fields for name in (field, info.alias) if name}


def _marked(given: Any, read: Any, mark: str, key: str) -> Any:
    """What was given, with a mark in place of each secret, however deep. `read`: what the model made of it."""
    if isinstance(read, SecretStr):
        return mark.format(key)
    if isinstance(read, BaseModel):
        read = _by_name(read)
    if isinstance(given, Mapping) and isinstance(read, Mapping):
        return {name: _marked(inner, read.get(name), mark, f"{key}-{name}") for name, inner in given.items()}
    if isinstance(given, list) and isinstance(read, list | tuple):
        both = zip(given, read, strict=False)
        return [_marked(inner, one, mark, f"{key}-{at}") for at, (inner, one) in enumerate(both)]
    return given


def others(model: type[Settings], given: Mapping[str, JSON]) -> dict[str, Any]:
    """The same settings with other hosts, and with secrets that no other check has: a good cache of each account does not know them."""
    settings = marked(model, given, ANOTHER_MARK)
    for key, value in settings.items():
        if isinstance(value, str) and value.startswith(("http://", "https://")):
            tried = {**settings, key: value.replace("://", OTHER_HOST, 1)}
            try:
                model.model_validate(tried)
            except ValidationError:
                continue
            settings = tried
    return settings


def is_shown(secrets: Iterable[str], words: str) -> bool:
    """Whether any of them is in the words: as it is, percent-encoded, in JSON, in HTML, in base64 or in hex."""
    return any(form in words for secret in secrets for form in _forms(secret))


@cache
def _forms(secret: str) -> frozenset[str]:
    return forms_of(secret) | base64_forms_of(secret) | {secret.encode().hex(), secret.encode().hex().upper()}
