"""router/openapi.json and the router say the same: routes, examples, limits, answers."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from router import errors
from router.errors import StoreBusy, StoreClosed, StoreError, StoreFull
from router.event import TYPES
from router.ingest import limits, responses
from router.ingest.routes import OPENAPI, make_app
from router.ingest.write_key import Sources
from tests.unit.ingest.rig import KEY, TRACK, Client, FakeClock, FakeSource, RecordingAcceptor
from tests.unit.ingest.schema import faults, resolved

DOCUMENT: dict[str, Any] = json.loads(OPENAPI.read_text(encoding="utf-8"))
METHODS = ("get", "post", "put", "patch")
INGEST = Path(responses.__file__).parent

#: codes that the sources spell in two halves
ASSEMBLED = {"invalid_http", "traits_not_object", "properties_not_object", "invalid_signature", "missing_signature"}
#: codes of discards that never become an answer: no single call can have them
ONLY_DISCARDED = {"item_too_large", "not_an_object", "too_deep", "type_required", "unknown_type"}
#: codes that only the admin API answers
ONLY_ADMIN = {"stopping", "under_way"}


class Operation(NamedTuple):
    """A method of a path, with what stands for it in the document."""

    method: str
    path: str
    spec: dict[str, Any]


def operations() -> Iterator[Operation]:
    for path, item in DOCUMENT["paths"].items():
        item = resolved(DOCUMENT, item)
        for method in METHODS:
            if method in item:
                parameters = [*item.get("parameters", ()), *item[method].get("parameters", ())]
                yield Operation(method, path, {**item[method], "parameters": parameters})


def request_body(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = resolved(DOCUMENT, operation.spec.get("requestBody", {}))
    return found


def examples() -> Iterator[tuple[Operation, str, Any, int]]:
    """Each request shown: its operation, name, body and the status that answers it."""
    for operation in operations():
        content = request_body(operation).get("content", {"application/json": {"examples": {"none": {"value": None}}}})
        for name, example in content["application/json"]["examples"].items():
            yield operation, name, example["value"], example.get("x-answer", 200)


def nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in the document."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from nodes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from nodes(inner)


async def ask(client: Client, operation: Operation, body: Any) -> Any:
    """Send an example, its write key filled in."""
    path = operation.path.replace("{key}", KEY)
    query, headers = {}, {}
    for parameter in (resolved(DOCUMENT, each) for each in operation.spec["parameters"]):
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", str(parameter.get("example", "")))
        elif parameter["name"] == "writeKey":
            query["writeKey"] = KEY
    if operation.spec["security"][0].keys() == {"jitsuKey"} or "/v1/webhook" in path:
        headers["X-Write-Key"] = KEY
    text = json.dumps(body).replace("<writeKey>", KEY) if body is not None else None
    return await client.request(operation.method.upper(), path, params=query, headers=headers, data=text)


async def assert_documented(operation: Operation, answer: Any) -> None:
    """Status, headers and body of an answer are as the document has them."""
    response = resolved(DOCUMENT, operation.spec["responses"].get(str(answer.status)))
    assert response is not None, f"{operation.method} {operation.path} answers {answer.status}"
    assert answer.content_type in response["content"]
    for name, header in response.get("headers", {}).items():
        described = resolved(DOCUMENT, header)
        if described.get("required") or name in answer.headers:
            assert list(faults(DOCUMENT, described["schema"], answer.headers[name])) == []
    schema = response["content"][answer.content_type].get("schema")
    if schema:
        assert list(faults(DOCUMENT, schema, await answer.json())) == []


@pytest.fixture
def both_kinds(sources: Sources, request: pytest.FixtureRequest) -> None:
    operation: Operation = request.getfixturevalue("operation")
    sources.replace([FakeSource(kind="segment-webhook" if "webhook" in operation.path else "segment")])


def names(values: list[tuple[Operation, str, Any, int]]) -> list[str]:
    return [f"{operation.method} {operation.path}: {name}" for operation, name, _, _ in values]


@pytest.mark.usefixtures("both_kinds")
@pytest.mark.parametrize(("operation", "name", "body", "status"), list(examples()), ids=names(list(examples())))
async def test_every_example_gets_the_answer_that_is_documented(
    client: Client, operation: Operation, name: str, body: Any, status: int
) -> None:
    answer = await ask(client, operation, body)
    assert answer.status == status
    await assert_documented(operation, answer)


@pytest.mark.parametrize(("operation", "name", "body", "status"), list(examples()), ids=names(list(examples())))
def test_every_example_that_is_taken_is_what_its_schema_says(
    operation: Operation, name: str, body: Any, status: int
) -> None:
    if body is not None and status == 200:
        schema = request_body(operation)["content"]["application/json"]["schema"]
        assert list(faults(DOCUMENT, schema, body)) == []


def test_the_routes_and_the_paths_are_the_same() -> None:
    app = make_app(RecordingAcceptor(), Sources(), FakeClock())
    routes = {(route.method, route.resource.canonical) for route in app.router.routes() if route.resource}
    doubled = {(method, path) for method, path in routes if path.startswith("//")}
    routes -= doubled
    assert doubled == {(method, f"/{path}") for method, path in routes}
    # each path has its twin with a slash at the end, each GET its HEAD
    assert {(method, path.rstrip("/")) for method, path in routes} == {(m, path.rstrip("/")) for m, path in routes}
    served = {(method, path) for method, path in routes if method != "HEAD" and not path.endswith("/")}
    assert {(method, path + "/") for method, path in served} <= routes
    assert served == {(operation.method.upper(), operation.path) for operation in operations()}


def test_every_reference_leads_somewhere() -> None:
    targets = [node for node in nodes(DOCUMENT) if "$ref" in node]
    assert targets
    assert all(isinstance(resolved(DOCUMENT, node), dict) for node in targets)


def test_operations_have_names_of_their_own_and_say_what_they_are_for() -> None:
    own = [item[method] for item in DOCUMENT["paths"].values() for method in METHODS if method in item]
    ids = [operation["operationId"] for operation in own]
    assert len(ids) == len(set(ids))
    assert all(operation["summary"].endswith(".") for operation in own)


def test_the_limits_are_those_in_force() -> None:
    of = {operation.path: request_body(operation).get("x-max-bytes") for operation in operations()}
    assert of["/v1/t"] == of["/api/s/track"] == limits.MAX_SINGLE_BYTES
    assert of["/v1/batch"] == of["/v1/import"] == of["/beacon/v1/batch"] == limits.MAX_BATCH_BYTES
    assert of["/v1/webhook"] == limits.MAX_WEBHOOK_BYTES
    schemas = DOCUMENT["components"]["schemas"]
    assert schemas["Batch"]["properties"]["batch"]["maxItems"] == limits.MAX_BATCH_ITEMS
    assert schemas["Batch"]["properties"]["batch"]["items"]["x-max-bytes"] == limits.MAX_ITEM_BYTES
    assert schemas["Webhook"]["maxItems"] == limits.MAX_BATCH_ITEMS
    assert schemas["Common"]["properties"]["messageId"]["maxLength"] == limits.MAX_MESSAGE_ID
    words = DOCUMENT["info"]["description"]
    assert f"{limits.MAX_DEPTH} levels" in words
    assert f"{limits.BODY_TIMEOUT_S:.0f} s to arrive" in words


def test_the_codes_are_those_that_the_code_has() -> None:
    files = [*INGEST.glob("*.py"), Path(errors.__file__)]
    code = "\n".join(file.read_text(encoding="utf-8") for file in files)
    spelt = re.findall(
        r'(?:InvalidCall|UnknownWriteKey|super\(\).__init__|failure_body|too_deep)\(\s*"(\w+)"|'
        r'failure(?:_bytes)?\(\s*[\w.]+, "(\w+)"|Store\w+: \("(\w+)"',
        code,
    )
    there = {name for found in spelt for name in found if name} | ASSEMBLED
    assert there - ONLY_DISCARDED - ONLY_ADMIN == set(
        DOCUMENT["components"]["schemas"]["Error"]["properties"]["code"]["enum"]
    )


@pytest.mark.parametrize("error", [StoreFull(), StoreBusy(), StoreClosed(), StoreError("x"), RuntimeError("x")])
async def test_errors_of_ours_are_documented(client: Client, acceptor: RecordingAcceptor, error: Exception) -> None:
    (track,) = [operation for operation in operations() if operation.path == "/v1/track"]
    acceptor.error = error
    await assert_documented(track, await client.post("/v1/track", json=TRACK))


@pytest.mark.parametrize(
    ("headers", "source", "status"),
    [
        ({"Content-Encoding": "br"}, FakeSource(), 415),
        ({"Origin": "https://x.example.com"}, FakeSource(origins=("https://y.example.com",)), 403),
        ({}, FakeSource(strict=True), 400),
    ],
)
async def test_refusals_are_documented(
    client: Client, sources: Sources, headers: dict[str, str], source: FakeSource, status: int
) -> None:
    (track,) = [operation for operation in operations() if operation.path == "/v1/track"]
    sources.replace([source])
    answer = await client.post("/v1/track", json={"writeKey": KEY, "userId": "u1"}, headers=headers)
    assert answer.status == status
    await assert_documented(track, answer)


def test_each_type_has_a_schema_and_an_operation() -> None:
    assert {type.capitalize() for type in TYPES} <= set(DOCUMENT["components"]["schemas"])
    assert set(TYPES) <= {operation.spec["operationId"] for operation in operations()}


async def test_it_is_served(client: Client) -> None:
    answer = await client.get("/openapi.json")
    assert (answer.status, await answer.json()) == (200, DOCUMENT)


def test_it_and_the_units_are_shipped_in_the_wheel(tmp_path: Path, root: Path) -> None:
    wheel = pytest.importorskip(
        "hatchling.builders.wheel", reason="hatchling, which builds the wheel, is not installed"
    )
    (built,) = wheel.WheelBuilder(str(root)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(built) as archive:
        assert json.loads(archive.read("router/openapi.json")) == DOCUMENT
        for unit in (root / "systemd").iterdir():  # `doctor` compares those that are installed with them
            assert archive.read(f"router/doctor/systemd/{unit.name}") == unit.read_bytes()
