"""Settings that a plugin refuses are named, and no value of a secret is told."""

from __future__ import annotations

from pydantic import BaseModel, SecretStr, field_validator, model_validator

from router.segment_import.settings import convert_settings


class Quoting(BaseModel):
    """Its words quote what they refuse."""

    api_key: SecretStr = SecretStr("")
    region: str = ""

    @field_validator("api_key")
    @classmethod
    def is_no_key(cls, value: SecretStr) -> SecretStr:
        raise ValueError(f"{value.get_secret_value()} is no key")

    @field_validator("region")
    @classmethod
    def is_no_region(cls, value: str) -> str:
        raise ValueError(f"{value} is no region")


class Together(BaseModel):
    """Refuses its settings as a whole."""

    api_key: SecretStr = SecretStr("")
    region: str = ""

    @model_validator(mode="after")
    def belong_together(self) -> Together:
        if self.api_key.get_secret_value() and self.region:
            raise ValueError(f"{self.api_key.get_secret_value()} is not of {self.region}")
        return self


def test_of_a_secret_that_is_refused_no_value_is_told() -> None:
    assert convert_settings(Quoting, {"api_key": "pa55"}).notes == ["setting api_key: the plugin refuses it"]


def test_of_another_setting_the_words_of_the_plugin_are_told() -> None:
    assert convert_settings(Quoting, {"region": "moon"}).notes == ["setting region: moon is no region"]


def test_what_is_refused_together_with_a_secret_tells_no_value_either() -> None:
    found = convert_settings(Together, {"region": "moon", "api_key": "pa55"})
    assert found.notes == ["setting region: the plugin refuses it"]
    assert found.secrets == {"api_key": "pa55"}
