"""No literal secret of config.toml is shown, wherever it stands; where secrets are kept is."""

from __future__ import annotations

import tomllib
from importlib import resources

import pytest

from router.editing.masking import difference, without_secrets

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
    text = without_secrets(TEXT, KEYS)
    assert [secret for secret in SECRETS if secret in text] == []
    tomllib.loads(text)


def test_what_is_no_secret_and_where_secrets_are_kept_is_shown_as_it_is() -> None:
    text = without_secrets(TEXT, KEYS)
    for line in ('listen = "127.0.0.1:8081"', '{ env = "KEY" }', '# api_key = { env = "B" }', 'url = "http://x"',
                 'Other = { file = "secrets/other" }', 'named = { file = "b" }', 'settings.url = "http://y"'):  # fmt: skip
        assert line in text
    assert len(text.splitlines()) == len(TEXT.splitlines())


def test_a_difference_shows_that_a_secret_changed_its_place_and_not_the_secret() -> None:
    new = TEXT.replace('api_key = "inline-1"', 'api_key = { file = "secrets/x_api_key" }')
    lines = difference(TEXT, new, "config.toml", KEYS)
    assert '-settings = { api_key = "••••", url = "http://x" }' in lines
    assert '+settings = { api_key = { file = "secrets/x_api_key" }, url = "http://x" }' in lines


COMMENTED_OUT = {
    "an inline table": '# headers = { x-api-key = "SECRET" }',
    "a key with dots": '# headers.Authorization = "Bearer SECRET"',
    "a table and its key": '# admin.token = "SECRET"',
    "a quoted key": '# "token" = "SECRET"',
    "an address in a table": '# settings = { url = "https://h.example/SECRET" }',
    "a number in a table": "# settings = { api_key = 123SECRET }",
    "a list": '# write_key = ["SECRET-1", { env = "A" }, "SECRET-2"]',
    "a list over several lines": '# write_key = [\n#   "SECRET-1", "SECRET-2",\n#   { env = "A" }, "SECRET-3",\n# ]',
    "a table of headers": '# [destination.settings.headers]\n# Authorization = "SECRET"\n# name = "SECRET"',
    "a text over several lines": '# key = """\n# SECRET\n# SECRET""" \n',
    "a text over several lines of an unknown key": "# other = '''SECRET\n# SECRET'''",
    "a literal text": "# x-api-key = 'SECRET'",
    "a text without its end": '# x-api-key = "SECRET',
    "a text with escapes": r'# x-api-key = "a\"SECRET"',
    "a key after a comment": '# mode = "live" # token "SECRET"',
    "JSON": '# "token": "SECRET", "a": "SECRET"',
    "a value beside a place": 'token = { env = "A" } # was "SECRET"',
    "a statement with a hash in a text": 'listen = "#" # admin.token = "SECRET"',
    "a very long line": "# " + '"a".' * 50_000 + '"SECRET',
    "no key that is known": '# . = "SECRET"',
}


@pytest.mark.parametrize("lines", COMMENTED_OUT.values(), ids=COMMENTED_OUT)
def test_what_is_commented_out_is_masked_in_every_form_of_toml(lines: str) -> None:
    text = without_secrets(f"[admin]\n{lines}\n[log]\n", KEYS)
    assert "SECRET" not in text
    assert len(text.splitlines()) == len(f"[admin]\n{lines}\n[log]\n".splitlines())


def test_among_the_settings_of_a_plugin_no_key_is_taken_for_one_of_the_router() -> None:
    line = '# name = "SECRET"\n'
    assert "SECRET" not in without_secrets(f'[[destination]]\nplugin = "crm"\n[destination.settings]\n{line}', KEYS)
    assert line in without_secrets(f'[[destination]]\nplugin = "crm"\n{line}', KEYS)


@pytest.mark.parametrize("line", [
    '# mode = "live"', '# [[destination]]\n# name = "x"\n# sources = ["a", "b"]', '# api_key = { env = "B" }', '# public_url = ""',
    '# source "Website" of Segment (s1)', "# the sources' names, and the \"big\" ones", '# headers = { a = { file = "secrets/a" } }',
])  # fmt: skip
def test_prose_and_what_is_known_to_be_no_secret_stays_readable(line: str) -> None:
    assert f"[admin]\n{line}\n" in without_secrets(f"[admin]\n{line}\n", KEYS)


def test_the_shipped_file_keeps_all_of_its_explanations() -> None:
    shipped = resources.files("router.config").joinpath("shipped.toml").read_text(encoding="utf-8")
    plugins = {"clientsuccess": {"api_key"}, "freshsuccess": {"event_auth_key", "event_api_key"}, "braze": {"api_key"}}
    masked = without_secrets(shipped, {name: frozenset(keys) for name, keys in plugins.items()})
    assert masked == shipped.replace('"dev_website"', '"••••"')
