"""`[destination.mapping]`: changes to traits and properties before the plugin sees them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from router.config.model.values import Positive, quoted
from router.config.section import Section


class MappingConfig(Section):
    """`[destination.mapping]`: changes to traits and properties before the plugin sees them, made in this order.

    Keys and entries are dotted paths (`properties.area`); `router.config.mapping_rules` knows which there are.
    """

    rename: Annotated[Mapping[str, str], BeforeValidator(quoted)] = Field(
        default={}, description="Applied first: moves values to other paths.", examples=[{"group.title": "group.name"}]
    )
    drop: tuple[str, ...] = Field(
        default=(), description="Applied after `rename`: removes values.", examples=[["properties.password"]]
    )
    set: Mapping[str, Any] = Field(
        default={},
        description="Applied after `drop`: sets constants (text, number, true, false, list or table).",
        examples=[{"properties.product": "shop"}],
    )
    type: Annotated[Mapping[str, Literal["text", "number", "date", "bool"]], BeforeValidator(quoted)] = Field(
        default={},
        description="Applied after `set`: converts values to `text`, `number`, `date` or `bool`.",
        examples=[{"properties.amount": "number"}],
    )
    default: Mapping[str, Any] = Field(
        default={}, description="Applied after `type`: sets missing values.", examples=[{"properties.plan": "free"}]
    )
    max_length: Annotated[Mapping[str, Positive], BeforeValidator(quoted)] = Field(
        default={},
        description="Applied after `default`: cuts text to this number of characters.",
        examples=[{"properties.note": 255}],
    )
    hash: tuple[str, ...] = Field(
        default=(),
        description="Applied after `max_length`: replaces values by a hash with `privacy.key`.",
        examples=[["user.email"]],
    )
    only: tuple[str, ...] = Field(
        default=(),
        description="Applied last: of each root that it names (`properties`, `user`, `group`), keeps nothing else.",
        examples=[["properties.plan"]],
    )
    event_names: Mapping[str, str | Literal[False]] = Field(
        default={},
        description="Renames track events, or drops them (`false`).",
        examples=[{"Signed Up": "Signup", "Heartbeat": False}],
    )

    @field_validator("event_names", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        names = value.items() if isinstance(value, dict) else ()
        faults = [f'"{name}": write the new name between quotes, or false to drop events of this name'
                  for name, other in names if other is not False and not isinstance(other, str)]  # fmt: skip
        if faults:
            raise ValueError("\n".join(faults))
        return value
