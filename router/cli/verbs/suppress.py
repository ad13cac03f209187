"""`suppress` and `unsuppress`: whether calls of a person are accepted."""

from __future__ import annotations

from router.cli.client import running_daemon
from router.cli.options import Common, asks
from router.cli.output import say, say_json
from router.cli.verbs.forget import Person, subject_of


@asks
def suppress(common: Common, user: Person) -> None:
    """Accept no call of a person any more.

    Their calls are answered 200, counted as discarded (`suppressed`), and stored nowhere. What is stored by now stays: see `forget`.

    Examples:
        suppress u1
    """
    _regulate(common, user, "SUPPRESS_ONLY", "is suppressed")


@asks
def unsuppress(common: Common, user: Person) -> None:
    """Accept calls of a person again.

    Nothing of before comes back.

    Examples:
        unsuppress u1
    """
    _regulate(common, user, "UNSUPPRESS", "is suppressed no longer")


def _regulate(common: Common, user: str, kind: str, words: str) -> None:
    subject_type, subject = subject_of(user)
    body = {"regulationType": kind, "subjectType": subject_type, "subjectIds": [subject]}
    with running_daemon(common) as admin:
        answer = admin.post("api", "regulations", body=body)
        people = admin.get("api", "suppressions")["suppressed"]
    if common.as_json:
        say_json({**answer, "suppressed": people})
    else:
        say(f"{user} {words}; suppressed in all: {people}")
