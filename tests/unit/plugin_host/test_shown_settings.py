"""What people are shown of a destination's settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.plugin_host import read
from router.plugin_host.shown_settings import ShownSetting, shown_settings

PLUGIN = """
from router.plugin import Event, Context, Item, Request, SecretStr, Settings, hookimpl, json_request
from pydantic import Field

class Deep(Settings):
    n: int = 1
    hook: str = Field(default="", repr=False)

class S(Settings):
    api_key: SecretStr = Field(description="The key of the tool.")
    base_url: str = "https://tool.example"
    labels: list[str] = []
    other: SecretStr | None = None
    header: str = ""
    hook: str = Field(default="https://tool.example/hook", repr=False)
    deep: dict[str, Deep] = {}

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


def shown(folder: Path, settings: str, environ: dict[str, str], mode: str = "live") -> dict[str, ShownSetting]:
    plugins = folder / "plugins.d"
    plugins.mkdir()
    (plugins / "tool.py").write_text(PLUGIN)
    config = folder / "config.toml"
    config.write_text(
        f'plugins_dir = "{plugins}"\n[[source]]\nname = "website"\nwrite_key = "wk_website"\n'.replace("\\\n", "\n")
        + f'[[destination]]\nname = "tool"\nplugin = "tool"\nmode = "{mode}"\n[destination.settings]\n{settings}\n'.replace(
            "\\\n", "\n"
        )
    )
    loaded, [destination] = read(config, environ)
    return {one.name: one for one in shown_settings(destination, loaded.destinations[0])}


def test_a_secret_is_named_by_its_place_and_never_shown(tmp_path: Path) -> None:
    found = shown(tmp_path, 'api_key = { env = "TOOL_KEY" }\nlabels = ["a"]', {"TOOL_KEY": "a-long-secret"})
    assert found["api_key"] == ShownSetting("api_key", "The key of the tool.", "***", "env TOOL_KEY")
    assert found["labels"] == ShownSetting("labels", "", '["a"]', "config.toml")
    assert found["base_url"] == ShownSetting("base_url", "", "https://tool.example", "default")
    assert found["other"].value == "", "nothing is given, so nothing looks set"


def test_a_secret_that_is_not_there_is_not_shown_as_set(tmp_path: Path) -> None:
    found = shown(tmp_path, 'api_key = { env = "TOOL_KEY" }', {}, mode="dry-run")
    assert found["api_key"][2:] == ("", "env TOOL_KEY")


def test_a_secret_in_the_file_itself_is_masked(tmp_path: Path) -> None:
    assert shown(tmp_path, 'api_key = "a-long-secret"', {})["api_key"][2:] == ("***", "config.toml")


def test_what_the_plugin_marks_as_not_to_be_shown_is_masked_and_its_default_is_not(tmp_path: Path) -> None:
    settings = 'api_key = "another-secret"\nhook = "https://tool.example/in/a-long-secret"\ndeep.a = { hook = "a-long-secret", n = 2 }'
    found = shown(tmp_path, settings, {})
    assert found["hook"][2:] == ("***", "config.toml")
    assert found["deep"].value == '{"a":{"n":2,"hook":"***"}}'


def test_an_unmarked_default_of_a_marked_setting_is_shown(tmp_path: Path) -> None:
    assert shown(tmp_path, 'api_key = "another-secret"', {})["hook"][2:] == ("https://tool.example/hook", "default")


@pytest.mark.parametrize("value", ['{ env = "TOOL_KEY" }', '"Bearer a-long-secret"'])
def test_text_that_holds_a_secret_is_masked_where_it_stands(tmp_path: Path, value: str) -> None:
    settings = f'api_key = {{ env = "TOOL_KEY" }}\nheader = {value}'
    assert "a-long-secret" not in shown(tmp_path, settings, {"TOOL_KEY": "a-long-secret"})["header"].value
