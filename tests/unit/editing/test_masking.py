"""No literal secret of config.toml is shown, wherever it stands; where secrets are kept is."""

from __future__ import annotations

import tomllib

from router.editing.masking import difference, masked

TEXT = """
privacy.key = "sixteen-characters-1"
[admin]
listen = "127.0.0.1:8081"
token = "tok-\\"en"   # for all
[notify]
url = "https://hooks.slack.example/T0/chat-key"
secret = "signing-key"
[[source]]
name = "website"
write_key = ["write-key-1", { env = "KEY" },
   "write-key-2"]  # was write-key-1
[[destination]]
name = "x"
plugin = "crm"
#api_key = "commented-out"
# api_key = { env = "B" }
settings = { api_key = "inline-1", url = "http://x" }
[[destination]]
name = "y"
plugin = "crm"
settings.url = "http://y"
[destination.settings.headers]
Authorization = "Bearer 1"
Other = { file = "secrets/other" }
[[destination]]
name = "z"
plugin = "unknown"
[destination.settings]
anything = "could-be-one"
named = { file = "b" }
"""
KEYS = {"crm": frozenset({"api_key", "headers"})}
SECRETS = (
    "sixteen", "tok-", "chat-key", "signing-key", "write-key", "inline-1", "Bearer", "commented-out", "could-be-one",
)  # fmt: skip


def test_every_literal_secret_is_masked_also_in_comments_and_of_an_unknown_plugin() -> None:
    text = masked(TEXT, KEYS)
    assert [secret for secret in SECRETS if secret in text] == []
    tomllib.loads(text)


def test_what_is_no_secret_and_where_secrets_are_kept_is_shown_as_it_is() -> None:
    text = masked(TEXT, KEYS)
    for line in ('listen = "127.0.0.1:8081"', '{ env = "KEY" }', '# api_key = { env = "B" }', 'url = "http://x"',
                 'Other = { file = "secrets/other" }', 'named = { file = "b" }', 'settings.url = "http://y"'):  # fmt: skip
        assert line in text
    assert len(text.splitlines()) == len(TEXT.splitlines())


def test_a_difference_shows_that_a_secret_changed_its_place_and_not_the_secret() -> None:
    new = TEXT.replace('api_key = "inline-1"', 'api_key = { file = "secrets/x_api_key" }')
    lines = difference(TEXT, new, "config.toml", KEYS)
    assert '-settings = { api_key = "••••", url = "http://x" }' in lines
    assert '+settings = { api_key = { file = "secrets/x_api_key" }, url = "http://x" }' in lines
