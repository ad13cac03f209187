"""Ingestion: from bytes on a socket to calls handed to the sink. Speaks Segment's HTTP tracking API and its neighbours.

bytes -> `body` (bounded reading) with `inflating` -> `parse` or `webhook` (pure, with `one_call`, `json_checks` and `json_items`) -> `admission` (`write_key`,
`token_bucket`) -> sink -> `responses`.

Most requests need less than that: `hot_path` answers them from the bytes (`request_head`, `hot_connection`, `raw_response`).

`routes` has the paths, `middleware` what stands around every handler, `in_flight` what is on its way, `turns` which of it waits; `aiohttp_server` and
`aiohttp_connection` have the connections, `accepting` and `fair_reading` how many come in a turn of the loop, `graceful_close` how they end,
`received_bytes` and `unread_bytes` what they hold, `malformed_http` and `upgrade` what is not answered as it came.
`refusals` says what of it is told to the operator, `limits` has the numbers, `cors` what browsers are told, `proxy` who asks; `pixel` and `sdk_settings` are what is asked by GET.
"""
