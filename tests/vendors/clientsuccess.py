"""ClientSuccess' usage API, read strictly: one event a request, its name one step of the path, the keys in the URL."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

import msgspec

from router.testing.vendor import Reply
from tests.vendors.strict import STEP, Judged, Refused, Seen, Settings, StrictVendor, is_instant, is_number, is_text

PATH = re.compile(rf"/collector/1\.0\.0/projects/({STEP})/events/({STEP})\?api_key=({STEP})", re.ASCII)
MAX_ID = 200


class ClientSuccessVendor(StrictVendor):
    """Takes an event at a time and answers 201."""

    def judge(self, seen: Seen, settings: Settings) -> Judged:
        """Path, keys, then the body."""
        found = PATH.fullmatch(seen.url)
        if found is None:
            raise refused(404, "there is nothing at this path")
        if seen.method != "POST":
            raise refused(405, "only POST is understood")
        project, event, key = map(unquote, found.groups())
        if project != settings["project_id"]:
            raise refused(404, "unknown project")
        if key != settings["api_key"]:
            raise refused(401, "the api_key is wrong")
        if event.strip() in ("", ".", ".."):
            raise refused(400, "the event has no name")
        if seen.headers.get("content-type") != "application/json":
            raise refused(415, "the body is not said to be JSON")
        try:
            body = seen.json()
        except msgspec.DecodeError:
            raise refused(400, "the body is not JSON") from None
        wrong = list(faults_of(body))
        if wrong:
            raise refused(422, "; ".join(wrong))
        return Judged(Reply(201, json={"created": True}))


def refused(status: int, words: str) -> Refused:
    """A refusal in JSON."""
    return Refused(words, Reply(status, json={"message": words}))


def faults_of(body: Any) -> Any:
    """What is wrong with a body, in words."""
    if not isinstance(body, dict):
        yield "the body is not an object"
        return
    if not is_number(body.get("value")):
        yield "value is not a number"
    if "timestamp" in body and not is_instant(body["timestamp"]):
        yield "timestamp is no instant with its zone"
    identity = body.get("identity")
    if not isinstance(identity, dict):
        yield "identity is not an object"
        return
    organization, user = identity.get("organization"), identity.get("user", {})
    if not isinstance(organization, dict):
        yield "identity.organization is not an object"
    else:
        if not is_id(organization.get("id")):
            yield "identity.organization.id is no id"
        if not is_text(organization.get("name")):
            yield "identity.organization.name is missing"
    if not isinstance(user, dict):
        yield "identity.user is not an object"
        return
    if "id" in user and not is_id(user["id"]):
        yield "identity.user.id is no id"
    for name in ("name", "email"):
        if name in user and not is_text(user[name]):
            yield f"identity.user.{name} is no text"


def is_id(value: object) -> bool:
    """Text or a number of at most 200 characters."""
    return is_number(value) or is_text(value, MAX_ID)
