"""Old names of a plugin's settings: understood, told to the operator, and refused beside the present name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import SecretStr

from router.errors import ConfigError
from router.plugin import Settings
from router.plugin_host import Destination, read


@pytest.fixture
def built(tmp_path: Path) -> Callable[[str], tuple[list[str], Destination]]:
    """Builds a ClientSuccess or Braze destination from the lines behind its plugin; its warnings, and itself."""

    def build(lines: str) -> tuple[list[str], Destination]:
        path = tmp_path / "config.toml"
        path.write_text(f'[[source]]\nname = "website"\nwrite_key = "k"\n[[destination]]\nname = "d"\n{lines}')
        path.chmod(0o600)
        config, (destination,) = read(path, {"KEY": "from the environment"})
        return [str(warning) for warning in config.warnings], destination

    return build


def settings_of(destination: Destination) -> dict[str, Any]:
    return dict(destination.settings)


def test_segment_s_names_of_braze_s_settings_are_understood_and_told(built: Any) -> None:
    warnings, found = built(
        'plugin = "braze"\n[destination.settings]\napiKey = { env = "KEY" }\nappId = "A1"\ntrackAllPages = true\n'
    )
    settings = settings_of(found)
    assert settings["api_key"] == SecretStr("from the environment")
    assert (settings["app_id"], settings["track_all_pages"]) == ("A1", True)
    assert warnings == [
        'd: settings.apiKey: an old name; write "api_key"',
        'd: settings.appId: an old name; write "app_id"',
        'd: settings.trackAllPages: an old name; write "track_all_pages"',
    ]


def test_a_secret_under_an_old_name_is_masked(built: Any) -> None:
    _, found = built('plugin = "braze"\nsettings = { apiKey = "pa55word" }\n')
    assert found.redact("Bearer pa55word") == "Bearer ***"


def test_present_names_are_not_warned_of(built: Any) -> None:
    warnings, _ = built('plugin = "clientsuccess"\nsettings = { project_id = "P", api_key = "K" }\n')
    assert warnings == []


def test_both_names_at_once_are_refused_by_naming_both(built: Any) -> None:
    with pytest.raises(ConfigError) as refused:
        built('plugin = "clientsuccess"\nsettings = { project_id = "P", apiSecret = "S", api_key = "K" }\n')
    assert refused.value.problems == [
        "destination[0] (d).settings: project_id and apiSecret are one setting; keep project_id only"
    ]


def test_two_old_names_of_one_setting_are_refused(built: Any) -> None:
    with pytest.raises(ConfigError, match="source_id and trackingId are one setting; keep project_id only"):
        built('plugin = "clientsuccess"\nsettings = { source_id = "P", trackingId = "S", api_key = "K" }\n')


def test_a_time_out_in_the_settings_is_that_of_the_delivery(built: Any) -> None:
    table = 'plugin = "clientsuccess"\n[destination.settings]\nproject_id = "P"\napi_key = "K"\ntimeout_seconds = 2.5\n'
    warnings, found = built(table)
    assert found.config.delivery.timeout_s == 2.5
    assert warnings == ["d: settings.timeout_seconds: an old name; write timeout in [destination.delivery]"]
    with pytest.raises(ConfigError, match=r"delivery\.timeout and settings\.timeout_seconds are one setting"):
        built(f'{table}[destination.delivery]\ntimeout = "10s"\n')


def test_without_a_time_out_in_the_settings_the_delivery_s_stays(built: Any) -> None:
    table = 'plugin = "clientsuccess"\nsettings = { project_id = "P", api_key = "K" }\n'
    _, found = built(f'{table}[destination.delivery]\ntimeout = "7s"\n')
    assert found.config.delivery.timeout_s == 7.0


@pytest.mark.parametrize("given", [None, 7, "text", []])
def test_settings_that_are_no_table_are_left_to_the_model(given: Any) -> None:
    class Renamed(Settings):
        old_names: ClassVar[Mapping[str, str]] = {"was": "now"}
        now: int = 0

    with pytest.raises(ValueError, match="valid dictionary"):
        Renamed.model_validate(given)
