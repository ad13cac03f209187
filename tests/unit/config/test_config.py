"""config.toml is read as a whole: every problem is told at once, with key path, reason and remedy."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field, SecretStr, ValidationError

from router.config import (
    AdminConfig,
    DeadConfig,
    DeliveryConfig,
    DestinationConfig,
    Forward,
    HoldConfig,
    Listen,
    LogConfig,
    MappingConfig,
    OnViolation,
    Rate,
    SecretMissing,
    ServerConfig,
    SourceConfig,
    StoreConfig,
    load,
    problems_of,
    resolve_secret,
)
from router.errors import ConfigError

Write = Callable[[str], Path]

SOURCE = """
    [[source]]
    name = "website"
    write_key = "dev_website"
"""
DESTINATION = """
    [[destination]]
    name = "braze"
    plugin = "braze"
"""


def problems(path: Path, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, environ)
    return caught.value.problems


def keys_of(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


# ---- the shipped file is the reference


def test_shipped_config_loads_without_any_secret_and_warns_of_each(shipped: Path) -> None:
    config = load(shipped, {})
    assert [source.name for source in config.sources] == ["website"]
    assert config.sources[0].write_keys == ("dev_website",)
    assert [destination.name for destination in config.destinations] == ["clientsuccess", "freshsuccess", "braze"]
    assert {destination.mode for destination in config.destinations} == {"dry-run"}
    assert ("braze", "settings.api_key") in {(warning.where, warning.key) for warning in config.warnings}
    assert config.admin.token is None


def uncommented(words: str) -> str:
    """With the keys that stand there as comments, since they mean something only where they are set."""
    return re.sub(r"(?m)^#(?=\w+ = )", "", words)


def test_shipped_config_holds_every_key_there_is(shipped: Path) -> None:
    raw = tomllib.loads(uncommented(shipped.read_text(encoding="utf-8")))
    source, destination = raw["source"][0], raw["destination"][0]
    shown: dict[type[BaseModel], Any] = {
        ServerConfig: raw["server"],
        AdminConfig: raw["admin"],
        StoreConfig: raw["store"],
        LogConfig: raw["log"],
        SourceConfig: source,
        OnViolation: source["on_violation"],
        Forward: source["forward"],
        DestinationConfig: destination,
        DeliveryConfig: destination["delivery"],
        HoldConfig: destination["hold"],
        DeadConfig: destination["dead"],
        MappingConfig: destination["mapping"],
    }
    for model, table in shown.items():
        assert keys_of(model) == set(table), model.__name__


def test_shipped_values_are_the_defaults(shipped: Path) -> None:
    config = load(shipped, {})
    assert config.server == ServerConfig()
    assert config.admin == AdminConfig()
    assert config.log == LogConfig()
    assert config.store.model_dump(exclude={"url"}) == StoreConfig().model_dump(exclude={"url"})
    assert (config.sources[0].on_violation, config.sources[0].forward) == (OnViolation(), Forward())
    shown = config.destinations[0]
    assert (shown.delivery, shown.hold, shown.dead, shown.mapping) == (
        DeliveryConfig(),
        HoldConfig(),
        DeadConfig(),
        MappingConfig(),
    )


# ---- amounts


@pytest.mark.parametrize(
    ("text", "seconds"), [("250ms", 0.25), ("10s", 10), ("5m", 300), ("72h", 259_200), ("7d", 604_800), ("1.5h", 5400)]
)
def test_durations_become_seconds(text: str, seconds: float) -> None:
    assert HoldConfig.model_validate({"max_age": text}).max_age_s == seconds


@pytest.mark.parametrize("value", ["10", "ten seconds", "-1s", "10 parsecs", "", 10, True, None])
def test_what_is_no_duration_is_refused_with_an_example(value: object) -> None:
    with pytest.raises(ValidationError, match="10s"):
        HoldConfig.model_validate({"max_age": value})


@pytest.mark.parametrize(
    ("text", "size"), [("512MB", 512_000_000), ("1GB", 10**9), ("64MiB", 2**26), ("10 kb", 10_000)]
)
def test_sizes_become_bytes(text: str, size: int) -> None:
    assert StoreConfig.model_validate({"min_free": text}).min_free_bytes == size


@pytest.mark.parametrize("value", ["512", "512 apples", 512, [], ""])
def test_what_is_no_size_is_refused_with_an_example(value: object) -> None:
    with pytest.raises(ValidationError, match="512MB"):
        StoreConfig.model_validate({"min_free": value})


@pytest.mark.parametrize(
    ("text", "rate"), [("", None), ("100/s", Rate(100, 1)), ("1000/m", Rate(1000, 60)), ("5/h", Rate(5, 3600))]
)
def test_rates_are_a_count_and_a_span(text: str, rate: Rate | None) -> None:
    assert DeliveryConfig.model_validate({"rate": text}).rate == rate


@pytest.mark.parametrize("value", ["100", "0/s", "100/d", 100, "a/s"])
def test_what_is_no_rate_is_refused_with_an_example(value: object) -> None:
    with pytest.raises(ValidationError, match="100/s"):
        DeliveryConfig.model_validate({"rate": value})


@pytest.mark.parametrize(
    ("text", "listen", "loopback"),
    [
        ("127.0.0.1:8080", Listen("127.0.0.1", 8080), True),
        ("localhost:0", Listen("localhost", 0), True),
        ("[::1]:8080", Listen("::1", 8080), True),
        ("0.0.0.0:80", Listen("0.0.0.0", 80), False),
        ("[::]:80", Listen("::", 80), False),
        ("events.internal:80", Listen("events.internal", 80), False),
    ],
)
def test_listen_addresses_are_host_and_port(text: str, listen: Listen, loopback: bool) -> None:
    found = ServerConfig.model_validate({"listen": text}).listen
    assert (found, str(found), found.is_loopback) == (listen, text, loopback)


@pytest.mark.parametrize("value", ["8080", ":8080", "::1:8080", "host:99999", "host:", "[nope]:1", 8080, ""])
def test_what_is_no_address_is_refused_with_an_example(value: object) -> None:
    with pytest.raises(ValidationError, match=r"127\.0\.0\.1:8080"):
        ServerConfig.model_validate({"listen": value})


# ---- all problems at once


def test_every_problem_of_the_file_is_told_at_once(write_config: Write) -> None:
    path = write_config("""
        plugin_dir = "x"
        [server]
        listn = "x"
        [log]
        level = "loud"
        [[source]]
        name = "Web Site"
        write_key = "a:b"
        [[destination]]
        name = "one"
        plugin = "file"
        sources = ["Web Site"]
        [[destination]]
        name = "braze"
        plugin = "braze"
        sources = ["web"]
        enabled = "yes"
        [destination.delivery]
        timout = "10s"
        max_age = 3
    """)
    assert problems(path) == [
        'plugin_dir: unknown key "plugin_dir"; did you mean "plugins_dir"?',
        'server.listn: unknown key "listn"; did you mean "listen"?',
        'log.level: must be one of "debug", "info", "warning" or "error"',
        "source[0] (Web Site).name: not a name; use a to z, 0 to 9, _ and -, at most 64 of them",
        "source[0] (Web Site).write_key[0]: not a write key; use letters, digits and signs, without blanks and colons",
        "destination[1] (braze).enabled: write true or false, without quotes",
        "destination[1] (braze).delivery.max_age: not a duration; "
        'write a number and a unit (ms, s, m, h, d, w), e.g. "10s"',
        'destination[1] (braze).delivery.timout: unknown key "timout"; did you mean "timeout"?',
        'destination[1] (braze).sources[0]: unknown source "web"; there is Web Site',
    ]


def test_error_paths_show_the_key_of_the_file_and_not_the_attribute(write_config: Write) -> None:
    assert problems(write_config('[store]\nretention = "soon"\nmin_free = 1')) == [
        'store.retention: not a duration; write a number and a unit (ms, s, m, h, d, w), e.g. "10s"',
        'store.min_free: not a size; write a number and a unit (B, KB, MB, GB, TB, KiB, MiB, GiB), e.g. "512MB"',
    ]


def test_attribute_names_are_not_keys(write_config: Write) -> None:
    assert problems(write_config('[store]\nretention_s = "7d"')) == [
        'store.retention_s: unknown key "retention_s"; did you mean "retention"?'
    ]


def test_a_key_like_no_other_is_answered_with_those_there_are(write_config: Write) -> None:
    assert problems(write_config("[log]\nzzz = 1")) == ['log.zzz: unknown key "zzz"; there is decisions, format, level']


def test_a_plural_list_of_tables_is_recognised(write_config: Write) -> None:
    assert problems(write_config('[[destinations]]\nname = "a"')) == [
        'destinations: unknown key "destinations"; did you mean "destination"?'
    ]


def test_single_brackets_are_recognised(write_config: Write) -> None:
    assert problems(write_config('[source]\nname = "a"')) == [
        "source: there may be several, so write [[source]] with two brackets"
    ]


def test_broken_toml_is_told_with_line_and_column(write_config: Write) -> None:
    path = write_config("[server]\nlisten = = 1\n")
    (problem,) = problems(path)
    assert problem.startswith(f"{path}: line 2, column 10: ")


def test_a_missing_file_is_told_with_its_path(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path / "nope.toml")
    assert problem == f"{tmp_path / 'nope.toml'}: there is no such file; name it with --config FILE"


def test_a_file_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b'plugins_dir = "\xff"')
    (problem,) = problems(tmp_path / "config.toml")
    assert "not UTF-8" in problem


def test_values_never_appear_in_problems(write_config: Write) -> None:
    path = write_config('[admin]\ntoken = 123456\n[[source]]\nname = "a"\nwrite_key = "hidden key"')
    assert "123456" not in str(problems(path))
    assert "hidden" not in str(problems(path))


def test_values_never_appear_in_the_text_of_a_config(write_config: Write) -> None:
    path = write_config(SOURCE + '[admin]\ntoken = "t0ken"' + DESTINATION + 'settings = { api_key = { env = "K" } }')
    text = repr(load(path, {"K": "s3cret"}))
    assert "t0ken" not in text
    assert "s3cret" not in text
    assert "dev_website" not in text


# ---- the tables held against each other


def test_names_are_unique(write_config: Write) -> None:
    assert problems(write_config(SOURCE + DESTINATION + DESTINATION)) == [
        "destination[1] (braze).name: already the name of destination[0] (braze); give each its own"
    ]


def test_a_destination_cannot_be_called_all(write_config: Write) -> None:
    (problem,) = problems(write_config(SOURCE + '[[destination]]\nname = "all"\nplugin = "file"'))
    assert problem.startswith("destination[0] (all).name: ")


def test_a_write_key_belongs_to_one_source(write_config: Write) -> None:
    path = write_config(SOURCE + '[[source]]\nname = "app"\nwrite_key = ["k2", "dev_website"]')
    assert problems(path) == ['source[1] (app).write_key: also a key of source "website"; give each its own']


def test_write_keys_are_text_or_secrets_or_a_list_of_both(write_config: Write) -> None:
    path = write_config('[[source]]\nname = "a"\nwrite_key = ["k1", { env = "KEY" }]')
    assert load(path, {"KEY": "k2"}).sources[0].write_keys == ("k1", "k2")


def test_a_missing_write_key_secret_is_a_problem(write_config: Write) -> None:
    path = write_config('[[source]]\nname = "a"\nwrite_key = { env = "KEY" }')
    assert problems(path) == [
        "source[0] (a).write_key: the environment variable KEY is not set; set it before the start"
    ]


def test_no_source_at_all_is_a_warning(write_config: Write) -> None:
    (warning,) = load(write_config(""), {}).warnings
    assert (warning.where, warning.key, warning.event) == ("", "source", "config_warned")


def test_two_listeners_cannot_share_an_address(write_config: Write) -> None:
    path = write_config(SOURCE + '[server]\nlisten = "127.0.0.1:1"\n[admin]\nlisten = "127.0.0.1:1"')
    assert problems(path) == ["admin.listen: 127.0.0.1:1 is also server.listen; give each a port of its own"]


def test_the_dedupe_window_is_at_most_the_retention(write_config: Write) -> None:
    path = write_config(SOURCE + '[store]\nretention = "1h"')
    assert problems(path) == ["store.dedupe_window: longer than store.retention; make it at most as long"]


# ---- store and paths


def test_the_store_is_relative_to_the_file(write_config: Write, tmp_path: Path) -> None:
    assert load(write_config(SOURCE), {}).store.path == tmp_path / "var/router.db"


def test_the_store_is_relative_to_the_state_directory_where_there_is_one(write_config: Write) -> None:
    config = load(write_config(SOURCE), {"STATE_DIRECTORY": "/var/lib/segment-router"})
    assert config.store.path == Path("/var/lib/segment-router/var/router.db")


def test_an_absolute_store_stays_where_it_is(write_config: Write) -> None:
    path = write_config(SOURCE + '[store]\nurl = "sqlite:/data/r.db"')
    assert load(path, {"STATE_DIRECTORY": "/state"}).store.path == Path("/data/r.db")


@pytest.mark.parametrize("url", ["router.db", "sqlite:", "sqlite::memory:", "sqlite:///x.db", "mysql://x"])
def test_other_store_urls_are_refused_with_an_example(write_config: Write, url: str) -> None:
    (problem,) = problems(write_config(f'[store]\nurl = "{url}"'))
    assert problem.startswith("store.url: not a store; ")


def test_a_plugins_dir_must_be_there(write_config: Write, tmp_path: Path) -> None:
    (problem,) = problems(write_config('plugins_dir = "plug"'))
    assert problem.startswith(f"plugins_dir: there is no folder {tmp_path / 'plug'}; ")
    (tmp_path / "plug").mkdir()
    assert load(write_config('plugins_dir = "plug"'), {}).plugins_dir == tmp_path / "plug"


# ---- the admin token


def test_an_unset_admin_token_on_loopback_means_none(write_config: Write) -> None:
    config = load(write_config(SOURCE + '[admin]\ntoken = { env = "T" }'), {})
    assert config.admin.token is None
    assert config.warnings == ()


@pytest.mark.parametrize("token", ["", 'token = ""', 'token = { env = "T" }'])
def test_off_loopback_a_token_is_required(write_config: Write, token: str) -> None:
    (problem,) = problems(write_config(f'[admin]\nlisten = "0.0.0.0:81"\n{token}'))
    assert problem.startswith("admin.token: required, because 0.0.0.0:81 can be reached from outside; ")


def test_a_token_file_that_is_not_there_is_a_problem_also_on_loopback(write_config: Write) -> None:
    (problem,) = problems(write_config('[admin]\ntoken = { file = "token" }'))
    assert problem.startswith("admin.token: there is no file ")


def test_the_token_is_read(write_config: Write) -> None:
    config = load(write_config('[admin]\nlisten = "0.0.0.0:81"\ntoken = { env = "T" }'), {"T": "abc"})
    assert config.admin.token == "abc"


# ---- secrets


def test_a_missing_secret_of_a_live_destination_is_a_problem(write_config: Write) -> None:
    path = write_config(SOURCE + DESTINATION + 'settings = { api_key = { env = "K" } }')
    assert problems(path) == [
        "destination[0] (braze).settings.api_key: the environment variable K is not set; set it before the start"
    ]


@pytest.mark.parametrize(
    ("state", "idle"), [('mode = "dry-run"', "mode is dry-run"), ("enabled = false", "it is disabled")]
)
def test_a_missing_secret_of_a_destination_that_does_not_send_is_a_warning(
    write_config: Write, state: str, idle: str
) -> None:
    path = write_config(SOURCE + DESTINATION + state + '\nsettings = { deep = { api_key = [{ env = "K" }] } }')
    config = load(path, {})
    (warning,) = config.warnings
    words = f"the environment variable K is not set: not needed while {idle}; set it before going live"
    assert warning == ("braze", "settings.deep.api_key[0]", words, "secret_missing")
    (secret,) = config.destinations[0].settings["deep"]["api_key"]
    assert isinstance(secret, SecretStr)
    assert secret.get_secret_value() == "missing-api_key"


def test_a_secret_comes_from_the_environment_a_file_or_a_credential(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from a file\n")
    (tmp_path / "run").mkdir()
    (tmp_path / "run/key").write_text("from a credential\r\n")
    environ = {"KEY": "from the environment", "CREDENTIALS_DIRECTORY": str(tmp_path / "run")}
    assert resolve_secret({"env": "KEY"}, tmp_path, environ) == "from the environment"
    assert resolve_secret({"file": "key"}, tmp_path, environ) == "from a file"
    assert resolve_secret({"credential": "key"}, tmp_path, environ) == "from a credential"


def test_a_byte_order_mark_of_an_editor_is_no_part_of_a_secret(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\xef\xbb\xbfs3cret\r\n")
    assert resolve_secret({"file": "key"}, tmp_path, {}) == "s3cret"


def test_only_one_newline_is_taken_from_a_secret_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(" a\n\n")
    assert resolve_secret({"file": "key"}, tmp_path, {}) == " a\n"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"env": "KEY"}, "environment variable KEY is not set"),
        ({"env": "EMPTY"}, "environment variable EMPTY is empty"),
        ({"file": "nope"}, "there is no file"),
        ({"file": "empty"}, "is empty"),
        ({"credential": "key"}, "CREDENTIALS_DIRECTORY"),
    ],
)
def test_a_secret_that_is_not_there_says_where_it_was_looked_for(
    tmp_path: Path, table: dict[str, str], words: str
) -> None:
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(SecretMissing, match=words):
        resolve_secret(table, tmp_path, {"EMPTY": ""})


@pytest.mark.parametrize(
    "table", [{}, {"env": "A", "file": "b"}, {"enw": "A"}, {"env": 5}, {"env": ""}, {"credential": "../key"}]
)
def test_a_malformed_secret_table_is_refused(tmp_path: Path, table: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"secret|credential"):
        resolve_secret(table, tmp_path, {"CREDENTIALS_DIRECTORY": str(tmp_path)})


# ---- sources that are webhooks


WEBHOOK = """
    [[source]]
    name = "segment"
    write_key = "k"
    kind = "segment-webhook"
"""


def test_the_secrets_of_a_webhook_are_text_or_secrets_and_may_be_several(write_config: Write) -> None:
    path = write_config(WEBHOOK + 'secrets = ["old", { env = "NEW" }]')
    assert load(path, {"NEW": "new"}).sources[0].secrets == ("old", "new")
    assert load(write_config(WEBHOOK + 'secrets = { env = "NEW" }'), {"NEW": "new"}).sources[0].secrets == ("new",)
    assert load(write_config(WEBHOOK), {}).sources[0].secrets == ()


def test_an_empty_secret_of_a_webhook_is_refused(write_config: Write) -> None:
    assert problems(write_config(WEBHOOK + 'secrets = [""]')) == ["source[0] (segment).secrets[0]: must not be empty"]


def test_a_missing_secret_of_a_webhook_is_a_problem_and_its_value_is_never_shown(write_config: Write) -> None:
    (problem,) = problems(write_config(WEBHOOK + 'secrets = ["s3cret", { env = "NEW" }]'))
    assert problem == "source[0] (segment).secrets: the environment variable NEW is not set; set it before the start"
    assert "s3cret" not in repr(load(write_config(WEBHOOK + 'secrets = ["s3cret"]'), {}))


def test_secrets_are_for_webhooks_only(write_config: Write) -> None:
    (problem,) = problems(write_config(SOURCE + 'secrets = ["s"]'))
    assert problem == 'source[0] (website).secrets: only for kind = "segment-webhook"; leave it empty'


class Shaped(BaseModel):
    """Two settings with a form."""

    base_url: str = Field(default="", pattern="^(https?://.*)?$")
    hook: str = Field(default="", pattern='^https?://[!-"$-~]+$')
    code: str = Field(default="", pattern="^[A-Z]{3}$")


def test_text_of_a_wrong_form_is_told_and_an_address_without_a_pattern_to_read() -> None:
    with pytest.raises(ValidationError) as refused:
        Shaped.model_validate({"base_url": "ftp://x", "hook": "http://a b", "code": "euro"})
    assert problems_of(refused.value, Shaped, "settings") == [
        "settings.base_url: must begin with http:// or https://",
        "settings.hook: must begin with http:// or https://, without a space, a # or a character outside ASCII",
        "settings.code: has the wrong form; it must match ^[A-Z]{3}$",
    ]


def test_a_byte_order_mark_is_no_part_of_a_secret(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\xef\xbb\xbfs3cret\r\n")
    assert resolve_secret({"file": "key"}, tmp_path, {}) == "s3cret"
    (tmp_path / "key").write_bytes(b"\xef\xbb\xbf\n")
    with pytest.raises(SecretMissing, match="is empty"):
        resolve_secret({"file": "key"}, tmp_path, {})
