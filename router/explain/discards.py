"""Why a call could not be used: what each code of a discard means, who acts, and what the next step is."""

from __future__ import annotations

from router.explain.reasons import Actor, Reason

_TOO_LARGE = "send less in one call, or split the batch"
_ID = "send an id that is text or a number"


def _by_sender(sentence: str, next_step: str, cause: str = "the app that sends made the call so") -> Reason:
    return Reason(sentence, cause, Actor.SENDER, next_step)


DISCARDED = {
    "batch_too_long": _by_sender("a batch had more than 2,500 calls", "send smaller batches"),
    "body_timeout": _by_sender("the body did not come in time", "look at the network between the app and the router"),
    "consent_invalid": _by_sender("the consent in it has a wrong form", "correct context.consent in the call"),
    "event_not_defined": _by_sender("a track call without an event name", "give each track call an event"),
    "event_not_string": _by_sender("the name of its event is no text", "send the event's name as text"),
    "expectation_failed": _by_sender("the request asks for an Expect that is not known", "leave the header out"),
    "group_id_required": _by_sender("a group call without groupId", "give each group call a groupId"),
    "head_too_large": _by_sender("the head of the request is too large", "send fewer or smaller headers and cookies"),
    "id_not_string": _by_sender("an id is no text", _ID),
    "id_required": _by_sender("neither userId nor anonymousId", "send a userId, or an anonymousId for visitors"),
    "id_too_long": _by_sender("an id of a user or a group is too long", "send a shorter id"),
    "invalid_encoding": _by_sender("the body could not be unpacked", "send gzip or deflate as Content-Encoding says"),
    "invalid_http": _by_sender("the request is no valid HTTP", "look at the client and at proxies in between"),
    "invalid_id": _by_sender("an id holds a NUL character", "send ids without NUL characters"),
    "invalid_json": _by_sender("the body is no valid JSON", "send JSON in UTF-8"),
    "invalid_signature": _by_sender("the signature of a webhook is wrong", "give Segment and the source the same secret"),
    "invalid_write_key": Reason(
        "the write key belongs to no source", "the app has an old or a mistyped key", Actor.OPERATOR,
        "compare the key of the app with write_key of the source",
    ),
    "item_too_large": _by_sender("the call is too large", _TOO_LARGE),
    "message_id_too_long": _by_sender("its messageId is too long", "let the library choose the messageId"),
    "missing_signature": _by_sender("a webhook came without a signature", "set the shared secret in Segment"),
    "missing_write_key": _by_sender("the request carries no write key", "set the write key in the library"),
    "not_an_object": _by_sender("the call is no JSON object", "send an object for each call"),
    "origin_not_allowed": Reason(
        "a page of another origin sent it", "`origins` of the source does not name this page", Actor.OPERATOR,
        "add the page's origin to `origins` of the source, if it is yours",
    ),
    "payload_too_large": _by_sender("the request is too large", _TOO_LARGE),
    "previous_id_required": _by_sender("an alias call without previousId", "give each alias call a previousId"),
    "source_disabled": Reason(
        "the source is disabled", "enabled = false in config.toml", Actor.OPERATOR, "enable the source, and reload"
    ),
    "suppressed": Reason(
        "its person is suppressed", "somebody asked that nothing of this person is taken", Actor.NOBODY, "nothing to do"
    ),
    "too_deep": _by_sender("it is nested too deep", "send flatter properties"),
    "type_required": _by_sender("the call has no type", "send type: track, identify, page, screen, group or alias"),
    "unknown_type": _by_sender(
        "there is no such type of call", "send one of track, identify, page, screen, group and alias"
    ),
    "unsupported_encoding": _by_sender("the body is packed in a way that is not known", "send gzip, deflate or nothing"),
}  # fmt: skip
"""By code. `*_not_object` stands for every field that must be an object."""


def discard_of(code: str) -> Reason:
    """What a code means; for one that is not in the table what the name says."""
    if code.endswith("_not_object"):
        field = code.removesuffix("_not_object")
        return _by_sender(f"{field} is no object", f"send {field} as an object, or leave it out")
    unknown = Reason(code, "the call could not be used", Actor.SENDER, "read the message beside it")
    return DISCARDED.get(code, unknown)
