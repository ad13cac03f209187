"""`[privacy]` and `[consent]`: how values are hashed, and what is kept of users' consent."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StrictBool

from router.config.json_form import text
from router.config.section import Section

MIN_KEY = 16
"""Characters of `privacy.key`."""


def _privacy_key(value: str) -> str:
    if len(value.strip()) < MIN_KEY:
        raise ValueError(f"too short; it must have at least {MIN_KEY} characters beside white space at its ends")
    return value


class PrivacyConfig(Section):
    """`[privacy]`: how values are hashed."""

    key: Annotated[str, AfterValidator(_privacy_key), text(r"([\s\S]{16,})?")] | None = Field(
        default=None,
        repr=False,
        description="Key of every `hash`, 16 characters or more. Required if a source or a mapping hashes. With another key the"
        " same value has another hash, so a reload with another key must be confirmed while anything is hashed.",
        examples=[{"file": "secrets/privacy_key"}],
    )
    normalize: StrictBool = Field(
        default=True,
        description="Hash e-mail addresses in lower case, and phone numbers without spaces and punctuation.",
        examples=[False],
    )


class ConsentConfig(Section):
    """`[consent]`: what is kept of users' consent."""

    follow: StrictBool = Field(
        default=False,
        description="`true`: the latest preferences of each user are stored, and decide too before a waiting event is sent. A"
        " withdrawal stops what waits. See [consent](consent.md#a-user-changes-their-mind).",
        examples=[True],
    )
