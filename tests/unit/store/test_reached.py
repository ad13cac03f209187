"""How a database is connected to, directly and through a PgBouncer."""

from __future__ import annotations

import pytest

from router.store.postgres.database import SETTINGS, reached


def test_a_connection_has_the_settings_of_all_and_its_own() -> None:
    how = reached("postgresql://router@db/events?sslmode=require", lock_timeout="1")
    assert how["dsn"] == "postgresql://router@db/events?sslmode=require"
    assert how["server_settings"] == {**SETTINGS, "lock_timeout": "1"}
    assert "statement_cache_size" not in how


@pytest.mark.parametrize(
    ("written", "left"),
    [
        ("postgresql://router:p%40ss@a,b:6432/events?pgbouncer=true", "postgresql://router:p%40ss@a,b:6432/events"),
        ("postgresql:///events?host=%2Frun&pgbouncer=true", "postgresql:///events?host=%2Frun"),
    ],
)
def test_behind_a_pgbouncer_no_statement_is_kept_and_no_setting_sent(written: str, left: str) -> None:
    how = reached(written, lock_timeout="1")
    assert (how["dsn"], how["statement_cache_size"]) == (left, 0)
    assert how["server_settings"] == {"application_name": "segment-router"}
