"""`[[source]]`: who sends, and its credentials."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StrictBool

from router.config.json_form import FILLED, one_or_many
from router.config.model.values import Name, Origin, WriteKey, as_tuple
from router.config.plan_tables import Forward, OnViolation
from router.config.section import Section
from router.config.units import OptionalRate


class SourcePrivacyConfig(Section):
    """`[source.privacy]`: personal data that is taken from calls before they are stored.

    Entries are dotted paths (`context.ip`) or ids (`userId`); `router.config.privacy_rules` knows which there are.
    """

    drop: tuple[str, ...] = Field(
        default=(),
        description="Removes values before the event is stored. The router keeps no copy of them.",
        examples=[["context.ip", "properties.password"]],
    )
    hash: tuple[str, ...] = Field(
        default=(),
        description="Replaces values by a hash with `privacy.key` before the event is stored. Ids can be hashed too.",
        examples=[["traits.phone", "userId"]],
    )


class SourceConfig(Section):
    """One `[[source]]`: who sends, and its credentials."""

    name: Name = Field(
        description="Name of the source in logs, metrics and commands. Unique; `a` to `z`, `0` to `9`, `_` and `-`.",
        examples=["website"],
    )
    write_keys: Annotated[tuple[WriteKey, ...], BeforeValidator(as_tuple), Field(min_length=1)] = Field(
        alias="write_key",
        repr=False,
        description="The write key, or a list of keys while you rotate them.",
        examples=[["new_key", "old_key"]],
    )
    kind: Literal["segment", "segment-webhook"] = Field(
        default="segment",
        description="`segment-webhook` accepts what Segment's Webhooks destination sends.",
        examples=["segment-webhook"],
    )
    enabled: StrictBool = Field(
        default=True,
        description="`false`: calls are answered 200 and dropped; `discards` counts them.",
        examples=[False],
    )
    rate: OptionalRate = Field(
        default=None,
        description="Rate limit in calls; every stored call of a batch counts. Above it the answer is 429.",
        examples=["1000/s"],
    )
    origins: tuple[Origin, ...] = Field(
        default=("*",),
        description="Origins of web pages that may send; other pages get 403. `*` allows all.",
        examples=[["https://www.example.com"]],
    )
    strict: StrictBool = Field(
        default=False,
        description="`true`: a single call that cannot be used is answered 400 instead of being discarded with 200.",
        examples=[True],
    )
    secrets: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=(),
        repr=False,
        description="Shared secrets of a `segment-webhook` source. Each request must be signed with one of them. Empty:"
        " signatures are not checked.",
        examples=[[{"file": "secrets/webhook"}]],
    )
    plan: Annotated[
        tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(as_tuple), one_or_many(**FILLED)
    ] = Field(
        default=(),
        description="The file of a tracking plan, relative to config.toml, or a list of files that are one plan. See"
        " [tracking plans](tracking-plans.md).",
        examples=["plans/acme.json"],
    )
    on_violation: OnViolation = OnViolation()
    forward: Forward = Forward()
    privacy: SourcePrivacyConfig = SourcePrivacyConfig()
