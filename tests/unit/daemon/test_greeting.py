"""What the daemon tells a person at a terminal when it is ready."""

from __future__ import annotations

from router.config import DestinationConfig
from router.daemon.greeting import greeting


def table(name: str, mode: str = "dry-run", enabled: bool = True) -> DestinationConfig:
    return DestinationConfig.model_validate({"name": name, "plugin": "file", "mode": mode, "enabled": enabled})


def told(*destinations: DestinationConfig) -> list[str]:
    """The lines of the greeting."""
    words = greeting("http://127.0.0.1:1", "http://127.0.0.1:2", "./run send ...", destinations)
    return [line for line in words.splitlines() if line]


def test_the_addresses_and_a_line_to_paste_are_told() -> None:
    assert [line.split()[-1] for line in told()] == ["http://127.0.0.1:1", "http://127.0.0.1:2", "..."]


def test_where_every_enabled_destination_is_in_dry_run_it_is_said_that_nothing_is_sent_to_them() -> None:
    lines = told(table("crm"), table("mail"), table("old", "live", enabled=False))
    assert lines[-1].split(maxsplit=2) == ["Dry", "run:", "nothing is sent to crm, mail"]


def test_where_one_destination_is_live_nothing_is_said_of_dry_runs() -> None:
    assert "Dry run" not in "\n".join(told(table("crm"), table("mail", "live")))
    assert "Dry run" not in "\n".join(told(table("old", enabled=False)))
