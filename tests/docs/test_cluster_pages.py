"""The files of docs/cluster/ that people start: their form, and that what they name is there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from router.config import Config, load
from tests.docs.pages import ROOT
from tests.unit.test_containerfile import FINAL, words

FOLDER = ROOT / "docs/cluster"
COMPOSE: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
HAPROXY = (FOLDER / "haproxy.cfg").read_text(encoding="utf-8")
ROUTERS = ("router-a", "router-b")


def configuration() -> Config:
    """config.toml, with the secrets that the containers have."""
    environ = {name: str(value) for name, value in SERVICES["router-a"]["environment"].items()}
    return load(FOLDER / "config.toml", environ)


def test_it_starts_a_database_two_routers_and_a_load_balancer() -> None:
    assert set(SERVICES) == {"db", *ROUTERS, "haproxy"}
    known = {
        "build", "image", "environment", "depends_on", "read_only", "cap_drop", "stop_grace_period", "shm_size", "volumes",
        "healthcheck", "hostname", "ports",
    }  # fmt: skip
    assert {key for service in SERVICES.values() for key in service} <= known


def test_every_volume_is_declared_and_used_and_every_file_is_there() -> None:
    mounts = [mount.split(":") for service in SERVICES.values() for mount in service["volumes"]]
    named = {source for source, *_ in mounts if not source.startswith(".")}
    assert named == set(COMPOSE["volumes"])
    files = [source for source, *_ in mounts if source.startswith(".")]
    assert {*files} == {"./config.toml", "./haproxy.cfg"}
    assert all((FOLDER / file).is_file() for file in files)
    assert all(mount[2:] == ["ro"] for mount in mounts if mount[0].startswith(".")), "read-only"


def test_each_router_has_a_folder_of_its_own_for_its_id_where_the_image_writes() -> None:
    (state,) = words(FINAL, "VOLUME")
    own = [mount.split(":") for name in ROUTERS for mount in SERVICES[name]["volumes"] if mount.startswith("router-")]
    assert own == [[name, state] for name in ROUTERS]
    assert [SERVICES[name]["hostname"] for name in ROUTERS] == [*ROUTERS], "which is what people call the node"


def test_the_routers_are_of_the_image_that_the_containerfile_makes_and_have_all_but_their_names_in_common() -> None:
    for name in ROUTERS:
        build = SERVICES[name]["build"]
        context = (FOLDER / build["context"]).resolve()
        assert (context, (context / build["dockerfile"]).is_file()) == (ROOT, True)
    one, another = [
        {key: SERVICES[name][key] for key in SERVICES[name] if key not in ("hostname", "volumes")} for name in ROUTERS
    ]
    assert one == another
    read = (ROOT / "Containerfile").read_text(encoding="utf-8")
    assert "requirements/postgres.txt" in read, "the image has asyncpg"


def test_the_database_and_the_load_balancer_have_health_checks_and_the_image_has_one() -> None:
    for name in ("db", "haproxy"):
        check = SERVICES[name]["healthcheck"]
        assert check["test"][0] == "CMD"
        assert re.fullmatch(r"\d+s", check["interval"])
    assert words(FINAL, "HEALTHCHECK")
    assert SERVICES["router-a"]["depends_on"] == {"db": {"condition": "service_healthy"}}


def test_the_configuration_is_good_and_leads_to_the_database_of_the_file() -> None:
    config, db = configuration(), SERVICES["db"]["environment"]
    user, password, name = (db[f"POSTGRES_{key}"] for key in ("USER", "PASSWORD", "DB"))
    assert config.store.url == f"postgresql://{user}:{password}@db/{name}"
    assert config.cluster.node == "", "each node is called by its host name"
    assert all(not destination.is_live for destination in config.destinations), "nothing is sent"


def test_only_the_load_balancer_is_reached_from_outside_and_on_loopback() -> None:
    published = {name: service.get("ports", []) for name, service in SERVICES.items()}
    assert {name: ports for name, ports in published.items() if ports} == {"haproxy": ["127.0.0.1:8080:8080"]}


def test_the_load_balancer_knows_each_router_by_its_two_ports_and_asks_readyz() -> None:
    config = configuration()
    servers = re.findall(r"^    server (\S+) (\S+):(\d+) check port (\d+)$", HAPROXY, re.MULTILINE)
    ports = (str(config.server.listen.port), str(config.admin.listen.port))
    assert servers == [(name, name, *ports) for name in ROUTERS]
    assert "option httpchk GET /readyz" in HAPROXY
    assert "bind :8080" in HAPROXY


def test_the_compose_page_names_what_the_file_has() -> None:
    page = (FOLDER / "compose.md").read_text(encoding="utf-8")
    named = re.findall(r"compose\.yaml (?:exec|kill|logs|start|stop) ([\w-]+)", page)
    assert set(named) == {"db", *ROUTERS}
    assert (ROOT / "docs/cluster/compose.yaml").is_file()
    keys = [key for source in configuration().sources for key in source.write_keys]
    assert set(re.findall(r"--user (\w+):", page)) == set(keys)


def test_every_page_of_the_folder_is_named_on_its_first_page() -> None:
    first = (FOLDER / "README.md").read_text(encoding="utf-8")
    pages = [page.name for page in sorted(Path(FOLDER).glob("*.md")) if page.name != "README.md"]
    assert [page for page in pages if f"]({page}" not in first] == []
