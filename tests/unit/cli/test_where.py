"""Which daemon a verb asks, and with which token: a remote one, the one that says where it is, or the one of config.toml."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from router.cli import main
from router.cli.endpoint import locate
from router.runtime_file import announced
from router.testing.ports import HeldPort
from tests.unit.cli.test_cli import Asked, FakeDaemon, counts, ledger
from tests.unit.cli.test_data_source import accept

CREDENTIAL = '[admin]\nlisten = "0.0.0.0:{port}"\ntoken = {{ credential = "admin_token" }}\n'


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URL", "TOKEN", "CONFIG"):
        monkeypatch.delenv(f"SEGMENT_ROUTER_{name}", raising=False)
    for name in ("STATE_DIRECTORY", "CREDENTIALS_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SEGMENT_ROUTER_COMMAND", "./run")


@pytest.fixture
def daemon() -> Iterator[FakeDaemon]:
    with FakeDaemon() as daemon:
        daemon.answers["GET /api/ledger"] = ledger(3, crm=counts(delivered=3))
        daemon.answers["POST /api/destinations/crm/pause"] = (200, {"state": "paused", "state_reason": "by_hand"})
        yield daemon


def url_of(daemon: FakeDaemon) -> str:
    return f"http://127.0.0.1:{daemon.port}"


def tokens(daemon: FakeDaemon) -> set[str | None]:
    return {asked.headers.get("authorization") for asked in daemon.asked}


# ---------------------------------------------------------------- a daemon elsewhere


@pytest.mark.parametrize("verb", ["ledger", "pause crm"])
def test_a_remote_daemon_is_asked_without_any_configuration(
    verb: str, daemon: FakeDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*verb.split(), "--url", url_of(daemon), "--token", "typed"]) == 0
    monkeypatch.setenv("SEGMENT_ROUTER_URL", url_of(daemon))
    monkeypatch.setenv("SEGMENT_ROUTER_TOKEN", "typed")
    assert main(verb.split()) == 0
    assert tokens(daemon) == {"Bearer typed"}


def test_a_url_may_have_a_path_in_front_of_the_api(daemon: FakeDaemon) -> None:
    daemon.answers["GET /router/api/ledger"] = ledger()
    assert main(["ledger", "--url", f"{url_of(daemon)}/router/"]) == 0


def test_a_remote_daemon_that_is_away_is_a_failure_and_no_store_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    port = HeldPort()
    assert main(["ledger", "--url", f"http://127.0.0.1:{port.number}"]) == 1
    assert capsys.readouterr().err == f"nothing listens at 127.0.0.1:{port.number}\n"


def test_what_is_no_url_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger", "--url", "router.example.com"]) == 2
    assert "is no URL; write e.g. http://10.0.0.5:8081" in capsys.readouterr().err


def test_lines_to_paste_name_the_same_daemon(daemon: FakeDaemon, capsys: pytest.CaptureFixture[str]) -> None:
    daemon.answers["GET /api/destinations/crm/dead"] = (200, {"dead": 1, "kept": 1, "items": [], "next": 17})
    assert main(["dead", "crm", "--url", url_of(daemon), "--token", "secret"]) == 0
    told = capsys.readouterr().out
    assert f"./run dead crm --after 17 --url {url_of(daemon)}\n" in told
    assert "secret" not in told


# ---------------------------------------------------------------- the one that runs on this machine


def test_a_running_daemon_says_itself_where_it_is_asked(
    daemon: FakeDaemon, write_config: Callable[[str], Path], tmp_path: Path
) -> None:
    path = write_config('[admin]\nlisten = "127.0.0.1:0"\n[store]\nurl = "sqlite:router.db"')
    with announced(tmp_path / "router.db", "http://127.0.0.1:9", url_of(daemon)):
        assert main(["ledger", "--config", str(path)]) == 0
    assert len(daemon.asked) > 0


def test_a_service_is_found_by_the_folder_of_its_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_config: Callable[[str], Path]
) -> None:
    from router.cli import endpoint

    path = write_config("")
    state = tmp_path / "state"
    (state / "var").mkdir(parents=True)
    (state / "var/router.db").touch()
    monkeypatch.setattr(endpoint, "SERVICE_FOLDERS", (tmp_path.parent, tmp_path / "nowhere"))
    assert locate(path).store == tmp_path / "nowhere" / tmp_path.name / "var/router.db", "also before there is one"
    beside = tmp_path / "var/router.db"
    beside.parent.mkdir()
    beside.touch()
    assert locate(path).store == beside, "a store that is there is not left for a new one"
    monkeypatch.setattr(endpoint, "SERVICE_FOLDERS", (tmp_path.parent, _Named(state)))
    assert locate(path).store == state / "var/router.db"


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ("garbage = [\n", "what begins there does not end"),
        ("[log\n", "Expected ']' at the end of a table declaration"),
        ("[log]\n[log]\n", "Cannot declare ('log',) twice"),
        ("[server]\nlisen = 1\n", 'server.lisen: unknown key "lisen"'),
        ('[server]\nlisten = "nowhere"\n', "server.listen: "),
        ("[server]\nlisten = 1 2\n", "line "),
    ],
)
def test_a_faulty_file_keeps_nobody_from_asking_the_daemon_that_runs_nor_from_a_backup(
    slip: str,
    words: str,
    daemon: FakeDaemon,
    write_config: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write_config('[admin]\ntoken = "t0"\nlistne = 1\n[store]\nretenton = "1d"\nurl = "sqlite:kept/router.db"')
    path.write_text(f"{path.read_text()}\n{slip}")
    asyncio.run(accept(tmp_path / "kept/router.db", [{"type": "track", "userId": "u", "event": "E", "messageId": "m"}]))
    with announced(tmp_path / "kept/router.db", "http://127.0.0.1:9", url_of(daemon)):
        for verb in ("ledger", "pause crm"):
            assert main([*verb.split(), "--config", str(path)]) == 0
            assert words in (told := capsys.readouterr().err)
            assert f"{path} is faulty, as said above, and is used as far as it can be read" in told
        assert main(["backup", str(tmp_path / "b.tar.zst"), "--config", str(path)]) == 0
        assert words in capsys.readouterr().err
        main(["doctor", "--json", "--config", str(path)])
        told = json.loads(capsys.readouterr().out)
        assert told["running"]
        [fault, *_] = [one for one in told["findings"] if one["code"] == "configuration"]
        assert (fault["level"], fault["sentence"].count(str(path))) == ("warning", 1)
    assert tokens(daemon) == {"Bearer t0"}


@pytest.mark.parametrize("tables", ['[store]\nurl = "sqlite:kept', "[store]\nurl = 5", '[store\nurl = "sqlite:k"'])
def test_where_the_store_is_not_known_no_other_one_is_taken_and_the_way_around_is_named(
    tables: str,
    daemon: FakeDaemon,
    write_config: Callable[[str], Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write_config(tables)
    asyncio.run(accept(tmp_path / "var/router.db", []))
    for verb in ("ledger", "pause crm", f"backup {tmp_path}/b.tar.zst"):
        assert main([*verb.split(), "--config", str(path)]) == 78, verb
        told = capsys.readouterr().err
        assert ("--url http://127.0.0.1:8081" in told) == (not verb.startswith("backup"))
    assert main(["ledger", "--url", url_of(daemon), "--config", str(path)]) == 0


def test_an_address_that_is_faulty_is_not_replaced_by_the_default_while_no_daemon_says_its_own(
    write_config: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_config('[admin]\nlisten = "nowhere"\n[store]\nurl = "sqlite:kept/router.db"')
    asyncio.run(accept(tmp_path / "kept/router.db", []))
    assert main(["ledger", "--config", str(path)]) == 78
    assert "admin.listen: " in capsys.readouterr().err


def test_the_line_that_starts_the_daemon_is_of_systemd_where_the_unit_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from router.cli import endpoint

    monkeypatch.setattr(endpoint, "SERVICE_FOLDERS", (tmp_path, tmp_path / "var-lib"))
    config = tmp_path / "segment-router/config.toml"
    config.parent.mkdir()

    def told() -> str:
        assert main(["reload", "--config", str(config)]) == 1
        return capsys.readouterr().err

    assert main(["init", str(config)]) == 0
    capsys.readouterr()
    config.write_text(config.read_text().replace("127.0.0.1:8081", "127.0.0.1:9"))
    assert f"start it: ./run serve --config {config}\n" in told()
    (tmp_path / "systemd/system").mkdir(parents=True)
    (tmp_path / "systemd/system/segment-router.service").touch()
    assert "start it: systemctl start segment-router\n" in told()
    assert endpoint.stop_line(config, 7) == "systemctl stop segment-router"
    (tmp_path / "systemd/system/segment-router.socket").touch()
    assert endpoint.stop_line(config, 7) == "systemctl stop segment-router.socket segment-router"
    config = config.rename(tmp_path / "config.toml")
    assert endpoint.stop_line(config, 7) == "kill 7"
    assert f"start it: ./run serve --config {config}\n" in told()


class _Named:
    """Stands for /var/lib: every name in it is this folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __truediv__(self, name: str) -> Path:
        return self._folder


# ---------------------------------------------------------------- the token


def test_a_credential_of_the_service_is_looked_up_where_the_running_daemon_has_it(
    daemon: FakeDaemon, write_config: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_config(CREDENTIAL.format(port=daemon.port) + '[store]\nurl = "sqlite:router.db"')
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials/admin_token").write_text("s3cret\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    with announced(tmp_path / "router.db", "http://127.0.0.1:9", url_of(daemon)):
        monkeypatch.delenv("CREDENTIALS_DIRECTORY")
        assert main(["pause", "crm", "--config", str(path)]) == 0
    assert tokens(daemon) == {"Bearer s3cret"}


def test_a_write_key_that_is_a_credential_of_the_service_is_found_there_too(
    daemon: FakeDaemon, write_config: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_config("""
        [store]
        url = "sqlite:router.db"
        [[source]]
        name = "website"
        write_key = { credential = "web" }
    """)
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials/web").write_text("wk_of_web\n")
    daemon.answers["POST /v1/track"] = (200, {"success": True})
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    with announced(tmp_path / "router.db", url_of(daemon), "http://127.0.0.1:9"):
        monkeypatch.delenv("CREDENTIALS_DIRECTORY")
        assert main(["send", "track", "--user", "u1", "--event", "E", "--config", str(path)]) == 0
    assert tokens(daemon) == {f"Basic {b64encode(b'wk_of_web:').decode()}"}


def test_a_credential_is_looked_up_again_where_the_daemon_was_only_starting(
    daemon: FakeDaemon, write_config: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """systemd holds its socket, so a command waits there until it serves. What it says of itself is there only then."""
    path = write_config(CREDENTIAL.format(port=daemon.port) + '[store]\nurl = "sqlite:router.db"')
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials/admin_token").write_text("s3cret\n")
    told = ExitStack()

    def answer(asked: Asked) -> tuple[int, object]:
        if asked.headers.get("authorization") == "Bearer s3cret":
            return 200, {"state": "paused", "state_reason": "by_hand"}
        with monkeypatch.context() as patch:
            patch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
            told.enter_context(announced(tmp_path / "router.db", "http://127.0.0.1:9", url_of(daemon)))
        return 401, {"error": "no", "code": "unauthorized"}

    monkeypatch.setattr(daemon, "take", answer)
    with told:
        assert main(["pause", "crm", "--config", str(path)]) == 0


def test_a_token_that_is_not_to_be_had_is_named_when_the_daemon_asks_for_it(
    daemon: FakeDaemon, write_config: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_config(CREDENTIAL.format(port=daemon.port))
    assert main(["ledger", "--config", str(path)]) == 0
    daemon.answers["GET /api/ledger"] = (401, {"error": "no", "code": "unauthorized"})
    assert main(["ledger", "--config", str(path)]) == 1
    told = capsys.readouterr().err
    assert 'no $CREDENTIALS_DIRECTORY to look up "admin_token" in; give it with --token or SEGMENT_ROUTER_TOKEN' in told
    assert main(["ledger", "--config", str(path), "--token", "t"]) == 1
    assert "the daemon asks for another token" in capsys.readouterr().err


def test_check_takes_a_credential_for_out_of_sight_and_says_which(
    write_config: Callable[[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_config("""
        [admin]
        listen = "0.0.0.0:8081"
        token = { credential = "admin_token" }
        [[source]]
        name = "website"
        write_key = { credential = "web" }
        [[source]]
        name = "app"
        write_key = { credential = "app" }
        [[destination]]
        name = "mail"
        plugin = "braze"
        settings = { base_url = "https://rest.iad-01.braze.com", api_key = { credential = "braze" } }
    """)
    assert main(["check", "--config", str(path), "--json"]) == 0
    warnings = json.loads(capsys.readouterr().out)["warnings"]
    keys = ["admin.token", "source[0] (website).write_key", "source[1] (app).write_key", "settings.api_key"]
    assert [warning["key"] for warning in warnings] == keys
    assert all("only the service has it" in warning["words"] for warning in warnings)
    assert main(["destinations", "test", "mail", "--config", str(path)]) == 1
    told = capsys.readouterr()
    assert 'check: not made: settings.api_key: no $CREDENTIALS_DIRECTORY to look up "braze" in' in told.out
    assert "track: would be sent" in told.out
