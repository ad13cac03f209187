"""Ingestion: from bytes on a socket to calls handed to the acceptor. Speaks Segment's HTTP tracking API and its neighbours.

bytes -> `limits` (bounded reading and inflating) -> `parse` or `webhook` (pure) -> `intake` (`auth`, `rate`) -> acceptor ->
`answers`. `server` has the routes, `listener` the connections, `cors` what browsers are told, `proxy` who asks; `pixel` and
`settings` are what is asked by GET.
"""
