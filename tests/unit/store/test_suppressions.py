"""Who is on the list of suppressed people, against a list that is looked through for each answer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from router.store import Suppressions

ONES = st.sampled_from([b"one", b"two", b"three", b"browser"])
CHANGES = st.lists(st.tuples(st.booleans(), ONES, ONES), max_size=20)


@given(changes=CHANGES)
def test_a_user_key_is_on_the_list_while_one_of_its_people_is(changes: list[tuple[bool, bytes, bytes]]) -> None:
    suppressions, pairs = Suppressions(b"key", ()), set[tuple[bytes, bytes]]()
    for is_added, hashed, owner in changes:
        if is_added:
            suppressions.add([(hashed, owner)])
            pairs.add((hashed, owner))
        else:
            suppressions.remove([owner])
            pairs = {pair for pair in pairs if owner not in pair}
        assert {one for one in (b"one", b"two", b"three", b"browser") if suppressions.has(one)} == {
            one for one, _ in pairs
        }
        assert len(suppressions) == len({owner for _, owner in pairs})
