"""The check of a run finds what is missing. Nothing runs here."""

from __future__ import annotations

from typing import Any

import pytest

from router.bench import balance
from tests.unit.bench.runs import loaded


def ledger(accepted: int = 100, **one: int) -> dict[str, Any]:
    """A ledger with a destination that has delivered everything, unless told."""
    row = {**dict.fromkeys(balance.ENDS, 0), "delivered": accepted, **one}
    return {"accepted": accepted, "duplicates": 0, "discarded": 0, "destinations": {"one": row}}


def test_a_run_that_adds_up_has_no_problems() -> None:
    counted = balance.count([loaded()], ledger(), 100, {"one": 100}, ["one"])
    assert balance.problems(counted) == []


def test_repeated_ids_are_duplicates_and_not_losses() -> None:
    book = {**ledger(95), "duplicates": 5}
    counted = balance.count([loaded(repeated=5)], book, 95, {"one": 95}, ["one"])
    assert balance.problems(counted) == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"loads": [loaded(answered=101)]}, "accepted by the ledger: 100, expected 101 (-1)"),
        ({"loads": [loaded(unanswered=3)]}, "3 events were sent and not answered"),
        ({"loads": [loaded(refused={"503": 2})]}, "2 with 503"),
        ({"stored": 99}, "events in the log: 99, expected 100 (-1)"),
        ({"arrived": {"one": 98}}, "one: 100 delivered, but only 98 arrived"),
        ({"ledger": ledger(delivered=99)}, "one: the seven states together: 99, expected 100 (-1)"),
        ({"ledger": ledger(delivered=99, held=1)}, "one: delivered: 99, expected 100 (-1)"),
        ({"ledger": ledger(delivered=101, queued=-1)}, "one: a negative count"),
    ],
)
def test_a_wrong_number_is_told(wrong: dict[str, Any], words: str) -> None:
    right: dict[str, Any] = {"loads": [loaded()], "ledger": ledger(), "stored": 100, "arrived": {"one": 100}}
    found = balance.problems(balance.count(**{**right, **wrong}, complete=["one"]))
    assert any(words in problem for problem in found), found
