"""`events` and `why --user`: what they ask of the daemon, how a list looks in 80 columns, how new events follow."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from router.cli import main
from router.cli.verbs import events as verb
from router.cli.verbs.events import states
from router.event_search import parse_filter
from router.vocabulary import EventState
from tests.unit.cli.test_cli import AT, FakeDaemon, config, daemon, ledger, message

__all__ = ["config", "daemon"]  # fixtures

ID = "8f14e45f-ceea-467f-a0e6-1c2d3e4f5a6b"


def event(position: int, **differing: Any) -> dict[str, Any]:
    usual = {
        "position": position, "message_id": f"m{position}", "source": "website", "type": "track", "name": "Signed up",
        "user": "user:u1", "group_id": "acme", "received_at": AT,
        "destinations": {"crm": {"state": "held", "reason": "group_unknown"}, "mail": {"state": "delivered", "reason": ""}},
    }  # fmt: skip
    return {**usual, **differing}


def page(*items: dict[str, Any], next: int | None = None, searched_to: str | None = None) -> tuple[int, dict[str, Any]]:
    return 200, {"items": list(items), "next": next, "searched_to": searched_to}


def test_filters_go_to_the_daemon_and_the_way_to_the_next_page_keeps_them(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    query = "user=u1&company=acme&type=track&name=Signed+up&source=website&state=held%40crm&since=24h&before=9&limit=2"
    daemon.answers[f"GET /api/events?{query}"] = page(event(8), event(8), next=8)
    daemon.answers[f"GET /api/events?{query}".replace("before=9&limit=2", "before=8&limit=1")] = page(event(7))
    words = ["--user", "u1", "--company", "acme", "--type", "track", "--name", "Signed up", "--source", "website"]
    words += ["--state", "held@crm", "--since", "24h"]
    assert main(["events", *words, "--before", "9", "--limit", "2"]) == 0
    told = capsys.readouterr().out
    assert "01-02 03:04:05  track  Signed up  user:u1  held@crm, else delivered  m8\n" in told
    assert told.endswith(
        "more: ./run events --user u1 --company acme --type track --name 'Signed up' --source website --state held@crm"
        " --since 24h --limit 2 --before 8\n"
    )


def test_in_80_columns_a_long_message_id_has_a_line_of_its_own_and_stays_whole(
    config: Path, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    long = event(1, message_id=ID, user="user:somebody-with-a-long-name@example.com", name="A name that is long, too")
    daemon.answers["GET /api/events?limit=20"] = page(long, event(2, message_id=ID, type="group"))
    assert main(["events"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.strip() for line in lines].count(ID) == 2
    assert max(map(len, lines)) <= 80
    assert "…" in lines[1]
    assert lines[0].startswith("accepted (UTC)")


def test_in_80_columns_every_state_of_an_event_is_told_in_full(
    config: Path, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    states = {"clientsuccess": "held", "freshsuccess": "skipped", "braze": "delivered"}
    fates = {name: {"state": state, "reason": ""} for name, state in states.items()}
    daemon.answers["GET /api/events?limit=20"] = page(
        event(1, user=f"anonymous:{ID}", message_id=ID, destinations=fates)
    )
    assert main(["events"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[-1] for line in lines[1:3]] == ["held@clientsuccess,", "skipped@freshsuccess,"]
    assert lines[3].strip() == "else delivered"


def test_a_search_that_gave_up_says_how_far_it_looked(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers["GET /api/events?user=u9&limit=20"] = page(next=500, searched_to=AT)
    assert main(["events", "--user", "u9"]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("no such event among those looked at\n")
    assert "events --user u9 --before 500" in told.out
    assert "looked back to 2026-01-02 03:04:05 UTC only" in told.err


def test_a_user_who_is_an_anonymous_id_is_found_by_the_line_that_is_said(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers["GET /api/events?user=an-1&limit=20"] = daemon.answers["GET /api/events?user=an-1&limit=1"] = page()
    daemon.answers["GET /api/events?user=anonymous%3Aan-1&limit=1"] = page(event(1, user="anonymous:an-1"))
    assert main(["events", "--user", "an-1"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("no event of user:an-1 is stored\n")
    assert "`./run events --user anonymous:an-1`" in told
    assert main(["why", "--user", "an-1"]) == 1
    assert "`./run events --user anonymous:an-1`" in capsys.readouterr().err


def test_somebody_who_is_not_known_comes_with_the_causes(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    for user in ("ada%40example.com", "anonymous%3Aada%40example.com"):
        for limit in (1, 20):
            daemon.answers[f"GET /api/events?user={user}&limit={limit}"] = page()
    assert main(["events", "--user", "ada@example.com"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert told.startswith("no event of user:ada@example.com is stored Is it another id? An anonymousId is written")
    assert "is not stored: `./run discards`" in told
    assert "or is it older than `store.retention`?" in told


def test_of_somebody_who_has_other_events_the_line_that_shows_all_is_said(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers["GET /api/events?user=u1&type=page&limit=20"] = page()
    daemon.answers["GET /api/events?user=u1&limit=1"] = page(event(1))
    assert main(["events", "--user", "u1", "--type", "page"]) == 0
    told = capsys.readouterr().out
    assert told == "no event of user:u1 that was asked for is stored\nall of theirs: `./run events --user u1`\n"


@pytest.mark.parametrize(
    ("behind", "is_told"), [(page(), False), (page(event(4)), True), (page(next=3, searched_to=AT), True)]
)
def test_a_full_page_names_the_next_one_only_where_something_may_follow(
    behind: tuple[int, dict[str, Any]],
    is_told: bool,
    config: Path,
    daemon: FakeDaemon,
    capsys: pytest.CaptureFixture[str],
) -> None:
    daemon.answers["GET /api/events?user=u1&limit=1"] = page(event(5), next=5)
    daemon.answers["GET /api/events?user=u1&before=5&limit=1"] = behind
    assert main(["events", "--user", "u1", "--limit", "1"]) == 0
    assert ("more: " in capsys.readouterr().out) == is_told


def test_no_event_at_all_is_a_sentence(config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answers["GET /api/events?limit=20"] = page()
    assert main(["events"]) == 0
    assert capsys.readouterr().out == "no event is stored\n"


def test_a_filter_that_the_daemon_refuses_is_wrong_usage(config: Path, daemon: FakeDaemon) -> None:
    refusal = {"error": "state: 'odd' is none of ...", "code": "invalid_request"}
    daemon.answers["GET /api/events?state=odd&limit=20"] = (400, refusal)
    assert main(["events", "--state", "odd"]) == 2
    assert main(["events", "--limit", "0"]) == 2
    assert main(["events", "--follow", "--before", "7"]) == 2


def test_the_help_lists_every_state(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["events", "--help"]) == 0
    told = " ".join(capsys.readouterr().out.partition("--state")[2].partition("--reason")[0].split())
    assert [state for state in EventState if state not in told] == []


def test_a_word_that_is_no_state_is_answered_with_all_of_them() -> None:
    with pytest.raises(
        ValueError, match=r"'gone' is no state of an event; write one of delivered, .*dead, alone or with"
    ):
        parse_filter({"state": "gone@crm"}, ["crm"], 0)
    with pytest.raises(ValueError, match=r"no destination 'cmr' \(configured: crm\)"):
        parse_filter({"state": "dead@cmr"}, ["crm"], 0)


def test_a_state_cell_names_the_destinations_that_differ_the_worst_first() -> None:
    def cell(**of: str) -> str:
        return states({name: {"state": state, "reason": ""} for name, state in of.items()}).text

    assert cell(crm="delivered", mail="delivered") == "delivered"
    assert cell(crm="skipped", mail="dead", chat="delivered") == "dead@mail, skipped@crm, else delivered"
    assert cell(crm="held", mail="queued") == "held@crm, queued@mail"
    assert cell() == "-"


class TwoLooks:
    """A clock for --follow: after the second wait the operator presses Ctrl-C."""

    waits = 0

    async def sleep(self, seconds: float) -> None:
        self.waits += 1
        if self.waits == 2:
            raise KeyboardInterrupt


@pytest.mark.parametrize("as_json", [False, True])
def test_follow_shows_each_event_once_the_newest_last_and_ends_quietly(
    as_json: bool,
    config: Path,
    daemon: FakeDaemon,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(verb, "SystemClock", TwoLooks)
    first, then = (event(3), event(2), event(1)), (event(5), event(4))
    daemon.answers["GET /api/events?limit=500"] = [page(*first), page(*then, *first)]
    assert main(["events", "--follow", "--limit", "2", *(["--json"] if as_json else [])]) == 130
    told = capsys.readouterr()
    lines = told.out.splitlines()
    shown = [json.loads(line)["message_id"] if as_json else line.split()[-1] for line in lines]
    assert (shown, told.err) == (["m2", "m3", "m4", "m5"], "")


def test_why_of_a_user_is_about_the_newest_event(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]
) -> None:
    daemon.answers["GET /api/events?user=u1&limit=1"] = page(event(7))
    daemon.answers["GET /api/messages/m7?source=website"] = message(crm={"state": "delivered"})
    daemon.answers["GET /api/ledger"] = ledger()
    assert main(["why", "--user", "u1"]) == 0
    assert capsys.readouterr().out.startswith("m7: page of user:u1")
    daemon.answers["GET /api/events?user=u2&limit=1"] = page(next=9, searched_to=AT)
    assert main(["why", "--user", "u2"]) == 1
    assert "no event of u2 is stored since 2026-01-02 03:04:05 UTC" in capsys.readouterr().err
    assert main(["why"]) == 2
    assert main(["why", "m1", "--user", "u1"]) == 2


def test_the_examples_name_the_program_as_it_was_called(
    config: Path, write_config: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["events", "--help"]) == 0
    assert "\nExamples:\n  ./run events --user u1\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "written"),
    [(["events", "--user", ""], "--user"), (["events", "--company", ""], "--company"), (["dead", ""], "DESTINATION")],
)
def test_an_empty_value_is_wrong_usage_and_does_not_choose_everything(
    config: Path, daemon: FakeDaemon, capsys: pytest.CaptureFixture[str], words: list[str], written: str
) -> None:
    assert main(words) == 2
    assert f"{written}: is empty: give it a value, or leave it out" in capsys.readouterr().err
