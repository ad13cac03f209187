"""Mistakes that look like nothing: white space at the ends of names, a byte order mark, a key that is too short, a number in quotes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from router.config import load
from router.errors import ConfigError

Write = Callable[[str], Path]

SOURCE = '[[source]]\nname = "website"\nwrite_key = "k"\n'
DESTINATION = '[[destination]]\nname = "hook"\nplugin = "webhook"\n'
FILTER = "[[destination.filters]]\ntitle = {title}\nif = \"type = 'track'\"\nactions = [{action}]\n"
HASHED = SOURCE + 'privacy = { hash = ["userId"] }\n'


def problems(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    return caught.value.problems


def with_filter(action: str, title: str = '"t"') -> str:
    return SOURCE + DESTINATION + FILTER.format(action=action, title=title)


@pytest.mark.parametrize("percent", ['"0.5"', "true", "10", "-0.1", "nan", "[0.5]", '"10%"', "{ a = 1 }"])
def test_a_share_that_is_no_number_from_0_to_1_is_told_in_one_line(write_config: Write, percent: str) -> None:
    [problem] = problems(write_config(with_filter(f'{{ type = "SAMPLE", percent = {percent} }}')))
    assert problem == (
        "destination[0] (hook).filters[0].actions[0].percent: write the share that goes on as a number from 0 to 1, without"
        " quotes, e.g. 0.1 for one event in ten"
    )


@pytest.mark.parametrize("percent", ["0", "1", "0.5"])
def test_a_share_may_be_written_without_a_point(write_config: Write, percent: str) -> None:
    config = load(write_config(with_filter(f'{{ type = "SAMPLE", percent = {percent} }}')), {})
    assert config.destinations[0].filters[0].actions[0].percent == float(percent)


def test_a_blank_title_and_an_empty_name_are_refused(write_config: Write) -> None:
    [problem] = problems(write_config(with_filter('{ type = "DROP" }', title='" "')))
    assert problem.startswith("destination[0] (hook).filters[0].title: must not be empty")
    drop = '{ type = "DROP_PROPERTIES", fields = { properties = ["email", ""] } }'
    [problem] = problems(write_config(with_filter(drop)))
    assert (
        problem
        == 'destination[0] (hook).filters[0] (t).actions[0].fields."properties": a name is empty, and no key is; leave it out'
    )


@pytest.mark.parametrize(
    ("text", "key", "name"),
    [
        (SOURCE + DESTINATION + 'consent = ["ads", " marketing"]', "consent", " marketing"),
        (SOURCE + 'privacy = { drop = ["properties. email"] }', "privacy.drop", " email"),
        (SOURCE + DESTINATION + '[destination.mapping]\ndrop = ["user.email "]', "mapping", "email "),
        (
            SOURCE + DESTINATION + '[destination.mapping]\nrename = { "properties.a" = "properties.b " }',
            "mapping",
            "b ",
        ),
        (
            with_filter('{ type = "DROP_PROPERTIES", fields = { "context.page" = ["url "] } }'),
            "filters[0].actions",
            "url ",
        ),
        (
            with_filter('{ type = "DROP_PROPERTIES", fields = { " properties" = ["a"] } }'),
            "filters[0].actions",
            " properties",
        ),
    ],
)
def test_white_space_at_the_ends_of_a_name_is_warned_of(write_config: Write, text: str, key: str, name: str) -> None:
    [warning] = load(write_config(text), {}).warnings
    assert (warning.key, warning.words) == (
        key,
        f'"{name}" begins or ends with white space, and names are compared exactly; take it out',
    )


@pytest.mark.parametrize("key", ['"short"', '"                        "', '"  0123456789abcd  "', '{ env = "KEY" }'])
def test_a_key_that_is_too_short_is_told_in_one_line(write_config: Write, key: str) -> None:
    path = write_config(f"{HASHED}[privacy]\nkey = {key}\n")
    with pytest.raises(ConfigError) as caught:
        load(path, {"KEY": "short"})
    words = "privacy.key: too short; it must have at least 16 characters beside white space at its ends"
    assert caught.value.problems == [words]


def test_a_byte_order_mark_at_the_beginning_is_named(write_config: Write) -> None:
    path = write_config(SOURCE)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert problems(path) == [
        f"{path}: begins with a byte order mark, which TOML does not know; save it as UTF-8 without one"
    ]


def test_a_code_that_no_trouble_has_is_refused_with_those_that_there_are(write_config: Write) -> None:
    [problem] = problems(write_config(SOURCE + '[notify]\nurl = "https://example.com"\nevents = ["breaker"]\n'))
    assert problem.startswith(
        'notify.events[0]: no trouble has this code; write "*" for all, or one of stopping, store_broken'
    )
