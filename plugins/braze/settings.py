"""What `[destination.settings]` of a Braze destination may hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from router.plugin import Field, SecretStr, Settings

MAX_OBJECTS = 75
"""Objects in one request over all three arrays. Source: https://www.braze.com/docs/api/endpoints/user_data/post_user_track"""


class BrazeSettings(Settings):
    """Settings of a Braze destination. The names that they have at Segment are understood too."""

    old_names: ClassVar[Mapping[str, str]] = {
        "apiKey": "api_key",
        "appId": "app_id",
        "updateExistingOnly": "update_existing_only",
        "trackAllPages": "track_all_pages",
        "trackNamedPages": "track_named_pages",
    }

    api_key: SecretStr = Field(
        title="REST API Key",
        json_schema_extra={"where": "Braze: Settings, APIs and Identifiers. It needs the permission users.track."},
        min_length=1,
        description="A REST API key with the permission users.track.",
    )
    app_id: str = Field(
        title="App Identifier",
        json_schema_extra={"where": "Braze: Settings, APIs and Identifiers. Needed for app filters only."},
        default="",
        description="The app's identifier, put on events and purchases. Empty: left out.",
    )
    base_url: str = Field(
        title="REST Endpoint",
        json_schema_extra={
            "where": "The same page; e.g. https://rest.fra-01.braze.eu where the dashboard is dashboard-01.braze.eu. Not the address of the dashboard."
        },
        default="https://rest.iad-01.braze.com",
        pattern=r'^https?://[!-"$-~]+$',
        description="The REST endpoint of your Braze instance.",
    )
    update_existing_only: bool = Field(
        title="Update existing only",
        default=False,
        description="Never create a profile: calls of unknown users are ignored.",
    )
    track_all_pages: bool = Field(
        title="Track all pages", default=False, description="Send every page and screen call as an event."
    )
    track_named_pages: bool = Field(
        title="Track named pages", default=False, description="Send page and screen calls that have a name as events."
    )
    max_objects: int = Field(
        title="Objects in a request",
        default=MAX_OBJECTS,
        ge=1,
        le=MAX_OBJECTS,
        description="Attributes, events and purchases in one request, counted together.",
    )
    purchase_properties: bool = Field(
        title="Purchase properties",
        default=False,
        description="Send the remaining fields of a product as properties of its purchase.",
    )
    anonymous_alias_label: str = Field(
        title="Alias label of anonymous users",
        default="",
        description="Send calls with only an anonymousId to the profile that has it as an alias of this label, and merge that"
        " profile into the user's profile at their identify; needs the permission users.identify. Empty: such calls are skipped.",
    )
    merge_on_alias: bool = Field(
        title="Merge on alias",
        default=False,
        description="An alias call merges the profile of its previousId into that of its userId; needs the permission users.merge.",
    )
    drop_repeats: bool = Field(
        title="Drop repeats",
        default=False,
        description="Skip an identify that equals the previous identify of the user.",
    )
