"""The kinds of items, and the endpoint of each."""

from __future__ import annotations

TRACK = ""
"""Objects of /users/track."""

IDENTIFY = "identify"
"""Aliases to merge into their user."""

MERGE = "merge"
"""Users to merge into others."""

PATHS = {TRACK: "/users/track", IDENTIFY: "/users/identify", MERGE: "/users/merge"}

MAX_MERGES = 50
"""Of /users/identify and /users/merge in one request. Source: https://www.braze.com/docs/api/endpoints/user_data/"""
