"""`[[destination.filters]]`: the tables. Their keys are those of a destination filter in Segment's Public API, so that an
export can be pasted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool

from router.config.section import Section

Names = Annotated[tuple[str, ...], Field(min_length=1)]


class FilterAction(Section):
    """What a filter does with the events for which its `if` holds."""

    type: Literal["DROP", "SAMPLE", "DROP_PROPERTIES", "ALLOW_PROPERTIES"]
    percent: Annotated[float, Field(ge=0, le=1)] | None = None  #: of SAMPLE: the share that goes on
    path: str = ""  #: of SAMPLE: the field whose value decides; "": each event by itself
    fields: Mapping[str, Names] = {}  #: of the other two: names of keys, by the dotted path of their object


class FilterTable(Section):
    """One filter. The keys that Segment adds to an export are read and mean nothing here."""

    title: Annotated[str, Field(min_length=1)]
    condition: Annotated[str, Field(alias="if")]
    actions: Annotated[tuple[FilterAction, ...], Field(min_length=1)]
    enabled: StrictBool = True
    id: Any = None
    source_id: Any = Field(default=None, alias="sourceId")
    destination_id: Any = Field(default=None, alias="destinationId")
    description: Any = None
    created_at: Any = Field(default=None, alias="createdAt")
    updated_at: Any = Field(default=None, alias="updatedAt")
