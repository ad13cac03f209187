"""Postgres without a server: names as Segment makes them, golden rows, which value fits which column, refused settings."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from plugins.postgres import Postgres, PostgresSettings
from plugins.postgres.driver import asyncpg
from plugins.postgres.names import event_table, identifier, schema_of, second, snake
from plugins.postgres.placing import lacking, placed
from plugins.postgres.values import UNFIT, fitted, type_of
from plugins.postgres.verdict import read_error
from router.extras import pip_install
from router.plugin import Outcome, Pause, Reject, RetryLater, Split
from router.testing import Rehearsal, fixture_files
from tests.contract.plugin_case import FIXTURES
from tests.flow.harness import environment

DSN = "postgresql://loader:secret-password@localhost/events"


@pytest.mark.parametrize("path", fixture_files(FIXTURES / "postgres"), ids=lambda path: path.stem)
def test_fixture_gives_its_rows(path: Path) -> None:
    case = json.loads(path.read_text())
    rehearsal = Rehearsal(Postgres, {"dsn": DSN, **case.get("settings", {})})
    came = rehearsal.take(case["call"])
    (item,) = came.items
    assert {**item.body, "warnings": came.warnings} == {"warnings": [], **case["expected"]}


def test_there_is_a_fixture_for_each_type_of_call() -> None:
    calls = [json.loads(path.read_text())["call"] for path in (FIXTURES / "postgres").glob("*.json")]
    assert {call["type"] for call in calls} == {"identify", "group", "track", "page", "screen", "alias"}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("sample text", "sample_text"), ("sample-text", "sample_text"), ("sample_text", "sample_text"),
        ("sample___text", "sample_text"), ("sampleText", "sample_text"), ("sample 2 Text", "sample_2_text"),
        ("   sample   2    Text   ", "sample_2_text"), ("   $#$sample   2    Text   ", "sample_2_text"),
        ("SAMPLE 2 TEXT", "sample_2_text"), ("___$$Base64Encode", "base64_encode"), ("FOO:BAR$BAZ", "foo_bar_baz"),
        ("something.com", "something_com"), ("$something%", "something"), ("•¶§ƒ˚foo˙∆˚¬", "foo"),
        ("inviteYourCustomersAddInvites", "invite_your_customers_add_invites"), ("sample2Text", "sample_2text"),
    ],
)  # fmt: skip
def test_snake_case_is_segments(text: str, name: str) -> None:
    assert snake(text) == name


def test_names_that_cannot_be_columns_become_ones() -> None:
    assert [identifier(text) for text in ("1st", "ctid", "XMin")] == ["_1st", "_ctid", "_xmin"]
    assert identifier("Заказ") != identifier("Оплата")
    assert event_table("Заказ").isascii()
    assert [event_table(text) for text in ("Users", "tracks", "User")] == ["_users", "_tracks", "user"]


@pytest.mark.parametrize(
    "make", [identifier, event_table, lambda text: schema_of(f"pg_{text}"), lambda text: second(text, "double")]
)
def test_long_names_stay_within_the_limit_and_apart(make: Any) -> None:
    names = {make("x" * 80 + end) for end in "abc"}
    assert ({len(name) for name in names}, len(names)) == ({63}, 3)


@pytest.mark.parametrize(
    ("value", "type"),
    [
        (1, "bigint"), (2**63 - 1, "bigint"), (2**63, "text"), (1.5, "double precision"), (True, "boolean"),
        ("a", "text"), ("2024-01-01", "text"), ("2024-01-02T03:04:05Z", "timestamp with time zone"),
        ("2024-13-02T03:04:05Z", "text"), ([], "jsonb"), ({"a": 1}, "jsonb"),
    ],
)  # fmt: skip
def test_a_value_has_a_type_that_holds_it(value: Any, type: str) -> None:
    assert type_of(value) == type
    assert fitted(value, type) is not UNFIT


@pytest.mark.parametrize(
    ("value", "type"),
    [
        (True, "bigint"), (1.5, "bigint"), ("1", "bigint"), (2**53 + 1, "double precision"), (True, "double precision"),
        (1, "boolean"), ("today", "timestamp with time zone"), (2**31, "integer"), (2**15, "smallint"),
        ("1", "numeric"), ("a", "date"), (1, "a type of theirs"),
    ],
)  # fmt: skip
def test_a_value_that_would_be_altered_does_not_fit(value: Any, type: str) -> None:
    assert fitted(value, type) is UNFIT


def test_what_fits_neither_column_is_put_into_overflow() -> None:
    known = {"id": "text", "price": "bigint", "price__text": "boolean", "overflow": "jsonb"}
    assert lacking([{"price": "free"}], known, 10) == ({}, False)
    row = {"price": "free", "overflow": {"price": "theirs"}}
    assert placed(row, known) == {"overflow": {"price": "theirs", "price_": "free"}}


def test_a_table_without_room_lacks_nothing_and_says_so() -> None:
    assert lacking([{"a": 1, "b": 2}], {}, 1) == ({"a": "bigint"}, True)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"dsn": "localhost/events"}, "dsn: write an address"),
        ({"dsn": "mysql://u:p@localhost/events"}, "dsn: write an address"),
        ({"dsn": "postgresql://u:p@localhost"}, "dsn: write an address"),
        ({"dsn": "postgresql://u:p@localhost:99999/events"}, "dsn: write an address"),
        ({"schema_name": "My Schema"}, "schema_name: write a name"),
        ({"schema_name": "pg_mine"}, "schema_name: write a name"),
        ({"schema_name": "information_schema"}, "schema_name: write a name"),
        ({"connections": 0}, "greater than or equal to 1"),
        ({"statement_timeout_s": 0}, "greater than 0"),
    ],
)
def test_settings_that_could_never_work_are_refused_without_being_told(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words) as refused:
        PostgresSettings.model_validate({"dsn": DSN, **wrong})
    assert "u:p" not in str(refused.value)


@pytest.mark.parametrize(
    ("error", "n", "outcome"),
    [
        (asyncpg.InvalidPasswordError("no"), 1, Pause),
        (asyncpg.InsufficientPrivilegeError("no"), 1, Pause),
        (asyncpg.CannotConnectNowError("starting up"), 2, RetryLater),
        (asyncpg.TooManyConnectionsError("too many"), 2, RetryLater),
        (asyncpg.DiskFullError("full"), 2, RetryLater),
        (asyncpg.DeadlockDetectedError("deadlock"), 2, RetryLater),
        (asyncpg.ReadOnlySQLTransactionError("a standby"), 2, RetryLater),
        (asyncpg.QueryCanceledError("statement timeout"), 2, RetryLater),
        (asyncpg.AdminShutdownError("bye"), 2, RetryLater),
        (asyncpg.InterfaceError("the connection is closed"), 2, RetryLater),
        (ConnectionResetError("reset"), 2, RetryLater),
        (TimeoutError(), 2, RetryLater),
        (asyncpg.UndefinedColumnError("gone"), 2, RetryLater),
        (asyncpg.StringDataRightTruncationError("too long"), 2, Split),
        (asyncpg.StringDataRightTruncationError("too long"), 1, Reject),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_what_an_error_means(error: Exception, n: int, outcome: type[Outcome]) -> None:
    assert isinstance(read_error(error, n), outcome)


@pytest.mark.long
def test_without_its_driver_it_says_what_to_install() -> None:
    code = "import sys; sys.modules['asyncpg'] = None; from router.plugin_host import find; find('postgres').load()"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=False)
    assert f"it needs asyncpg: {pip_install('postgres')}" in done.stderr
