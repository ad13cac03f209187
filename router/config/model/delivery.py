"""`[destination.delivery]`, `[destination.hold]` and `[destination.dead]`: how it is sent, and bounds of what waits or is dead."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictInt

from router.config.model.values import DAY_S, HOUR_S, Positive, Requirement, at_most
from router.config.section import Section
from router.config.units import Bytes, OptionalRate, Seconds


class DeliveryConfig(Section):
    """`[destination.delivery]`: how it is sent."""

    concurrency: Annotated[StrictInt, Field(ge=1, le=1000)] = Field(
        default=10,
        description="Requests in flight at a time. Events of one user are always sent one after the other.",
        examples=[20],
    )
    timeout_s: Annotated[Seconds, Field(gt=0), at_most(600)] = Field(
        default=10.0, alias="timeout", description="Timeout of one attempt. At most 600 s.", examples=["30s"]
    )
    max_age_s: Annotated[Seconds, Field(gt=0)] = Field(
        default=72 * HOUR_S,
        alias="max_age",
        description="How long one event is retried before it becomes a dead letter (`expired`). Pauses do not count.",
        examples=["24h"],
    )
    rate: OptionalRate = Field(default=None, description="Rate limit in requests.", examples=["100/s"])
    linger_s: Annotated[Seconds, at_most(5)] = Field(
        default=0.0,
        alias="linger",
        description="How long to wait for a fuller batch, at most 5 s. `0s`: the plugin decides. One user gets at most one event"
        " in this time.",
        examples=["500ms"],
    )
    shards: Annotated[StrictInt, Field(ge=1, le=64)] = Field(
        default=1,
        description="Into how many parts the destination is split: 1, 2, 4, ... 64. Each has its own users, and any node may deliver it. Only with a"
        " database as the store, and for plugins without a gate and without state. Each takes its share of `concurrency` and of `rate`.",
        examples=[4],
        json_schema_extra={"enum": [1, 2, 4, 8, 16, 32, 64]},
    )
    isolation: Literal["loop", "thread"] = Field(
        default="loop",
        description="Where the plugin's hooks run: `loop`, in the event loop of all destinations; `thread`, in their own thread.",
        examples=["thread"],
    )
    slow_hooks: Literal["thread", "pause"] = Field(
        default="thread",
        description="What happens if hooks block the event loop for 0.1 s five times in a minute, or one had to be interrupted: `thread` moves the destination"
        " to its own thread, `pause` pauses it.",
        examples=["pause"],
    )


class HoldConfig(Section):
    """`[destination.hold]`: bounds of what waits for its group."""

    max_age_s: Annotated[Seconds, Field(gt=0)] = Field(
        default=30 * DAY_S,
        alias="max_age",
        description="How long an event is held before it becomes a dead letter (`hold_expired`).",
        examples=["7d"],
    )
    max_events_per_user: Positive = Field(
        default=10_000,
        description="Held events per user; further ones become dead letters (`hold_full`). It also limits the events that"
        " wait behind a retried event of the same user: at the limit the retried event is given up (`expired`).",
        examples=[5000],
    )
    max_bytes: Annotated[Bytes, Field(gt=0)] = Field(
        default=1_000_000_000,
        description="Total size of waiting events at the destination; further held events become dead letters (`hold_full`)."
        " It also limits events behind a retry, as above.",
        examples=["4GB"],
    )
    require: tuple[Requirement, ...] = Field(
        default=(),
        description="What must be known of the group before track, page and screen events are sent, in addition to what the"
        " plugin requires: `group.id`, or `group.` and a trait.",
        examples=[["group.id", "group.plan"]],
    )


class DeadConfig(Section):
    """`[destination.dead]`: bounds of the dead letters."""

    max_age_s: Annotated[Seconds, Field(gt=0)] = Field(
        default=90 * DAY_S,
        alias="max_age",
        description="How long dead letters are kept for replay. Their events stay `dead` afterwards.",
        examples=["30d"],
    )
    max_bytes: Annotated[Bytes, Field(gt=0)] = Field(
        default=1_000_000_000,
        description="Total size of dead letters. Above it the oldest are deleted (`letters_dropped`); their events stay `dead`.",
        examples=["200MB"],
    )
