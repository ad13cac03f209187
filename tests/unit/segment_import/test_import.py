"""`config import segment`: what becomes of each form of an export, that `check` takes it, and that every loss is named."""

from __future__ import annotations

import json
import shutil
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from router.cli import main
from router.editing.catalogue import offers
from router.extras import pip_install
from router.segment_import.convert import convert
from router.segment_import.names import Names
from router.segment_import.workspace import Destination, Source, Trigger, Workspace

EXPORTS = Path(__file__).parents[2] / "fixtures/segment"
API, GIT_SYNC = EXPORTS / "public_api", EXPORTS / "git_sync"
SHOW, STATE = EXPORTS / "terraform-show.json", EXPORTS / "terraform.tfstate"
Printed = pytest.CaptureFixture[str]


def imported(folder: Path, *exports: Path, options: tuple[str, ...] = ()) -> dict[str, Any]:
    """config.toml of an import that `check` takes."""
    assert main(["config", "import", "segment", *map(str, exports), "--out", str(folder), *options]) == 0
    assert main(["check", "--config", str(folder / "config.toml")]) == 0
    return tomllib.loads((folder / "config.toml").read_text(encoding="utf-8"))


def by_name(tables: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {table["name"]: table for table in tables}


def lost(capsys: Printed) -> list[str]:
    lines = capsys.readouterr().err.splitlines()
    return [line.removeprefix("not carried over: ") for line in lines if line.startswith("not carried over: ")]


@pytest.mark.parametrize("export", [API, GIT_SYNC, SHOW, STATE], ids=lambda path: path.name)
def test_check_takes_what_is_made_of_every_form(export: Path, tmp_path: Path) -> None:
    made = imported(tmp_path / "new", export)
    assert made["source"]
    assert {table["mode"] for table in made["destination"]} == {"dry-run"}


# ---------------------------------------------------------------- sources and keys


def test_sources_keep_their_write_keys_in_files_that_only_their_owner_reads(tmp_path: Path, capsys: Printed) -> None:
    sources = by_name(imported(tmp_path, API)["source"])
    assert set(sources) == {"acme-website", "backend-api", "old-app", "quality"}
    files = sources["acme-website"]["write_key"]
    assert files == [{"file": "secrets/acme-website_write_key"}, {"file": "secrets/acme-website_write_key_2"}]
    assert [(tmp_path / one["file"]).read_text() for one in files] == ["wk_website_1\n", "wk_website_2\n"]
    assert stat.S_IMODE((tmp_path / files[0]["file"]).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert sources["old-app"]["enabled"] is False
    words = "".join(capsys.readouterr()) + (tmp_path / "config.toml").read_text()
    assert "wk_" not in words


def test_write_keys_are_in_config_toml_if_that_is_wanted(tmp_path: Path) -> None:
    sources = by_name(imported(tmp_path, API, options=("--write-keys",))["source"])
    assert sources["acme-website"]["write_key"] == ["wk_website_1", "wk_website_2"]
    assert sources["backend-api"]["write_key"] == "wk_backend"
    assert stat.S_IMODE((tmp_path / "config.toml").stat().st_mode) == 0o600


def test_a_source_without_a_key_in_the_export_gets_a_new_one_which_is_told(tmp_path: Path, capsys: Printed) -> None:
    sources = by_name(imported(tmp_path, GIT_SYNC)["source"])
    assert set(sources) == {"acme-website", "orders-beta"}
    keys = {(tmp_path / table["write_key"]["file"]).read_text().strip() for table in sources.values()}
    assert len(keys) == 2
    assert min(map(len, keys)) >= 32
    assert 'to do: source "Acme Website": the export has none of its write keys' in capsys.readouterr().err


def test_a_source_that_segment_fetches_from_is_left_with_what_it_is_connected_to(
    tmp_path: Path, capsys: Printed
) -> None:
    imported(tmp_path, API)
    told = lost(capsys)
    assert 'source "Stripe": Segment fetches from it' in " ".join(told)
    assert 'destination "Braze for Stripe": its source (sStripe4) is not carried over' in told


# ---------------------------------------------------------------- destinations


def test_the_same_tool_at_several_sources_is_one_destination(tmp_path: Path) -> None:
    destinations = by_name(imported(tmp_path, API)["destination"])
    assert set(destinations) == {"braze-eu", "clientsuccess", "orders-hook"}
    assert destinations["braze-eu"]["sources"] == ["acme-website", "backend-api"]


def test_settings_are_those_of_the_plugin_and_secrets_are_files(tmp_path: Path) -> None:
    made = by_name(imported(tmp_path, API)["destination"])
    assert made["braze-eu"]["settings"] == {
        "app_id": "app-1", "base_url": "https://rest.fra-01.braze.eu", "api_key": {"file": "secrets/braze-eu_api_key"},
    }  # fmt: skip
    assert (tmp_path / "secrets/braze-eu_api_key").read_text() == "brz-rest-key-1\n"
    assert made["clientsuccess"]["settings"]["project_id"] == "CS-PROJECT"


def test_a_secret_that_segment_masks_is_one_to_set(tmp_path: Path, capsys: Printed) -> None:
    made = by_name(imported(tmp_path, API)["destination"])
    assert made["clientsuccess"]["settings"]["api_key"] == {"env": "CLIENTSUCCESS_API_KEY"}
    assert 'to do: destination "clientsuccess": the export does not have api_key' in capsys.readouterr().err


def test_a_setting_that_the_plugin_has_not_is_named_without_its_value(tmp_path: Path, capsys: Printed) -> None:
    imported(tmp_path, API)
    assert 'destination "clientsuccess": setting unknownThing: the plugin has no such setting' in lost(capsys)


def test_a_webhook_has_the_address_of_its_mapping_and_keeps_being_off(tmp_path: Path) -> None:
    hook = by_name(imported(tmp_path, API)["destination"])["orders-hook"]
    assert hook["settings"]["url"] == {"file": "secrets/orders-hook_url"}
    assert (tmp_path / "secrets/orders-hook_url").read_text() == "https://hooks.example.com/orders?token=t0ken\n"
    assert (hook["enabled"], hook["settings"]["shared_secret"]) == (
        False,
        {"file": "secrets/orders-hook_shared_secret"},
    )


def test_a_tool_without_a_plugin_is_named(tmp_path: Path, capsys: Printed) -> None:
    imported(tmp_path, API)
    assert 'destination "Amplitude": there is no plugin for Amplitude (Actions) here' in lost(capsys)


def test_a_tool_of_which_only_the_id_is_known_says_where_its_name_is(tmp_path: Path, capsys: Printed) -> None:
    imported(tmp_path, GIT_SYNC)
    (words,) = [one for one in lost(capsys) if one.startswith('destination "d9"')]
    assert "only the id of its tool (618ac81d0dff5bb5207845a5)" in words
    assert "terraform show -json" in words


def test_the_trigger_of_a_mapping_is_told(tmp_path: Path, capsys: Printed) -> None:
    imported(tmp_path, SHOW)
    (words,) = [one for one in lost(capsys) if 'mapping "Track Event"' in one]
    assert words.endswith('Its trigger was: type = "track" and event != "Order Completed"')


# ---------------------------------------------------------------- filters


def test_filters_are_those_of_segment(tmp_path: Path) -> None:
    filters = by_name(imported(tmp_path, API)["destination"])["braze-eu"]["filters"]
    assert filters == [
        {
            "title": "No e-mail to our own people",
            "if": "contains( traits.email, \"@acme.com\" ) or match( traits.email, '*@acme.test' )",
            "actions": [{"type": "DROP"}],
        },
        {
            "title": "No passwords",
            "if": "all",
            "enabled": False,
            "actions": [{"type": "DROP_PROPERTIES", "fields": {"properties": ["password"]}}],
        },
    ]


def test_a_filter_that_the_router_refuses_is_a_comment_with_the_reason(tmp_path: Path, capsys: Printed) -> None:
    made = by_name(imported(tmp_path, API)["destination"])
    assert [one["title"] for one in made["clientsuccess"]["filters"]] == ["A tenth of the pages"]
    text = (tmp_path / "config.toml").read_text()
    assert '#title = "Old users"' in text
    assert "Do not set this destination live" in text
    (words,) = [one for one in lost(capsys) if "Old users" in one]
    assert "line 1" in words


def test_terraform_keeps_fields_as_json_in_a_text(tmp_path: Path) -> None:
    (braze,) = imported(tmp_path, SHOW)["destination"]
    (filter,) = braze["filters"]
    assert filter["actions"] == [
        {"type": "DROP_PROPERTIES", "fields": {"properties": ["password"], "": ["anonymousId"]}}
    ]


# ---------------------------------------------------------------- plans


def test_a_plan_is_a_file_that_its_source_names_with_what_becomes_of_violations(
    tmp_path: Path, capsys: Printed
) -> None:
    website = by_name(imported(tmp_path, API)["source"])["acme-website"]
    assert website["plan"] == "plans/acme-web.json"
    rules = json.loads((tmp_path / "plans/acme-web.json").read_text())["rules"]
    assert [(rule["type"], rule["key"]) for rule in rules] == [("TRACK", "Order Completed"), ("IDENTIFY", None)]
    assert website["on_violation"] == {
        "track": {
            "unplanned_events": "block", "unplanned_properties": "omit", "violations": "omit", "common_violations": "block",
        },
        "identify": {"unplanned_properties": "omit"},
    }  # fmt: skip
    assert website["forward"] == {"violations": "quality"}
    told = lost(capsys)
    assert 'source "Acme Website": forward.blocked: its source (sOld3) is not carried over, or is disabled' in told


def test_a_plan_that_the_router_refuses_is_written_and_not_named(tmp_path: Path, capsys: Printed) -> None:
    made = imported(tmp_path, API)
    assert "plan" not in by_name(made["source"])["backend-api"]
    assert (tmp_path / "plans/look-around.json").exists()
    told = " ".join(lost(capsys))
    assert 'tracking plan "Look-around": it is written to plans/look-around.json' in told
    assert 'tracking plan "Empty": the export has none of its rules' in told


def test_a_plan_of_which_no_source_is_known_is_one_to_name(tmp_path: Path, capsys: Printed) -> None:
    export = shutil.copytree(API, tmp_path / "export", ignore=shutil.ignore_patterns("tp_1.sources.json"))
    made = imported(tmp_path / "new", export)
    assert not any("plan" in source for source in made["source"])
    assert 'to do: tracking plan "Acme Web": the export does not say which source has it' in capsys.readouterr().err


def test_terraform_has_the_settings_about_violations_at_the_connection(tmp_path: Path) -> None:
    website = by_name(imported(tmp_path, SHOW)["source"])["acme-website"]
    assert website["on_violation"] == {
        "track": {"violations": "block"},
        "identify": {"unplanned_properties": "omit", "violations": "omit", "common_violations": "omit"},
    }
    assert website["forward"] == {"violations": "quality"}


# ---------------------------------------------------------------- HCL


def test_hcl_of_git_sync_and_by_hand_is_read(tmp_path: Path) -> None:
    made = imported(tmp_path, GIT_SYNC)
    (braze,) = made["destination"]
    assert braze["sources"] == ["acme-website"]
    assert braze["settings"]["api_key"] == {"env": "BRAZE_EU_API_KEY"}
    first, second = braze["filters"]
    assert first["actions"][0]["fields"] == {"": ["anonymousId"], "properties": ["password", "card.number"]}
    assert first["if"] == 'type = "track" and !(properties.plan = "free")'
    assert (second["title"], second["if"].strip()) == ("A twentieth of identify", 'type = "identify"')
    rules = json.loads((tmp_path / "plans/acme-web.json").read_text())["rules"]
    assert rules[0]["jsonSchema"]["description"] == 'An order: ${5} and "more".'
    properties = rules[0]["jsonSchema"]["properties"]["properties"]["properties"]
    assert properties == {"total": {"minimum": 0.5, "type": ["number", "null"]}}
    assert by_name(made["source"])["acme-website"]["on_violation"] == {"track": {"unplanned_events": "block"}}


def test_what_only_terraform_can_evaluate_is_named_and_its_filter_is_no_filter(tmp_path: Path, capsys: Printed) -> None:
    imported(tmp_path, GIT_SYNC)
    told = " ".join(lost(capsys))
    assert "f1.tf: segment_destination_filter.needs_terraform: if:" in told
    assert "f1.tf: segment_destination_filter.needs_terraform: source_id: only Terraform can evaluate its" in told
    assert 'filter "From a variable"' in told


def test_hcl_that_cannot_be_parsed_is_named(tmp_path: Path, capsys: Printed) -> None:
    broken = tmp_path / "broken.tf"
    broken.write_text('resource "segment_source" "x" {\n  name = \n}\n')
    imported(tmp_path / "new", GIT_SYNC, broken)
    assert "not read: broken.tf: cannot be read as HCL" in " ".join(lost(capsys))


def test_without_python_hcl2_it_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Printed
) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("router.segment_import.hcl.import_module", missing)
    assert main(["config", "import", "segment", str(GIT_SYNC), "--out", str(tmp_path / "new")]) == 1
    words = capsys.readouterr().err
    assert pip_install("terraform") in words
    assert "terraform show -json" in words


# ---------------------------------------------------------------- the rest


def test_whatever_has_no_counterpart_is_named_with_the_reason(tmp_path: Path, capsys: Printed) -> None:
    imported(tmp_path, API, SHOW)
    told = lost(capsys)
    assert 'warehouse "Main warehouse": the router fills no warehouses' in told
    assert 'transformation "Rename things": write it as [destination.mapping]' in " ".join(told)
    assert 'user "u1": there are no accounts here' in told
    comments = " ".join(line.lstrip("# ") for line in (tmp_path / "config.toml").read_text().splitlines())
    assert all(" ".join(words.split()) in " ".join(comments.split()) for words in told)


def test_without_out_nothing_is_written_and_no_secret_is_printed(tmp_path: Path, capsys: Printed) -> None:
    assert main(["config", "import", "segment", str(API)]) == 0
    out, err = capsys.readouterr()
    assert tomllib.loads(out)["source"]
    assert "nothing was written; --out FOLDER" in err
    for secret in ("wk_", "brz-rest-key-1", "hook-secret", "t0ken"):
        assert secret not in out + err


def test_programs_get_it_as_json(tmp_path: Path, capsys: Printed) -> None:
    assert main(["config", "import", "segment", str(API), "--out", str(tmp_path / "new"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told) == {"config", "files", "secrets", "written", "not_carried_over", "to_do"}
    assert told["files"] == ["plans/acme-web.json", "plans/look-around.json"]
    assert "secrets/braze-eu_api_key" in told["secrets"]
    assert "brz-rest-key-1" not in json.dumps(told)


def test_it_writes_nothing_over_a_file(tmp_path: Path, capsys: Printed) -> None:
    (tmp_path / "plans").mkdir()
    (tmp_path / "plans/acme-web.json").write_text("mine")
    assert main(["config", "import", "segment", str(API), "--out", str(tmp_path)]) == 1
    assert "is there already; nothing was written" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["plans"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "no JSON"),
        ("[]", "there is no source, destination or tracking plan"),
        ('{"data": {"other": 1}}', "no answer of Segment's Public API"),
        ("[[[[{}]]]]", "no answer of Segment's Public API"),
        ('{"a":' * 900 + "1" + "}" * 900, "no answer of Segment's Public API"),
        ('{"settings":' * 900 + "{}" + "}" * 900, "nested too deeply"),
        ('{"data": {"sources": [1, null]}}', "there is no source"),
    ],
)
def test_what_is_no_export_is_refused(content: str, words: str, tmp_path: Path, capsys: Printed) -> None:
    (tmp_path / "x.json").write_text(content)
    assert main(["config", "import", "segment", str(tmp_path / "x.json")]) == 1
    assert words in capsys.readouterr().err


HALF = json.dumps("P\ud800")
SOURCE = {"id": "s1", "name": "a", "enabled": True, "writeKeys": ["k"]}


@pytest.mark.parametrize(
    "answer",
    [
        '{"sources": [{"id": "s1", "name": HALF}]}',
        '{"sources": [], "trackingPlans": [{"id": "tp1", "name": HALF, "rules": [{"type": "TRACK", "key": "E"}]}]}',
        '{"trackingPlans": [{"id": "tp1", "name": "P", "rules": [{"type": "TRACK", "key": HALF, "jsonSchema": {}}]}]}',
    ],
)
def test_a_text_that_no_file_can_hold_is_an_error_with_the_name_of_the_file(
    answer: str, tmp_path: Path, capsys: Printed
) -> None:
    (tmp_path / "x.json").write_text(answer.replace("HALF", HALF))
    assert main(["config", "import", "segment", str(tmp_path / "x.json"), "--out", str(tmp_path / "new")]) == 1
    assert "x.json: a text has half of a character in it ('\\ud800'); mend that text" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_a_whole_character_of_two_escapes_is_none_of_these(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps({"sources": [{**SOURCE, "name": "a \U0001f600"}]}))
    assert imported(tmp_path / "new", tmp_path / "x.json")["source"][0]["name"] == "a"


def test_a_text_in_a_text_that_no_file_can_hold_is_left_out(tmp_path: Path) -> None:
    resources = [
        {"mode": "managed", "type": "segment_source", "values": {"id": "s1", "name": "a", "write_keys": ["k"]}},
        {"mode": "managed", "type": "segment_destination", "values": {
            "id": "d1", "name": "h", "source_id": "s1", "metadata": {"name": "Webhook"}, "settings": '{"url": HALF}'.replace("HALF", HALF),
        }},
    ]  # fmt: skip
    show = {"terraform_version": "1", "values": {"root_module": {"resources": resources}}}
    (tmp_path / "x.json").write_text(json.dumps(show))
    made = imported(tmp_path / "new", tmp_path / "x.json")
    assert made["destination"][0]["settings"] == {"url": {"env": "H_URL"}}


@pytest.mark.parametrize("id", ["", None, 7])
def test_sources_without_an_id_have_names_of_their_own(id: Any, tmp_path: Path, capsys: Printed) -> None:
    sources = [{**SOURCE, "id": id, "name": name, "writeKeys": [f"k{at}"]} for at, name in enumerate("abb")]
    hook = {"id": "d1", "name": "h", "sourceId": id, "metadata": {"name": "Webhook"}, "settings": {"url": "https://x"}}
    (tmp_path / "x.json").write_text(json.dumps({"sources": sources, "destinations": [hook]}))
    made = imported(tmp_path / "new", tmp_path / "x.json")
    assert [one["name"] for one in made["source"]] == ["a", "b", "b-2"]
    assert 'destination "h": its source () is not carried over' in lost(capsys)


def test_names_are_numbered_also_where_a_number_is_taken() -> None:
    names = Names()
    assert [names.give(one, "x") for one in ("a", "a-2", "a", "a", "a-2", "")] == [
        "a",
        "a-2",
        "a-3",
        "a-4",
        "a-2-2",
        "x",
    ]


def test_hcl_that_cannot_be_parsed_is_named_with_its_line_and_not_quoted(tmp_path: Path, capsys: Printed) -> None:
    (tmp_path / "good.json").write_text(json.dumps({"sources": [SOURCE]}))
    (tmp_path / "bad.tf").write_text(f'resource "segment_source" "a" {{\n name = [x {"y" * 5000}]\n}}\n')
    imported(tmp_path / "new", tmp_path)
    [words] = [line for line in lost(capsys) if "bad.tf" in line]
    assert words == "not read: bad.tf: cannot be read as HCL (UnexpectedToken, line 2)"


def test_a_file_that_is_not_there_is_refused(tmp_path: Path, capsys: Printed) -> None:
    assert main(["config", "import", "segment", str(tmp_path / "none.json")]) == 1
    assert "none.json: cannot be read" in capsys.readouterr().err


def test_a_filter_with_what_toml_has_not_is_a_comment(tmp_path: Path) -> None:
    source = {"id": "s1", "name": "a", "enabled": True, "writeKeys": ["k", "no key\n", 5], "metadata": None}
    hook = {
        "id": "d1",
        "name": "h",
        "sourceId": "s1",
        "metadata": {"slug": "webhooks"},
        "settings": {"url": float("nan")},
    }
    actions = [{"type": "SAMPLE", "percent": float("nan")}, {"type": "DROP_PROPERTIES", "fields": {"properties": None}}]
    filter = {"id": "f1", "destinationId": "d1", "title": None, "if": 7, "actions": actions}
    answer = {"sources": [source], "destinations": [hook], "filters": [filter]}
    (tmp_path / "x.json").write_text(json.dumps(answer))
    made = imported(tmp_path / "new", tmp_path / "x.json")
    assert "filters" not in made["destination"][0]
    assert made["source"][0]["write_key"] == {"file": "secrets/a_write_key"}


def test_names_and_texts_of_people_cannot_break_out_of_config_toml(tmp_path: Path) -> None:
    evil = 'x"\n[admin]\ntoken = "a"\u2028\x1b[31m'
    source = {"id": "s1", "name": evil, "enabled": True, "writeKeys": ["k"], "metadata": {}}
    hook = {"id": "d1", "name": evil, "enabled": True, "sourceId": "s1", "metadata": {"name": "Webhooks"}}
    answer = {
        "data": {"sources": [source], "destinations": [{**hook, "settings": {evil: 1, "url": "https://a/" + evil}}]}
    }
    (tmp_path / "x.json").write_text(json.dumps(answer))
    made = imported(tmp_path / "new", tmp_path / "x.json")
    assert set(made) == {"source", "destination"}


class Walked(list[Any]):
    """Counts how often somebody goes through all of it."""

    walks = 0

    def __iter__(self) -> Iterator[Any]:
        self.walks += 1
        return super().__iter__()


def test_filters_and_mappings_are_gone_through_as_often_for_one_destination_as_for_fifty() -> None:
    def walks(n: int) -> tuple[int, int]:
        ids = [f"d{number}" for number in range(n)]
        workspace = Workspace(
            sources=[Source("s", "Website", True, ("wk",), False)],
            destinations=[
                Destination(id, id, True, "s", ("Webhooks",), "", {"url": f"https://{id}.example"}) for id in ids
            ],
            filters=Walked((id, {"title": id, "if": "type = 'track'", "actions": [{"type": "drop"}]}) for id in ids),
            triggers=Walked(Trigger(id, "All", True, "", {}) for id in ids),
        )
        made = convert(workspace, offers(None), lambda: "key")
        assert made.config.count("[[destination.filters]]") == n
        assert isinstance(workspace.filters, Walked)
        assert isinstance(workspace.triggers, Walked)
        return workspace.filters.walks, workspace.triggers.walks

    assert walks(50) == walks(1)
