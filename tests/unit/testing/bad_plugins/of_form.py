"""Bad plugins: form, settings and facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, model_validator

from router.plugin import Context, Event, Field, UserId, hookimpl
from tests.unit.testing.bad_plugins.good import Base, Good, GoodSettings


class OfAnotherVersion(Good):
    caught_by = "version"
    api_version = 9


class WithoutModel(Good):
    caught_by = "settings_model"
    settings_model = dict


class WithAnotherParameter(Good):
    caught_by = "hooks"

    @hookimpl
    def track(self, evnt: Event, context: Context) -> Any:
        return self.item(evnt, context)


class NotToBeMade(Good):
    caught_by = "instance"

    def __init__(self, settings: GoodSettings) -> None:
        raise LookupError("no such region")


class WithoutItemVersion(Good):
    caught_by = "facts"
    item_version = 0


class LenientSettings(GoodSettings):
    model_config = ConfigDict(extra="ignore")


class IgnoresWhatItDoesNotKnow(Good):
    caught_by = "unknown_setting_refused"
    settings_model = LenientSettings


class FragileSettings(GoodSettings):
    @model_validator(mode="before")
    @classmethod
    def _without_slash(cls, given: Any) -> Any:
        return {**given, "base_url": str.rstrip(given.get("base_url", "https://good.example.com"), "/")}


class FailsAtOddSettings(Good):
    caught_by = "bad_settings_refused"
    settings_model = FragileSettings


class LooseSettings(GoodSettings):
    model_config = ConfigDict(frozen=False)


class HasSettingsThatChange(Good):
    caught_by = "settings_frozen"
    settings_model = LooseSettings


class SettingsWithBadDefault(GoodSettings):
    retries: int = Field(default=-1, ge=0, description="How often.")


class HasABadDefault(Good):
    caught_by = "defaults_are_settings"
    settings_model = SettingsWithBadDefault


class TerseSettings(GoodSettings):
    region: str = "eu"


class SaysLittleOfItsSettings(Good):
    caught_by = "settings_described"
    settings_model = TerseSettings


class TrustingSettings(GoodSettings):
    def model_post_init(self, context: Any, /) -> None:
        pass


class TakesAnyAddress(Good):
    caught_by = "bad_address_refused"
    settings_model = TrustingSettings


class OpenSettings(GoodSettings):
    api_key: str = Field(default="", description="A key.")


class HasAnOpenKey(Good):
    caught_by = "secrets_typed"
    settings_model = OpenSettings


class Nameless(Good):
    caught_by = "names_listed"
    display_names = ()


class OfNoVersion(Base):
    caught_by = "version_named"


class OfTooOldAVersion(Good):
    caught_by = "version_covers_hooks"
    api_version = 1


class RequiresForNoHook(Good):
    caught_by = "requires_hooked"
    requires: Mapping[str, tuple[UserId, ...]] = {"page": (UserId(),)}
