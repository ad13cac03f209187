"""Where a write key may stand, and which source it names."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import pytest
from multidict import CIMultiDict
from yarl import URL

from router.config import Rate
from router.errors import UnknownWriteKey
from router.ingest import write_key
from router.ingest.write_key import (
    Sender,
    Sources,
    basic_user,
    choose_key,
    key_beside_body,
)


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


@dataclass
class Body:
    write_key: str = ""
    first_item: str = ""
    item_is_asked: bool = False

    def item_key(self) -> str:
        self.item_is_asked = True
        return self.first_item


WEBSITE = FakeSource("website", ("wk_test_123", "wk_next"))
SERVER = FakeSource("server", ("wk_server",))


@pytest.fixture
def sources() -> Sources:
    return Sources([WEBSITE, SERVER])


def basic(credentials: str) -> str:
    return "Basic " + base64.b64encode(credentials.encode()).decode()


class TestPlaces:
    """Everything that may carry a key is there at once: which one counts depends on who sends to the path."""

    @pytest.mark.parametrize(
        ("sender", "with_basic", "without"),
        [
            (Sender.LIBRARY, "of_basic", ""),
            (Sender.PAGE, "of_basic", "of_query"),
            (Sender.JITSU, "of_basic", "of_header"),
            (Sender.WEBHOOK, "of_basic", "of_path"),
            (Sender.PROJECT, "of_path", "of_path"),
        ],
    )
    def test_the_basic_header_wins_over_the_other_places_of_its_sender(
        self, sender: Sender, with_basic: str, without: str
    ) -> None:
        headers = CIMultiDict({"X-Write-Key": "of_header:secret"})
        url = URL("/somewhere?writeKey=of_query")
        assert key_beside_body(headers, url, sender, "of_path") == without
        headers["Authorization"] = basic("of_basic:")
        assert key_beside_body(headers, url, sender, "of_path") == with_basic

    def test_a_webhook_s_is_in_its_path_or_the_query_or_a_header(self) -> None:
        headers = CIMultiDict({"X-Write-Key": " of_header "})
        assert key_beside_body(headers, URL("/?writeKey=of_query"), Sender.WEBHOOK) == "of_query"
        assert key_beside_body(headers, URL("/"), Sender.WEBHOOK) == "of_header"
        assert key_beside_body(CIMultiDict(), URL("/"), Sender.WEBHOOK) == ""

    def test_the_key_in_the_body_wins_over_the_one_beside_it(self) -> None:
        assert choose_key("beside", Body("body", "item")) == "body"

    def test_the_first_item_is_asked_last(self) -> None:
        asked, not_asked = Body("", "item"), Body("", "item")
        assert choose_key("", asked) == "item"
        assert choose_key("beside", not_asked) == "beside"
        assert (asked.item_is_asked, not_asked.item_is_asked) == (True, False)

    def test_a_body_that_is_not_believed_names_no_source(self) -> None:
        assert choose_key("", None) == ""


class TestBasicHeader:
    @pytest.mark.parametrize(
        "header",
        [basic("wk_server:"), basic("wk_server"), basic("wk_server:").replace("Basic", "basic"), basic("wk_server:pw"),
         basic("wk_server:").rstrip("="), basic(" wk_server :")],
    )  # fmt: skip
    def test_every_spelling_is_understood(self, header: str) -> None:
        assert basic_user(header) == "wk_server"
        assert basic_user(header) == "wk_server"

    @pytest.mark.parametrize(
        "header", ["", "Basic", "Basic !", "Basic /w==", "Bearer x", basic(":pw"), "Basic ü\udc80"]
    )
    def test_any_other_header_names_nobody(self, header: str) -> None:
        assert basic_user(header) == ""
        headers = CIMultiDict({"Authorization": header})
        assert key_beside_body(headers, URL("/?writeKey=of_query"), Sender.PAGE) == "of_query"


class TestSources:
    def test_a_source_has_several_keys_while_they_rotate(self, sources: Sources) -> None:
        assert [sources.source_of(key) for key in ("wk_test_123", "wk_next", "wk_server")] == [WEBSITE, WEBSITE, SERVER]

    def test_without_any_key_it_is_missing(self, sources: Sources) -> None:
        with pytest.raises(UnknownWriteKey) as refusal:
            sources.source_of("")
        assert (refusal.value.code, refusal.value.status) == ("missing_write_key", 401)

    @pytest.mark.parametrize("key", ["wk_test_12", "wk_test_1234", "WK_TEST_123", "ü", "\x00", "x" * 100_000])
    def test_an_unknown_key_is_refused_without_repeating_it(self, sources: Sources, key: str) -> None:
        with pytest.raises(UnknownWriteKey) as refusal:
            sources.source_of(key)
        assert (refusal.value.code, refusal.value.status) == ("invalid_write_key", 401)
        assert key not in str(refusal.value)

    def test_a_reload_replaces_all_sources_at_once(self, sources: Sources) -> None:
        sources.replace([FakeSource("server", ("wk_new",))])
        assert sources.find("wk_server") is None
        assert sources.find("wk_new") is not None

    def test_an_empty_write_key_in_the_configuration_opens_nothing(self) -> None:
        assert Sources([FakeSource("s", ("",))]).find("") is None


class TestUse:
    def test_a_key_is_told_by_its_ending_and_its_last_use(self, sources: Sources) -> None:
        sources.note_use("wk_test_123", 1_000)
        sources.note_use("wk_test_123", 2_000)
        assert sources.keys_of("website") == [
            {"ending": "23", "last_used_at": "1970-01-01T00:00:02.000Z"},
            {"ending": "", "last_used_at": None},
        ]

    def test_to_tell_of_one_source_looks_at_no_other(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The pages tell of all of them: with thousands of sources that would take seconds."""
        sources = Sources([FakeSource(f"s{n}", (f"wk_of_{n}_long",)) for n in range(100)])
        asked: list[str] = []

        def name_of(source: object) -> str:
            asked.append("a name")
            return ""

        def ending_of(key: str) -> str:
            asked.append(key)
            return ""

        monkeypatch.setattr(FakeSource, "name", property(name_of), raising=False)
        monkeypatch.setattr(write_key, "ending_of", ending_of)
        assert len(sources.keys_of("s7")) == 1
        assert asked == ["wk_of_7_long"]

    def test_use_is_kept_over_a_reload_and_dropped_with_the_key(self, sources: Sources) -> None:
        sources.note_use("wk_server", 1_000)
        sources.replace([SERVER])
        assert sources.keys_of("server")[0]["last_used_at"] == "1970-01-01T00:00:01.000Z"
        sources.replace([WEBSITE])
        sources.replace([SERVER])
        assert sources.keys_of("server")[0]["last_used_at"] is None
