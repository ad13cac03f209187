"""What looks personal becomes a table that config.toml takes as it is."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from router.config import SourcePrivacyConfig
from router.config.privacy_rules import privacy_problems
from router.privacy import Suggestion, suggest


def found(path: str, what: str, by: str = "shape", events: int = 1) -> dict[str, Any]:
    return {"source": "website", "path": path, "what": what, "by": by, "events": events}


def suggested(*findings: dict[str, Any]) -> Suggestion:
    return suggest(findings)["website"]


def test_what_tools_know_people_by_is_hashed_and_all_else_is_dropped() -> None:
    made = suggested(found("traits.email", "email"), found("traits.phone", "phone"), found("context.ip", "ip"))
    assert (made.hash, made.drop) == (["traits.email", "traits.phone"], ["context.ip"])


def test_traits_in_the_context_and_ids_are_named_once() -> None:
    made = suggested(
        found("traits.email", "email", "name", 2),
        found("context.traits.email", "email", "name", 3),
        found("userId", "email"),
        found("previousId", "email"),
        found("context.groupId", "email"),
    )
    assert made.hash == ["groupId", "traits.email", "userId"]
    assert made.reasons["traits.email"] == {"email": {"name": 5}}


def test_what_is_a_value_in_one_event_and_an_object_in_another_is_dropped_whole() -> None:
    made = suggested(found("properties.contact", "email"), found("properties.contact.email", "email"))
    assert (made.drop, made.hash) == (["properties.contact"], [])


def test_what_cannot_be_named_or_would_take_the_names_of_groups_is_only_told() -> None:
    made = suggested(found("properties.*.email", "email"), found("traits.name", "name", "name"))
    assert (made.drop, made.hash, made.only_told) == ([], [], ["properties.*.email", "traits.name"])


KEYS = st.sampled_from(
    ["traits", "email", "userId", "consent", "groupId", "address", "page", "products", "*", "a b", "-"]
)
PATHS = st.sampled_from(["userId", "anonymousId", "groupId", "previousId"]) | st.builds(
    lambda root, keys: ".".join([root, *keys]),
    st.sampled_from(["context", "properties", "traits"]),
    st.lists(KEYS, min_size=1, max_size=3),
)


@given(st.lists(st.builds(found, PATHS, st.sampled_from(["email", "phone", "ip", "name", "secret"])), max_size=8))
def test_every_suggestion_is_a_table_without_faults(findings: list[dict[str, Any]]) -> None:
    for made in suggest(findings).values():
        table = SourcePrivacyConfig(drop=tuple(made.drop), hash=tuple(made.hash))
        assert privacy_problems(table) == []
