"""Which source a request belongs to."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import pytest

from router.config import Rate
from router.errors import UnknownWriteKey
from router.ingest.auth import MAX_CACHED_HEADERS, Sources


@dataclass(frozen=True)
class FakeSource:
    name: str
    write_keys: tuple[str, ...]
    enabled: bool = True
    kind: str = "segment"
    origins: tuple[str, ...] = ("*",)
    strict: bool = False
    rate: Rate | None = None
    secrets: tuple[str, ...] = ()


WEBSITE = FakeSource("website", ("wk_test_123", "wk_next"))
SERVER = FakeSource("server", ("wk_server",))


@pytest.fixture
def sources() -> Sources:
    return Sources([WEBSITE, SERVER])


def basic(credentials: str) -> str:
    return "Basic " + base64.b64encode(credentials.encode()).decode()


def no_key() -> str:
    return ""


def never() -> str:
    raise AssertionError("the first item is asked last")


def test_the_key_in_the_body_wins_over_the_header_and_the_difference_is_counted(sources: Sources) -> None:
    assert sources.authenticate("wk_test_123", basic("wk_server:"), never) is WEBSITE
    assert sources.authenticate("wk_server", basic("wk_server:"), never) is SERVER
    assert sources.disagreements == 1


def test_the_header_wins_over_the_first_item(sources: Sources) -> None:
    assert sources.authenticate("", basic("wk_server:"), never) is SERVER


def test_the_first_item_is_asked_last(sources: Sources) -> None:
    assert sources.authenticate("", None, lambda: "wk_next") is WEBSITE


@pytest.mark.parametrize(
    "header",
    [basic("wk_server:"), basic("wk_server"), basic("wk_server:").replace("Basic", "basic"), basic("wk_server:pw"),
     basic("wk_server:").rstrip("="), basic(" wk_server :")],
)  # fmt: skip
def test_every_spelling_of_the_basic_header_is_understood(sources: Sources, header: str) -> None:
    assert sources.authenticate("", header, never) is SERVER
    assert sources.authenticate("", header, never) is SERVER


@pytest.mark.parametrize(
    "header", [None, "", "Basic", "Basic !", "Basic /w==", "Bearer x", basic(":pw"), "Basic ü\udc80"]
)
def test_without_any_key_it_is_missing(sources: Sources, header: str | None) -> None:
    with pytest.raises(UnknownWriteKey) as refusal:
        sources.authenticate("", header, no_key)
    assert (refusal.value.code, refusal.value.status) == ("missing_write_key", 401)


@pytest.mark.parametrize("key", ["wk_test_12", "wk_test_1234", "WK_TEST_123", "ü", "\x00", "x" * 100_000])
def test_an_unknown_key_is_refused_without_repeating_it(sources: Sources, key: str) -> None:
    with pytest.raises(UnknownWriteKey) as refusal:
        sources.authenticate(key, None, never)
    assert (refusal.value.code, refusal.value.status) == ("invalid_write_key", 401)
    assert key not in str(refusal.value)


def test_a_bearer_token_leaves_it_to_the_key_in_the_body(sources: Sources) -> None:
    assert sources.authenticate("wk_server", "Bearer x", never) is SERVER


def test_a_reload_replaces_all_sources_at_once(sources: Sources) -> None:
    sources.replace([FakeSource("server", ("wk_new",))])
    assert sources.find("wk_server") is None
    assert sources.find("wk_new") is not None


def test_an_empty_write_key_in_the_configuration_opens_nothing() -> None:
    assert Sources([FakeSource("s", ("",))]).find("") is None


def test_remembered_headers_are_bounded(sources: Sources) -> None:
    for number in range(MAX_CACHED_HEADERS + 10):
        sources.basic_user(basic(f"key{number}:"))
    assert len(sources._headers) <= MAX_CACHED_HEADERS
