"""The kinds of items, and the endpoint of each."""

from __future__ import annotations

TRACK = ""
"""Objects of /users/track."""

IDENTIFY = "identify"
"""Aliases to merge into their user."""

MERGE = "merge"
"""Users to merge into others."""

DELETE = "delete"
"""Profiles to delete."""

PATHS = {TRACK: "/users/track", IDENTIFY: "/users/identify", MERGE: "/users/merge", DELETE: "/users/delete"}

MAX_MERGES = 50
"""Of /users/identify, /users/merge and /users/delete in one request. Source: https://www.braze.com/docs/api/endpoints/user_data/"""
