"""From mapped items to requests, and from responses to outcomes.

batcher.py            forms requests of what waits, and starts them
kind_queue.py         events that wait with items of one kind, in three lines with shares
request_batch.py      what one request carries
in_flight.py          requests on their way
circuit_breaker.py    whether the destination may send: pauses, the breaker, probes
backoff.py            how long until the next attempt
rate_limit.py         the operator's rate of requests
sender.py             one call of the plugin's sending hooks, and the outcome of each item
delivery_span.py      the span of a request, where it is traced
retry_after.py        the wait that a response asks for
http_client.py        what an HTTP client takes and gives back
client_httptools.py   the client: connections of one destination
client_aiohttp.py     the same with aiohttp, where httptools is missing
aiohttp_head.py       there, reads the status before aiohttp does
http_request.py       a request as bytes, and what it may not hold
http_answer.py        reads a response from bytes
answer_memory.py      there, knows the response that a vendor gives again and again
http_connection.py    one connection and its request
http_pool.py          idle connections
http_dial.py          opens a connection: addresses, TLS
http_resolver.py      host names
"""
