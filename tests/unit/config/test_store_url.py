"""`store.url` may be a database: text or a secret, with clear errors, and without its password in anything that is shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from router.config import examine, load, shared_store, without_passwords
from router.config.store_url import passwords_in, shown_url
from router.editing.key_values import key_values
from router.editing.masking import without_secrets
from router.errors import ConfigError
from router.extras import pip_install

Write = Callable[[str], Path]
SOURCE = '[[source]]\nname = "website"\nwrite_key = "dev_website"\n'
URL = "postgresql://router:pa55w0rd@db.example.com/events"


def problems(path: Path, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, environ)
    return caught.value.problems


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "postgres://router@db/events",
        "postgresql:///events?host=/var/run/postgresql",
        "postgresql://router@vm1,vm2:5433,[::1]:5432/events?target_session_attrs=read-write",
        "postgresql://router:%40%2F%3A@10.0.0.5:5432/events",
    ],
)
def test_a_database_is_named_by_its_address(write_config: Write, url: str) -> None:
    config = load(write_config(f'{SOURCE}[store]\nurl = "{url}"'), {"STATE_DIRECTORY": "/var/lib/segment-router"})
    assert (config.store.url, config.store.is_database) == (url, True)
    assert config.store.path == Path("/var/lib/segment-router/var/node"), "beside it are this node's own files"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://x",
        "postgresql:events",
        "postgresql://router:pa/55@db/events",
        "postgresql://router:pa@55@db/events",
        "postgresql://router@db:port/events",
        "postgresql://router@db/",
        "postgresql://router@db/two words",
    ],
)
def test_what_is_no_address_is_refused_without_a_word_of_it(write_config: Write, url: str) -> None:
    (problem,) = problems(write_config(f'[store]\nurl = "{url}"'))
    assert problem.startswith('store.url: not a database; write e.g. "postgresql://router@db.example.com/router"')
    assert "55" not in problem


def test_a_file_is_shown_and_a_database_without_its_password(write_config: Write) -> None:
    assert load(write_config(SOURCE), {"STATE_DIRECTORY": "/s"}).store.shown == "/s/var/router.db"
    assert shown_url(f"{URL}?sslmode=require&password=other") == "postgresql://db.example.com/events"


def test_the_passwords_of_an_address_are_known_as_they_are_written_and_as_they_are() -> None:
    assert passwords_in("postgresql://u:a%40b@db/x?password=c%2Fd") == ["a%40b", "c/d", "a@b"]
    assert passwords_in("postgresql://u@db/x") == []
    assert without_passwords("auth failed with pa55w0rd", URL) == "auth failed with ***"


def test_the_address_may_be_a_secret(write_config: Write) -> None:
    path = write_config(SOURCE + '[store]\nurl = { env = "STORE_URL" }')
    assert load(path, {"STORE_URL": URL}).store.url == URL
    assert problems(path) == ["store.url: the environment variable STORE_URL is not set; set it before the start"]
    (problem,) = problems(path, STORE_URL="sqlite:router.db")
    assert problem == "store.url: the secret is no postgresql:// address; write the path of a file as text"


def test_an_address_in_the_file_is_one_of_its_secrets(write_config: Write) -> None:
    path = write_config(f'{SOURCE}[store]\nurl = "{URL}"')
    assert examine(path, {}).inline == ["store.url"]
    assert examine(write_config('[store]\nurl = "postgresql://router@db/events"'), {}).inline == []


def test_the_text_and_the_keys_that_are_shown_hold_no_address_and_the_path_of_a_file(write_config: Write) -> None:
    config = load(write_config(f'{SOURCE}[store]\nurl = "{URL}"'), {})
    (key,) = [one for one in key_values(config, []) if one.key == "store.url"]
    assert (key.value, key.compared) == ("***", URL)
    assert "pa55w0rd" not in without_secrets(config.text, {}) + repr(config)
    text = '[store]\nurl = "sqlite:/data/router.db"\n'
    assert without_secrets(text, {}) == text
    config = load(write_config(SOURCE + text), {})
    (key,) = [one for one in key_values(config, []) if one.key == "store.url"]
    assert key.value == "sqlite:/data/router.db"


def test_without_the_extra_a_database_is_refused_with_the_line_that_installs_it(
    write_config: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_store, "is_asyncpg_installed", lambda: False)
    (problem,) = problems(write_config(f'{SOURCE}[store]\nurl = "{URL}"'))
    assert problem.startswith("store.url: the store on PostgreSQL needs asyncpg, which is not installed")
    assert f"`{pip_install('postgres')}`" in problem


def test_keys_that_are_about_a_file_are_warned_of(write_config: Write) -> None:
    text = f'{SOURCE}[store]\nurl = "{URL}"\nmin_free = "1GB"\nbackup_max_age = "26h"'
    warnings = [warning for warning in load(write_config(text), {}).warnings if warning.key.startswith("store.")]
    assert [warning.key for warning in warnings] == ["store.backup_max_age", "store.min_free"]
    assert all("means nothing with a database" in warning.words for warning in warnings)
