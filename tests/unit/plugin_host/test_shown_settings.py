"""What people are shown of a destination's settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.plugin_host import read
from router.plugin_host.shown_settings import ShownSetting, shown_settings

PLUGIN = """
from router.plugin import Event, Context, Item, Request, SecretStr, Settings, hookimpl, json_request
from pydantic import Field

class S(Settings):
    api_key: SecretStr = Field(description="The key of the tool.")
    base_url: str = "https://tool.example"
    labels: list[str] = []
    other: SecretStr | None = None
    header: str = ""

class Tool:
    settings_model = S
    def __init__(self, settings: S) -> None: ...
    @hookimpl
    def track(self, event: Event, context: Context) -> Item:
        return Item({})
    @hookimpl
    def request(self, items: list[Item]) -> Request:
        return json_request("https://tool.example", [])

"""


def shown(folder: Path, settings: str, environ: dict[str, str]) -> dict[str, ShownSetting]:
    plugins = folder / "plugins.d"
    plugins.mkdir()
    (plugins / "tool.py").write_text(PLUGIN)
    config = folder / "config.toml"
    config.write_text(
        f'plugins_dir = "{plugins}"\n[[source]]\nname = "website"\nwrite_key = "wk_website"\n'.replace("\\\n", "\n")
        + f'[[destination]]\nname = "tool"\nplugin = "tool"\n[destination.settings]\n{settings}\n'.replace("\\\n", "\n")
    )
    loaded, [destination] = read(config, environ)
    return {one.name: one for one in shown_settings(destination, loaded.destinations[0])}


def test_a_secret_is_named_by_its_place_and_never_shown(tmp_path: Path) -> None:
    found = shown(tmp_path, 'api_key = { env = "TOOL_KEY" }\nlabels = ["a"]', {"TOOL_KEY": "a-long-secret"})
    assert found["api_key"] == ShownSetting("api_key", "The key of the tool.", "***", "env TOOL_KEY")
    assert found["labels"] == ShownSetting("labels", "", '["a"]', "config.toml")
    assert found["base_url"] == ShownSetting("base_url", "", "https://tool.example", "default")
    assert found["other"].value == "", "nothing is given, so nothing looks set"


def test_a_secret_in_the_file_itself_is_masked(tmp_path: Path) -> None:
    assert shown(tmp_path, 'api_key = "a-long-secret"', {})["api_key"][2:] == ("***", "config.toml")


@pytest.mark.parametrize("value", ['{ env = "TOOL_KEY" }', '"Bearer a-long-secret"'])
def test_text_that_holds_a_secret_is_masked_where_it_stands(tmp_path: Path, value: str) -> None:
    settings = f'api_key = {{ env = "TOOL_KEY" }}\nheader = {value}'
    assert "a-long-secret" not in shown(tmp_path, settings, {"TOOL_KEY": "a-long-secret"})["header"].value
