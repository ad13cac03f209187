"""`[[destination.filters]]`: the tables. Their keys are those of a destination filter in Segment's Public API, so that an
export can be pasted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, WithJsonSchema

from router.config.json_form import text
from router.config.section import Section

Names = Annotated[tuple[str, ...], Field(min_length=1)]


SHARE = "write the share that goes on as a number from 0 to 1, without quotes, e.g. 0.1 for one event in ten"


def _share(value: Any) -> Any:
    """A number from 0 to 1. Raises ValueError with the words the operator reads."""
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1):
        raise ValueError(SHARE)
    return value


_NUMBER = WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1})
Share = Annotated[float | None, BeforeValidator(_share), _NUMBER]


def _title(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty; the reason of a filtered event names it")
    return value


class FilterAction(Section):
    """What a filter does with the events for which its `if` holds."""

    type: Literal["DROP", "SAMPLE", "DROP_PROPERTIES", "ALLOW_PROPERTIES"]
    percent: Share = None  #: of SAMPLE: the share that goes on
    path: str = ""  #: of SAMPLE: the field whose value decides; "": each event by itself
    fields: Mapping[str, Names] = {}  #: of the other two: names of keys, by the dotted path of their object


class FilterTable(Section):
    """One filter. The keys that Segment adds to an export are read and mean nothing here."""

    title: Annotated[str, AfterValidator(_title), text(r"[\s\S]*\S[\s\S]*")]
    condition: Annotated[str, Field(alias="if")]
    actions: Annotated[tuple[FilterAction, ...], Field(min_length=1)]
    enabled: StrictBool = True
    id: Any = None
    source_id: Any = Field(default=None, alias="sourceId")
    destination_id: Any = Field(default=None, alias="destinationId")
    description: Any = None
    created_at: Any = Field(default=None, alias="createdAt")
    updated_at: Any = Field(default=None, alias="updatedAt")
