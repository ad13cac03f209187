"""Which groups a stored call names as its own."""

from __future__ import annotations

import pytest

from router.event import named_groups


@pytest.mark.parametrize(
    ("body", "groups"),
    [
        (b"", set()),
        (b'{}\n{"type":"track","properties":{"company":"acme"}}', set()),
        (b'{}\n{"type":"group","groupId":"acme"}', {"acme"}),
        (b'{}\n{"type":"track","context":{"groupId":" acme "}}', {"acme"}),
        (b'{"c":{"groupId":"acme"}}\n{"type":"track"}', {"acme"}),
        (b'{"c":{"groupId":"beta"}}\n{"groupId":7,"context":{"groupId":"acme"}}', {"7", "acme", "beta"}),
        (b'{}\n{"group\\u0049d":"a\\u0063me"}', {"acme"}),
        (b'{}\n{"groupId":null,"context":[]}', set()),
        (b'{}\n{"groupId":7.0e1}', {"70"}),
        (b'{}\n{"properties":{"groupId":"acme"}}', set()),
        (b'{}\n{"groupId":"acme","n":1e999}', {"acme"}),
    ],
)
def test_they_are_in_the_call_in_its_context_and_in_that_of_its_batch(body: bytes, groups: set[str]) -> None:
    assert named_groups(body) == groups
