"""What was mended, dropped or guessed while a call was read: the field and what was wrong with it, never its value."""

from __future__ import annotations

Note = tuple[str, str]
"""A field (`body` for the whole), and its problem. Both are words of the router, so there are few different ones:

`unreadable`, `out_of_range`: an instant that was left aside. `empty_list`: read as an empty object. `not_an_object`, `not_an_id`: left
aside. `not_a_number`: NaN or Infinity, read as null. `broken_text`: half a surrogate pair, read as U+FFFD.
`object_dropped`: an object where a value was to be hashed; the field is a path of config.toml.
"""

Notes = list[Note]
