"""What is shown and stored has no secret of a destination in it: none whole, none in part, none in another form."""

from __future__ import annotations

import base64
import html
import json
import re
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from router.plugin import excerpt
from router.plugin_host.redaction import MAX_TOLD, MAX_TOLD_LENGTH, MIN_BEGINNING, MIN_SECRET, Redactor
from router.plugin_host.secret_parts import MAX_PARTS, MIN_PART, parts_of


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


# ------------------------------------------------------------ parts


@pytest.mark.parametrize(
    ("secret", "parts"),
    [
        ("Bearer sk_live_1", {"sk_live_1"}),
        ("Token abcdef1", {"abcdef1"}),
        ("Token token=abcdef1", {"token=abcdef1", "abcdef1"}),
        ('Token token="abcdef1", id="jane.doe"', {'token="abcdef1", id="jane.doe"', "abcdef1", "jane.doe"}),
        ("GenieKey abcdef1", {"abcdef1"}),
        ("Bearer  abcdef1", {"abcdef1"}),
        (f"Basic {b64('jane.doe:hunter22')}", {b64("jane.doe:hunter22"), "jane.doe:hunter22", "jane.doe", "hunter22"}),
        (f"basic {b64('api:hunter22')}", {b64("api:hunter22"), "api:hunter22", "hunter22"}),
        ("Basic no-base64", {"no-base64"}),
        ("sso-key keykey:secret1", {"keykey:secret1", "keykey", "secret1"}),
        ("jane.doe:hunter22", {"jane.doe", "hunter22"}),
        ("Authorization: Bearer abcdef1", {"Bearer abcdef1", "abcdef1"}),
        ("X-Api-Key: abcdef1", {"abcdef1"}),
        ("plain-secret", set()),
        ("Bearer short", set()),
    ],
)  # fmt: skip
def test_what_follows_an_auth_scheme_is_a_part(secret: str, parts: set[str]) -> None:
    assert parts_of(secret) == parts


@pytest.mark.parametrize(
    ("secret", "parts"),
    [
        ("https://h.example/services/T0123456/B%2Fabcd", {"T0123456", "B%2Fabcd", "B/abcd"}),
        ("https://h.example/incoming/abcdefgh", {"abcdefgh"}),
        ("https://h.example/in/x?token=s%20cret99&v=1", {"s%20cret99", "s cret99"}),
        ("https://jane.doe:hunt%40r22@h.example/", {"jane.doe", "hunt%40r22", "hunt@r22"}),
        ("https://h.example/a#fragment", {"fragment"}),
        ("postgresql://jane.doe:hunter22@db.example/app", {"jane.doe", "hunter22"}),
        ("http://[broken/secret1", set()),
    ],
)
def test_of_a_url_everything_long_behind_the_host_is_a_part(secret: str, parts: set[str]) -> None:
    assert parts_of(secret) >= parts
    assert not [part for part in parts_of(secret) if "h.example" in part or part in ("services", "incoming")]


def test_a_part_that_is_short_masks_nothing() -> None:
    redactor = Redactor(["https://h.example/hook?v=1&mode=true", "Bearer 1"])
    words = "1 of 1 users at /hook: mode is true"
    assert redactor.text(words) == words
    assert MIN_PART == 6


def test_of_a_secret_with_very_many_parts_the_first_ones_are_masked_alone() -> None:
    fields = [f"f=value-{n:04}" for n in range(1000)]
    redactor = Redactor([secret := f"Token {', '.join(fields)}"])
    assert len(parts_of(secret)) == MAX_PARTS
    assert redactor.text(f"value-0000 value-0999 {secret}") == "*** value-0999 ***"


# ------------------------------------------------------------ forms

SECRET = 's/cr&t "ü\\"+<x>'
FORMS = {
    "as it is": SECRET,
    "percent-encoded": quote(SECRET, safe=""),
    "percent-encoded in small letters": re.sub("%..", lambda found: found[0].lower(), quote(SECRET, safe="")),
    "percent-encoded with slashes": quote(SECRET),
    "of a form": quote_plus(SECRET),
    "JSON": json.dumps(SECRET)[1:-1],
    "JSON, not escaped": json.dumps(SECRET, ensure_ascii=False)[1:-1],
    "JSON of PHP": json.dumps(SECRET)[1:-1].replace("/", "\\/"),
    "JSON with large digits": json.dumps(SECRET)[1:-1].replace("\\u00fc", "\\u00FC"),
    "HTML": html.escape(SECRET),
    "base64": b64(SECRET),
    "base64 for URLs": base64.urlsafe_b64encode(SECRET.encode()).decode(),
    "base64 as user": b64(f"{SECRET}:"),
    "base64 as password": b64(f"somebody:{SECRET}"),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("secret", [SECRET, f"Bearer {SECRET}"], ids=["whole", "part"])
def test_a_secret_is_masked_in_every_form_it_travels_in(form: str, secret: str) -> None:
    masked = Redactor([secret]).text(f"<{FORMS[form]}>")
    assert "***" in masked
    assert len(masked) <= len("<***==>") + len(b64("somebody:"))


@given(before=st.binary(max_size=9), after=st.binary(max_size=9))
def test_base64_of_anything_with_a_secret_in_it_does_not_hold_the_secret(before: bytes, after: bytes) -> None:
    secret = "correct-horse-9"
    masked = Redactor([secret]).text(base64.b64encode(before + secret.encode() + after).decode())
    assert "***" in masked
    left = masked.partition("***")
    assert len(left[0]) <= (len(before) * 8 + 7) // 6 + 1
    assert len(left[2].rstrip("=")) <= (len(after) * 8 + 7) // 6 + 2


@given(st.lists(st.text(min_size=MIN_SECRET, max_size=12), min_size=1, max_size=4), st.text(max_size=30))
def test_no_secret_is_left_whatever_overlaps(secrets: list[str], words: str) -> None:
    assume(not any(secret in "***" or "*" in secret for secret in secrets))
    masked = Redactor(secrets).text(words.join(secrets))
    assert not [secret for secret in secrets if secret in masked]


def test_secrets_that_overlap_leave_nothing_of_either() -> None:
    assert Redactor(["abcdefgh", "efghijkl"]).text("<abcdefghijkl>") == "<***>"
    assert Redactor(["abc", "abcdef"]).text("<abcdef abc>") == "<*** ***>"


def test_of_a_secret_url_what_stands_behind_the_host_is_masked_alone_too() -> None:
    redactor = Redactor(
        ["https://example.com/hook/abc?v=1&token=s%20cret", "http://[broken/x", "HTTP://example.org/x/Secret-9"]
    )
    shown = "example.com/: no POST to /hook/abc?v=1&token=s%20cret: /hook/abc, s cret, v 1; /x/Secret-9"
    assert redactor.text(shown) == "example.com/: no POST to ***: ***, ***, v 1; ***"


def test_nothing_is_masked_without_secrets() -> None:
    assert Redactor(["", ""]).text("a text") == "a text"


def test_a_secret_is_masked_from_three_characters_on() -> None:
    assert Redactor(["t", '"', "ex", "abc"]).text('"a text" abc') == '"a text" ***'


def test_bytes_without_secrets_stay() -> None:
    assert Redactor([]).bytes(b"a text") == b"a text"


def test_bytes_that_are_no_text_are_masked_too() -> None:
    assert Redactor(["geheim-ü1"]).bytes(b"\xff" + "geheim-ü1".encode() + b"\xfe") == b"\xff***\xfe"


# ------------------------------------------------------------ where a text was cut

TOKEN = "tok_0123456789abcdef"


@pytest.mark.parametrize("n", range(MIN_BEGINNING, len(TOKEN)))
def test_the_beginning_of_a_secret_at_the_end_of_a_text_is_masked(n: int) -> None:
    redactor = Redactor([f"Bearer {TOKEN}"])
    assert redactor.text(f"bad token: {TOKEN[:n]}") == "bad token: ***"
    assert redactor.text(f"bad token: {TOKEN[:n]}… (twice)") == "bad token: ***… (twice)"


@pytest.mark.parametrize("at", range(470, 500))
def test_a_secret_that_stands_across_the_cut_of_an_excerpt_is_not_told(at: int) -> None:
    words = excerpt(b"x" * at + TOKEN.encode() + b" and more" * 100)
    masked = Redactor([TOKEN]).text(f"status_400: {words} (the vendor's words)")
    assert TOKEN[:MIN_BEGINNING] not in masked


def test_a_character_that_was_cut_in_two_hides_no_beginning() -> None:
    words = excerpt(b"x" * 1980 + "geheim-wört-01ü34567".encode() + b"more")
    cut = excerpt(b" " * 1990 + "geheim-ü".encode()[:-1] + b"\xbc34567 more")
    assert words.endswith("…")
    assert Redactor(["geheim-ü34567"]).text(cut) == "***…"


def test_a_scheme_or_a_host_at_the_end_of_a_text_stays() -> None:
    redactor = Redactor([f"Bearer {TOKEN}", "https://h.example/hooks/abcdefgh1"])
    for words in ("it wants Bearer", "see https://", "no answer of https://h.example", "wants Bear…"):
        assert redactor.text(words) == words


# ------------------------------------------------------------ secrets of run time


def test_a_secret_of_run_time_is_masked_in_part_and_in_every_form() -> None:
    redactor = Redactor([])
    redactor.add("Bearer t0ken-s3cret")
    assert redactor.text(f"no t0ken-s3cret, {b64('x:t0ken-s3cret')}, t0ken-s") == "no ***, eD***=, ***"


def test_the_secrets_that_were_told_last_are_masked() -> None:
    redactor = Redactor(["configured-1"])
    for n in range(MAX_TOLD):
        redactor.add(f"token-{n:03}")
    redactor.add("token-000")  # the newest again
    redactor.add("token-new")
    assert redactor.text("configured-1 token-000 token-001 token-new") == "*** *** token-001 ***"


def test_a_short_secret_of_run_time_masks_nothing() -> None:
    redactor = Redactor([])
    redactor.add("")
    redactor.add("12345")
    assert redactor.text("12345 calls") == "12345 calls"


def test_what_is_no_text_or_too_long_is_refused() -> None:
    redactor = Redactor([])
    with pytest.raises(TypeError, match="a secret is bytes: want text"):
        redactor.add(b"token-1")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at most 8192"):
        redactor.add("x" * (MAX_TOLD_LENGTH + 1))


# ------------------------------------------------------------ reasons


def test_a_reason_is_masked_but_a_short_secret_does_not_change_it() -> None:
    redactor = Redactor(["4", "status-s3cret"])
    assert redactor.word("status_401") == "status_401"
    assert redactor.word("bad_status-s3cret") == "bad_***"
    assert redactor.word("token-1234") == "token-1234"
    redactor.add("token-1234")
    assert redactor.word("token-1234") == "***"
