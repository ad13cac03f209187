"""Ingestion: from bytes on a socket to calls handed to the acceptor. Speaks Segment's HTTP tracking API.

bytes -> `limits` (bounded reading and inflating) -> `parse` (pure) -> `auth` -> acceptor -> answer (`server`).
"""
