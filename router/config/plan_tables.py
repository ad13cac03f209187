"""`[source.on_violation]` and `[source.forward]`: what becomes of calls that do not fit the tracking plan of their source."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from router.config.section import Section
from router.plans import Policy, Reaction


class CallReaction(Section):
    """What becomes of identify or group calls."""

    unplanned_properties: Literal["allow", "omit"] = "allow"
    violations: Reaction = "allow"
    common_violations: Reaction = "allow"


class TrackReaction(CallReaction):
    """What becomes of track calls."""

    unplanned_events: Literal["allow", "block"] = "allow"


class PageReaction(Section):
    """What becomes of page or screen calls: a key that is left out is that of track."""

    unplanned_properties: Literal["allow", "omit"] | None = None
    violations: Reaction | None = None
    common_violations: Reaction | None = None


_TRACK = {
    "unplanned_events": "block",
    "unplanned_properties": "omit",
    "violations": "omit",
    "common_violations": "block",
}


class OnViolation(Section):
    """`[source.on_violation]`, by type of call."""

    track: TrackReaction = Field(
        default=TrackReaction(),
        description="What happens to track calls: `unplanned_events` (`allow` or `block`), `unplanned_properties` (`allow` or"
        " `omit`), `violations` and `common_violations` (`allow`, `omit` or `block`).",
        examples=[_TRACK],
    )
    identify: CallReaction = Field(
        default=CallReaction(),
        description="The same for identify calls, without `unplanned_events`.",
        examples=[{"unplanned_properties": "omit", "violations": "allow"}],
    )
    group: CallReaction = Field(
        default=CallReaction(), description="The same for group calls.", examples=[{"violations": "block"}]
    )
    page: PageReaction = Field(
        default=PageReaction(),
        description="The same for page calls. A key that is left out is that of `track`.",
        examples=[{"violations": "allow"}],
    )
    screen: PageReaction = Field(
        default=PageReaction(),
        description="The same for screen calls. A key that is left out is that of `track`.",
        examples=[{"violations": "allow"}],
    )

    def policies(self) -> dict[str, Policy]:
        """What the check of a call is told, by type of call."""
        track = self.track.model_dump()
        return {
            "track": Policy(**track),
            "identify": Policy(**self.identify.model_dump()),
            "group": Policy(**self.group.model_dump()),
            "page": Policy(**{**track, **self.page.model_dump(exclude_none=True)}),
            "screen": Policy(**{**track, **self.screen.model_dump(exclude_none=True)}),
        }


class Forward(Section):
    """`[source.forward]`."""

    violations: str = Field(
        default="",
        description='Name of another source that gets each violation as a track event "Violation Generated".',
        examples=["quality"],
    )
    blocked: str = Field(
        default="",
        description="Name of another source that gets the blocked events themselves.",
        examples=["quarantine"],
    )
